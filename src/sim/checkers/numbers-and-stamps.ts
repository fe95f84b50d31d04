// Items of a room are numbered 1, 2, 3, … without a gap in the order of the log, and time never
// runs backwards: not from entry to entry, not in a room (src/chat/SPEC.md MS3, MS4; product row
// R12).
import { type ClusterChecker, SafetyViolation } from "../checker.ts";
import type { ClusterEvent } from "../cluster-event.ts";
import {
  type CommandResult,
  type FirstApplication,
  FirstApplications,
} from "./applied-commands.ts";

/** The newest item of a room. */
interface RoomEnd {
  number: number;
  timestampMs: number;
}

/** Judges every item that comes to be. */
export class NumbersAndStamps implements ClusterChecker, FirstApplication {
  readonly name = "numbers-and-stamps";
  readonly #applications = new FirstApplications();
  readonly #rooms = new Map<number, RoomEnd>();
  #timestampMs = 0;

  see(event: ClusterEvent): void {
    if (event.kind === "applied") this.#applications.forEach(event, this);
  }

  entry(entry: {
    readonly index: number;
    readonly timestampMs: number;
    readonly commands: readonly unknown[];
  }): void {
    // Entries that concern consensus alone carry no time.
    if (entry.commands.length === 0) return;
    if (entry.timestampMs < this.#timestampMs) {
      this.#fail(
        `entry ${entry.index} is stamped ${entry.timestampMs}, ` +
          `an earlier one ${this.#timestampMs}`,
      );
    }
    this.#timestampMs = entry.timestampMs;
  }

  command(_encoded: Uint8Array, { position, events }: CommandResult): void {
    for (const { event } of events) {
      if (event.body.case !== "item") continue;
      const { roomId, number } = event.body.value;
      const timestampMs = Number(event.body.value.timestampMs);
      const end = this.#of(roomId);
      if (number !== end.number + 1) {
        this.#fail(`room ${roomId} has item ${number} after item ${end.number}, at ${position}`);
      }
      if (timestampMs < end.timestampMs) {
        this.#fail(`in room ${roomId} time goes back from ${end.timestampMs} to ${timestampMs}`);
      }
      end.number = number;
      end.timestampMs = timestampMs;
    }
  }

  #of(roomId: number): RoomEnd {
    let end = this.#rooms.get(roomId);
    if (end === undefined) {
      end = { number: 0, timestampMs: 0 };
      this.#rooms.set(roomId, end);
    }
    return end;
  }

  #fail(message: string): never {
    throw new SafetyViolation(this.name, message);
  }
}
