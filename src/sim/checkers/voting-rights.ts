// Who may have forgotten has no say (decisions 0011, 0012): a folder that joined later votes and
// stands only when its log has the entry that added it; one whose log came back with less than was
// durable only when it has everything again that was committed when it came back.
import type { PeerMessage } from "../../raft/index.ts";
import { type ClusterChecker, SafetyViolation } from "../checker.ts";
import type { ClusterEvent, ServerId } from "../cluster-event.ts";
import type { ServerLogs } from "./server-logs.ts";

/** An entry; with its term it names the log up to it. */
interface Place {
  readonly index: number;
  readonly term: number;
}

/** One server's folder. */
interface Folder {
  birth: string;
  /** Its cluster was formed with it. */
  isFounder: boolean;
  /** The end of its durable log, when that was told last. */
  end: Place;
  /** What it has to have again before it has a say. */
  owed: Place | undefined;
}

/** Judges every vote, and every candidacy. */
export class VotingRights implements ClusterChecker {
  readonly name = "voting-rights";
  readonly #logs: ServerLogs;
  readonly #folders = new Map<ServerId, Folder>();
  /** Somebody has led: the cluster is formed. */
  #isFormed = false;
  #committed: Place = { index: 0, term: 0 };

  constructor(logs: ServerLogs) {
    this.#logs = logs;
  }

  see(event: ClusterEvent): void {
    const { newCommit } = this.#logs;
    if (newCommit !== undefined && newCommit.index > this.#committed.index) {
      const term = this.#logs.of(newCommit.server).terms[newCommit.index];
      if (term !== undefined) this.#committed = { index: newCommit.index, term };
    }
    const { server } = event;
    switch (event.kind) {
      case "started":
        this.#start(server, event.birth);
        break;
      case "appended":
      case "logDurable":
        this.#keepEnd(server);
        break;
      case "diskReplaced":
        // The plan answers for older copies.
        this.#folders.delete(server);
        break;
      case "roleChanged":
        if (event.role === "leader") this.#isFormed = true;
        break;
      case "messageSent":
        this.#send(server, event.message);
        break;
    }
  }

  #start(server: ServerId, birth: string): void {
    const known = this.#folders.get(server);
    if (known === undefined || known.birth !== birth) {
      const isFounder = !this.#isFormed || this.#isFounders(server);
      const end = { index: 0, term: 0 };
      this.#folders.set(server, { birth, isFounder, end, owed: undefined });
    } else if (!this.#holdsEnd(server, known.end)) {
      known.owed = this.#committed;
    }
    this.#keepEnd(server);
  }

  /** Or had to give it up for a state that was fetched, since it was never committed (Raft §7). */
  #holdsEnd(server: ServerId, { index, term }: Place): boolean {
    return this.#logs.holds(server, index, term) || this.#logs.of(server).isBegunAnew;
  }

  /** An older copy of a founder's folder is a founder's folder. */
  #isFounders(server: ServerId): boolean {
    return this.#logs.configurationOf(server).index > 0 || this.#logs.of(server).terms.length > 1;
  }

  #keepEnd(server: ServerId): void {
    const folder = this.#folders.get(server);
    const { durable, terms } = this.#logs.of(server);
    if (folder !== undefined) folder.end = { index: durable, term: terms[durable] ?? 0 };
  }

  #send(server: ServerId, message: PeerMessage): void {
    if (message.kind === "requestVote" && !message.preVote) this.#judge(server, "stands");
    else if (message.kind === "requestVoteResponse" && !message.preVote && message.granted) {
      this.#judge(server, "votes");
    }
  }

  #judge(server: ServerId, what: string): void {
    const folder = this.#folders.get(server);
    if (folder === undefined) return;
    const { owed, birth, isFounder } = folder;
    if (owed !== undefined) {
      if (!this.#logs.holds(server, owed.index, owed.term)) {
        this.#fail(
          `server ${server} ${what} without entry ${owed.index}, after its log lost entries`,
        );
      }
      folder.owed = undefined;
    }
    if (isFounder) return;
    const { configurations } = this.#logs.of(server);
    const isIn = configurations.some(({ members }) => members.get(server)?.birth === birth);
    if (!isIn) this.#fail(`server ${server} ${what}, and its log does not have it as a member yet`);
    folder.isFounder = true;
  }

  #fail(message: string): never {
    throw new SafetyViolation(this.name, message);
  }
}
