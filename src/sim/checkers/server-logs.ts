// What each server's log is at every moment of a run, as the cluster's events tell it: which
// entries, how far durable, how far committed. Several checkers look here. Judges nothing but Log
// Matching, and that by a value: whoever asks decides.
import type { Entry, Role } from "../../raft/index.ts";
import type { ClusterEvent, ServerId } from "../cluster-event.ts";
import {
  configurationIn,
  foundingConfiguration,
  isQuorum,
  type LoggedConfiguration,
} from "./configurations.ts";
import { EntryTree } from "./entry-tree.ts";

/** One server's log. Read it; only ServerLogs writes it. */
export interface ServerLog {
  /**
   * By index, from 0: the term of the entry there. With the index it names the whole log up to
   * it.
   */
  terms: number[];
  /** Everything up to here is durable and as `terms` says. */
  durable: number;
  /** The newest term and role that the core has told. */
  term: number;
  role: Role;
  /** As told in this life, the applied index at its start included. */
  commitIndex: number;
  appliedIndex: number;
  /** A commit was told inside a step whose entries have not been told yet. */
  isCommitOpen: boolean;
  /**
   * Something on its disk was destroyed: its next start may come back with less than was durable.
   */
  damaged: boolean;
  /** Its last start has put a fetched state, and with it another log, in the place of its own. */
  isBegunAnew: boolean;
  /** The configurations that stand in it, newest last; the first is the founding one. */
  configurations: LoggedConfiguration[];
  /** The durable part of the log that its disk held when that was replaced or found damaged. */
  lost: readonly number[];
}

/** An index that a server says is committed, at a moment when its log can be looked at. */
export interface Commit {
  readonly server: ServerId;
  readonly index: number;
}

/** The logs of all servers. Must see every event, before those who look here. */
export class ServerLogs {
  readonly #tree = new EntryTree();
  readonly #logs = new Map<ServerId, ServerLog>();
  readonly #founding: LoggedConfiguration;
  #committed: { index: number; configuration: LoggedConfiguration };
  /** What the last event showed to be against Log Matching. */
  problem: string | undefined;
  /** The commit that can be looked at since the last event. */
  newCommit: Commit | undefined;

  /** `servers`: how many the cluster is founded by, with the ids 1, 2, 3, … */
  constructor(servers: number) {
    this.#founding = foundingConfiguration(servers);
    this.#committed = { index: 0, configuration: this.#founding };
  }

  of(server: ServerId): ServerLog {
    let log = this.#logs.get(server);
    if (log === undefined) {
      log = {
        terms: [0],
        durable: 0,
        term: 0,
        role: "follower",
        commitIndex: 0,
        appliedIndex: 0,
        isCommitOpen: false,
        damaged: false,
        isBegunAnew: false,
        configurations: [this.#founding],
        lost: [],
      };
      this.#logs.set(server, log);
    }
    return log;
  }

  // ---- Configurations ---------------------------------------------------------------------------

  /** The newest one in a server's log, committed or not: it counts from its place on (Raft §6). */
  configurationOf(server: ServerId): LoggedConfiguration {
    return this.of(server).configurations.at(-1) ?? this.#founding;
  }

  /** The one that counts at a place of a server's log. */
  configurationAt(server: ServerId, index: number): LoggedConfiguration {
    const { configurations } = this.of(server);
    return configurations.findLast((one) => one.index <= index) ?? this.#founding;
  }

  /** The newest that is known to be committed, and the highest committed index. */
  get committedConfiguration(): { readonly index: number; configuration: LoggedConfiguration } {
    return this.#committed;
  }

  /** Those by which somebody may decide something: the committed one, and what follows it. */
  countingConfigurations(): LoggedConfiguration[] {
    const { configuration } = this.#committed;
    const later = [...this.#logs.values()].flatMap(({ configurations }) =>
      configurations.filter(({ index }) => index > configuration.index),
    );
    return [...new Set([configuration, ...later])];
  }

  /** Whether some log has removed the folder with this birth number. */
  isRemovedSomewhere(birth: string): boolean {
    return [...this.#logs.values()].some(
      ({ configurations }) => configurations.at(-1)?.removedBirths.has(birth) === true,
    );
  }

  /** Whether a server's log, as it can be read, holds this entry and so all before it. */
  holds(server: ServerId, index: number, term: number): boolean {
    return this.of(server).terms[index] === term;
  }

  /**
   * Whether an entry is on a server's disk. A copy that was destroyed after the entry was durable
   * there counts: a promise that relied on it may still be under way.
   */
  isOnDisk(server: ServerId, index: number, term: number): boolean {
    const { terms, durable, lost } = this.of(server);
    return (durable >= index && terms[index] === term) || lost[index] === term;
  }

  /** On how many servers' disks this entry is; see `isOnDisk`. */
  disksWith(index: number, term: number): number {
    let count = 0;
    for (const server of this.#logs.keys()) if (this.isOnDisk(server, index, term)) count += 1;
    return count;
  }

  /** Whether it is on the disks of a quorum. */
  isOnQuorum(configuration: LoggedConfiguration, index: number, term: number): boolean {
    return isQuorum(configuration, (server) => this.isOnDisk(server, index, term));
  }

  see(event: ClusterEvent): void {
    this.problem = undefined;
    this.newCommit = undefined;
    const log = this.of(event.server);
    switch (event.kind) {
      case "started":
        this.#start(log, event);
        break;
      case "died":
        log.isCommitOpen = false;
        log.role = "follower";
        break;
      case "diskDamaged":
        log.damaged = true;
        break;
      case "diskReplaced":
        log.lost = log.terms.slice(0, log.durable + 1);
        log.terms = [0];
        log.configurations = [this.#founding];
        log.durable = 0;
        log.damaged = false;
        break;
      case "roleChanged":
        log.role = event.role;
        log.term = event.hardState.term;
        break;
      case "messageReceived":
        this.#closeCommit(event.server, log);
        break;
      case "appended":
        this.#append(log, event.entries);
        this.#closeCommit(event.server, log);
        break;
      case "logDurable":
        this.#closeCommit(event.server, log);
        log.durable = Math.min(event.index, log.terms.length - 1);
        break;
      case "committed":
        log.commitIndex = event.commitIndex;
        log.isCommitOpen = true;
        // A leader commits what it has. A follower may learn of the commit together with the
        // entries, which are told when its step is over.
        if (log.role === "leader") this.#closeCommit(event.server, log);
        break;
      case "applied":
        this.#closeCommit(event.server, log);
        log.appliedIndex = event.entries.at(-1)?.index ?? log.appliedIndex;
        break;
    }
  }

  #closeCommit(server: ServerId, log: ServerLog): void {
    if (!log.isCommitOpen) return;
    log.isCommitOpen = false;
    this.newCommit = { server, index: log.commitIndex };
    if (log.commitIndex <= this.#committed.index) return;
    this.#committed = {
      index: log.commitIndex,
      configuration: this.configurationAt(server, log.commitIndex),
    };
  }

  #start(log: ServerLog, event: Extract<ClusterEvent, { kind: "started" }>): void {
    const { lastIndex, lastTerm, hardState, appliedIndex, baseIndex } = event;
    if (lastIndex > 0 && !this.#tree.has(lastIndex, lastTerm)) {
      this.problem = `it recovered entry ${lastIndex} of term ${lastTerm}, which nobody appended`;
      return;
    }
    if (lastIndex < log.durable || log.damaged) {
      const held = log.terms.slice(0, log.durable + 1);
      if (held.length > log.lost.length) log.lost = held;
    }
    const termAtBase = log.terms[baseIndex];
    // The last entry names the log: the way back from it, as far as this server is known to differ.
    const { terms } = log;
    if (terms.length > lastIndex + 1) terms.length = lastIndex + 1;
    const known = terms.length - 1;
    const tail: number[] = [];
    let term = lastTerm;
    for (let index = lastIndex; index > 0; index--) {
      if (index <= known && terms[index] === term) break;
      tail.push(term);
      term = this.#tree.previousTerm(index, term);
    }
    terms.length = lastIndex + 1 - tail.length;
    this.#cutConfigurations(log, terms.length);
    while (tail.length > 0) {
      this.#keepConfiguration(log, terms.length, tail.at(-1)!);
      terms.push(tail.pop()!);
    }
    log.isBegunAnew = baseIndex > 0 && terms[baseIndex] !== termAtBase;
    log.durable = lastIndex;
    log.damaged = false;
    log.term = hardState.term;
    log.role = "follower";
    // What was cut off had been applied here, whatever became of that state.
    log.commitIndex = Math.max(appliedIndex, baseIndex);
    log.appliedIndex = appliedIndex;
    log.isCommitOpen = false;
  }

  /** The log ends before `index` now. */
  #cutConfigurations({ configurations }: ServerLog, index: number): void {
    while (configurations.length > 1 && configurations.at(-1)!.index >= index) configurations.pop();
  }

  #keepConfiguration({ configurations }: ServerLog, index: number, term: number): void {
    const configuration = this.#tree.configuration(index, term);
    if (configuration !== undefined) configurations.push(configuration);
  }

  #append(log: ServerLog, entries: readonly Entry[]): void {
    const { terms } = log;
    for (const entry of entries) {
      const { index, term } = entry;
      if (index > terms.length || index < 1) {
        this.problem = `it appended entry ${index} after entry ${terms.length - 1}`;
        return;
      }
      if (index < terms.length) {
        terms.length = index;
        this.#cutConfigurations(log, index);
        if (log.durable >= index) log.durable = index - 1;
      }
      if (!this.#tree.add(entry, terms[index - 1]!)) {
        this.problem =
          `it appended entry ${index} of term ${term} with another content, or after another ` +
          "entry, than another server did";
        return;
      }
      terms.push(term);
      if (entry.kind === "configuration") this.#takeConfiguration(log, entry);
    }
  }

  #takeConfiguration(log: ServerLog, entry: Entry): void {
    const { index, term } = entry;
    if (this.#tree.configuration(index, term) === undefined) {
      const previous = log.configurations.at(-1) ?? this.#founding;
      const configuration = configurationIn(entry, previous);
      if (configuration === undefined) {
        this.problem = `it appended entry ${index}, which should be a configuration and is none`;
        return;
      }
      this.#tree.setConfiguration(configuration);
    }
    this.#keepConfiguration(log, index, term);
  }
}
