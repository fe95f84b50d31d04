// What was answered as held is in the log in the end, or set aside: once (R8). It may be missing
// only where the fault plan destroyed every disk that ever held it; such a disk may also be one
// whose folder was replaced by an older one. What was merged was held before, with that content,
// and says the time at which an island accepted it (IM8).
import { RejectionCode } from "../../../proto/gen/chat/v1/api_pb.js";
import { type ClusterChecker, SafetyViolation } from "../../checker.ts";
import type { ClusterEvent } from "../../cluster-event.ts";
import { readHeldCommand, readMerge } from "../../held-item.ts";
import {
  type CommandResult,
  type FirstApplication,
  FirstApplications,
} from "../applied-commands.ts";
import type { HeldLogs } from "./held-logs.ts";

/**
 * What nothing can be set aside of (IM5). No island accepts it, but it may hold it all the same: as
 * part of its log's tail, which nobody has judged before.
 */
const refusedByForm: ReadonlySet<RejectionCode> = new Set([
  RejectionCode.UNKNOWN_ROOM,
  RejectionCode.INVALID_ARGUMENT,
  RejectionCode.TOO_LARGE,
]);

/** Judges merges as they are applied, and what was held at the end. */
export class HeldSurvives implements ClusterChecker, FirstApplication {
  readonly name = "held-survives";
  readonly #logs: HeldLogs;
  readonly #applications = new FirstApplications();
  /** Keys for which "held" was answered. */
  readonly #answered = new Set<string>();
  /** Keys of which something is in the log for good; of log-ins, also refused ones. */
  readonly #settled = new Set<string>();

  constructor(logs: HeldLogs) {
    this.#logs = logs;
  }

  see(event: ClusterEvent): void {
    if (event.kind === "heldAnswered") {
      const key = readHeldCommand(event.command)?.key;
      if (key !== undefined) this.#answered.add(key);
    }
    if (event.kind === "applied") this.#applications.forEach(event, this);
  }

  command(encoded: Uint8Array, { position, outcome }: CommandResult): void {
    const merge = readMerge(encoded);
    if (merge !== undefined) this.#checkMerge(merge, position);
    const held = merge?.held ?? readHeldCommand(encoded);
    if (held === undefined) return;
    const isMergedLogIn = merge !== undefined && held.kind === "logIn";
    const isSettled = outcome.kind === "accepted" || refusedByForm.has(outcome.code);
    if (isSettled || isMergedLogIn) this.#settled.add(held.key);
  }

  finish(): void {
    for (const key of this.#answered) {
      if (this.#settled.has(key)) continue;
      const { disks, lost } = this.#logs.of(key) ?? { disks: new Set(), lost: new Set() };
      if (disks.size > 0 && disks.size === lost.size) continue;
      this.#fail(`${key} was answered as held on servers ${[...disks].join(", ")} and is lost`);
    }
  }

  /** Whether every disk that held a message was destroyed, so that it may be missing. */
  mayBeMissing(authorId: number, commandId: string): boolean {
    const history = this.#logs.of(`${authorId}:${commandId}`);
    return history !== undefined && history.disks.size === history.lost.size;
  }

  #checkMerge({ held, acceptedMs }: NonNullable<ReturnType<typeof readMerge>>, at: number): void {
    if (held === undefined) this.#fail(`the merge at ${at} carries no message and no log-in`);
    const history = this.#logs.of(held.key);
    if (history === undefined) this.#fail(`the merge at ${at} is of ${held.key}, never held`);
    if (!history.contents.has(held.content)) {
      this.#fail(`the merge at ${at} is of ${held.key} with another content than was held`);
    }
    if (history.timesMs.has(acceptedMs)) return;
    this.#fail(
      `the merge at ${at} says that ${held.key} was accepted at ${acceptedMs}; islands did so ` +
        `at ${[...history.timesMs].join(", ")}`,
    );
  }

  #fail(message: string): never {
    throw new SafetyViolation(this.name, message);
  }
}
