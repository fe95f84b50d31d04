// A command id of a person takes effect once (src/chat/SPEC.md ID1, ID2): every later command that
// is accepted under it is a repetition of the first, with the first's position and no events.
import { fromBinary } from "@bufbuild/protobuf";
import { type Command, CommandSchema } from "../../proto/gen/chat/v1/command_pb.js";
import { type ClusterChecker, SafetyViolation } from "../checker.ts";
import type { ClusterEvent } from "../cluster-event.ts";
import {
  type CommandResult,
  type FirstApplication,
  FirstApplications,
} from "./applied-commands.ts";

/** Ids of commands other than messages may be forgotten after so much cluster time (ID6). */
const memoryMs = 30 * 24 * 3_600_000;

/** Judges every command that is accepted. */
export class ExactlyOnceApplied implements ClusterChecker, FirstApplication {
  readonly name = "exactly-once-applied";
  readonly #applications = new FirstApplications();
  /** By scope and id: the position of the first that took effect. */
  readonly #positions = new Map<string, number>();
  /** The same for those that may be forgotten: when it took effect. */
  readonly #timesMs = new Map<string, number>();
  /** Position of the first InitializeCluster: it answers for those under other ids too (AC2). */
  #initializedPosition: number | undefined;

  see(event: ClusterEvent): void {
    if (event.kind === "applied") this.#applications.forEach(event, this);
  }

  command(
    encoded: Uint8Array,
    { position, outcome, events }: CommandResult,
    { timestampMs }: { readonly timestampMs: number },
  ): void {
    if (outcome.kind !== "accepted") {
      if (events.length > 0) this.#fail(`the refused command at ${position} tells events`);
      return;
    }
    const { id, userId, body: given } = fromBinary(CommandSchema, encoded);
    // A held command counts as what it carries, under its id (IM4).
    const body = given.case === "mergeHeld" ? given.value.held : given;
    const key = `${scopeOf(userId, body)} ${Buffer.from(id).toString("latin1")}`;
    const isInitialize = body.case === "initializeCluster";
    const first =
      this.#positions.get(key) ?? (isInitialize ? this.#initializedPosition : undefined);
    if (outcome.repeated) {
      if (first !== outcome.position || events.length > 0) {
        this.#fail(
          `the command at ${position} is answered as a repetition of ${outcome.position} with ` +
            `${events.length} events; its id first took effect at ${first ?? "no position"}`,
        );
      }
      return;
    }
    const forgottenMs = (this.#timesMs.get(key) ?? Number.POSITIVE_INFINITY) + memoryMs;
    if (first !== undefined && timestampMs <= forgottenMs) {
      this.#fail(`the id of the command at ${position} took effect at ${first} before`);
    }
    if (outcome.position !== position) {
      this.#fail(`the command at ${position} is answered with position ${outcome.position}`);
    }
    this.#positions.set(key, position);
    if (body.case !== "sendMessage") this.#timesMs.set(key, timestampMs);
    if (isInitialize) this.#initializedPosition = position;
  }

  #fail(message: string): never {
    throw new SafetyViolation(this.name, message);
  }
}

/** Among whose ids it counts: the cluster's, whoever logs in, or whoever gives it. */
function scopeOf(userId: number, body: Command["body"]): number {
  return body.case === "openSession" ? body.value.userId : userId;
}
