// Snapshots, what is cut off behind them, and states that are fetched (decision 0012). All sound
// states have one digest at one index; the log is cut behind a durable snapshot of the same server
// only; a fetched state is what its sender's was, and the log goes on right behind it.
import { toHex } from "../../base/bytes.ts";
import { type ClusterChecker, SafetyViolation } from "../checker.ts";
import type { ClusterEvent, ServerId } from "../cluster-event.ts";
import type { ServerLogs } from "./server-logs.ts";
import type { SoundStates } from "./sound-states.ts";

/** What one server's folder is known to hold. */
interface Held {
  /** The newest snapshot that is complete, or state that was fetched. */
  newest: number;
  /** The log has been cut up to here, or was about to be. */
  cutTo: number;
  /** The folder was damaged since the last start, or another one has taken its place. */
  isExcused: boolean;
  birth: string;
}

/** Judges every snapshot, every cut and every state that is put in place. */
export class SnapshotsAgree implements ClusterChecker {
  readonly name = "snapshots";
  readonly #logs: ServerLogs;
  readonly #states: SoundStates;
  /** By index: the digest of a sound state. A number a checkpoint. */
  readonly #digests = new Map<number, { readonly digest: string; readonly server: ServerId }>();
  readonly #held = new Map<ServerId, Held>();

  constructor(logs: ServerLogs, states: SoundStates) {
    this.#logs = logs;
    this.#states = states;
  }

  see(event: ClusterEvent): void {
    const { server } = event;
    switch (event.kind) {
      case "started":
        this.#start(event);
        break;
      case "diskDamaged":
      case "diskReplaced":
      case "stateDamaged":
        this.#of(server).isExcused = true;
        break;
      case "snapshotTaken":
        this.#take(server, event.index, toHex(event.digest));
        break;
      case "compacted":
        this.#cut(server, event.index);
        break;
      case "stateInstalled":
        this.#compare(server, event.index, event.digest);
        break;
    }
  }

  #of(server: ServerId): Held {
    let held = this.#held.get(server);
    if (held === undefined) {
      held = { newest: 0, cutTo: 0, isExcused: false, birth: "" };
      this.#held.set(server, held);
    }
    return held;
  }

  /** The digest is of what the disk gave back: on a damaged one it may be of anything. */
  #take(server: ServerId, index: number, digest: string): void {
    const held = this.#of(server);
    held.newest = index;
    if (this.#states.isSound(server) && !held.isExcused) this.#compare(server, index, digest);
  }

  #compare(server: ServerId, index: number, digest: string): void {
    const known = this.#digests.get(index);
    if (known === undefined) this.#digests.set(index, { digest, server });
    else if (known.digest !== digest) {
      this.#fail(`servers ${known.server} and ${server} differ in their states as of ${index}`);
    }
  }

  #cut(server: ServerId, index: number): void {
    const held = this.#of(server);
    const { durable, appliedIndex } = this.#logs.of(server);
    if (index > held.newest) {
      this.#fail(`server ${server} cuts its log up to ${index}, its snapshot is of ${held.newest}`);
    }
    if (index > Math.min(durable, appliedIndex)) {
      this.#fail(
        `server ${server} cuts its log up to ${index}, which has ${durable} durable ` +
          `and ${appliedIndex} applied entries`,
      );
    }
    held.cutTo = Math.max(held.cutTo, index);
  }

  /** A log begins where it was cut, behind a state that was fetched, or behind damage. */
  #start(event: Extract<ClusterEvent, { kind: "started" }>): void {
    const { server, baseIndex, appliedIndex, lastIndex, birth } = event;
    const held = this.#of(server);
    if (held.birth !== birth) Object.assign(held, { newest: 0, cutTo: 0, birth });
    if (baseIndex > lastIndex)
      this.#fail(`server ${server} has a log after ${baseIndex} that ends before`);
    const isCut = baseIndex <= held.cutTo || baseIndex === appliedIndex;
    if (!isCut && !held.isExcused) {
      this.#fail(
        `server ${server} came back with a log that begins after ${baseIndex}; ` +
          `it was cut up to ${held.cutTo}, and ${appliedIndex} is applied`,
      );
    }
    held.cutTo = Math.max(held.cutTo, baseIndex);
    held.newest = Math.max(held.newest, Math.min(appliedIndex, baseIndex));
    held.isExcused = false;
  }

  #fail(message: string): never {
    throw new SafetyViolation(this.name, message);
  }
}
