// State Machine Safety (Raft §5.4.3): one entry is committed at an index, everywhere and for ever;
// within a life neither the commit index nor the applied index falls, and a server applies each
// entry once, in order, when it is committed and durable there.
import { type ClusterChecker, SafetyViolation } from "../checker.ts";
import type { ClusterEvent, ServerId } from "../cluster-event.ts";
import { ContentHash } from "./content-hash.ts";
import type { ServerLogs } from "./server-logs.ts";

type Applied = Extract<ClusterEvent, { kind: "applied" }>;

/** Judges every commit and every application. */
export class CommitSafety implements ClusterChecker {
  readonly name = "commit-safety";
  readonly #logs: ServerLogs;
  /** By index: the term of the entry that is committed there. */
  readonly #committedTerms: number[] = [0];
  /** By index: hash of what was applied there. */
  readonly #appliedHashes: number[] = [0];
  readonly #hash = new ContentHash();
  /** By server: what it had told before in this life. */
  readonly #told = new Map<ServerId, { commitIndex: number; appliedIndex: number }>();

  constructor(logs: ServerLogs) {
    this.#logs = logs;
  }

  see(event: ClusterEvent): void {
    const { newCommit } = this.#logs;
    if (newCommit !== undefined) this.#checkCommitted(newCommit.server, newCommit.index);
    const { server } = event;
    switch (event.kind) {
      case "started":
        this.#start(server, event.appliedIndex);
        break;
      case "committed": {
        const told = this.#of(server);
        if (event.commitIndex < told.commitIndex) {
          this.#fail(server, `commit index fell from ${told.commitIndex} to ${event.commitIndex}`);
        }
        told.commitIndex = event.commitIndex;
        break;
      }
      case "applied":
        this.#checkApplied(server, event);
        break;
    }
  }

  #of(server: ServerId) {
    let told = this.#told.get(server);
    if (told === undefined) {
      told = { commitIndex: 0, appliedIndex: 0 };
      this.#told.set(server, told);
    }
    return told;
  }

  #start(server: ServerId, appliedIndex: number): void {
    if (appliedIndex >= this.#appliedHashes.length) {
      this.#fail(server, `holds entry ${appliedIndex} as applied, which nobody has applied`);
    }
    this.#told.set(server, { commitIndex: appliedIndex, appliedIndex });
  }

  #checkCommitted(server: ServerId, index: number): void {
    const { terms } = this.#logs.of(server);
    const known = this.#committedTerms;
    if (terms[index] === undefined) {
      this.#fail(server, `commits entry ${index}, its log ends at ${terms.length - 1}`);
    }
    // By Log Matching equal terms at an index are equal logs up to it, so one comparison will do.
    const common = Math.min(index, known.length - 1);
    if (terms[common] !== known[common]) {
      this.#fail(
        server,
        `commits an entry of term ${terms[common]} at ${common}, ` +
          `where one of term ${known[common]} is committed`,
      );
    }
    for (let next = known.length; next <= index; next++) known.push(terms[next]!);
  }

  #checkApplied(server: ServerId, { entries }: Applied): void {
    const told = this.#of(server);
    const { durable } = this.#logs.of(server);
    for (const { index, timestampMs, commands } of entries) {
      if (index !== told.appliedIndex + 1) {
        this.#fail(server, `applied entry ${index} after entry ${told.appliedIndex}`);
      }
      told.appliedIndex = index;
      const hash = this.#hash.reset().number(timestampMs);
      for (const command of commands) hash.bytes(command);
      const value = hash.value();
      const known = this.#appliedHashes[index];
      if (known === undefined) this.#appliedHashes[index] = value;
      else if (known !== value) this.#fail(server, `applied something else at ${index}`);
    }
    const last = told.appliedIndex;
    if (last > told.commitIndex) {
      this.#fail(server, `applied entry ${last}, its commit index is ${told.commitIndex}`);
    }
    if (last > durable) {
      this.#fail(server, `applied entry ${last}, its log is durable up to ${durable}`);
    }
  }

  #fail(server: ServerId, message: string): never {
    throw new SafetyViolation(this.name, `server ${server}: ${message}`);
  }
}
