// Counts what happens in a run, for the report. Judges nothing.
import { fromBinary } from "@bufbuild/protobuf";
import { CommandSchema } from "../proto/gen/chat/v1/command_pb.js";
import type { ClusterEvent } from "./cluster-event.ts";
import type { HistoryRecord } from "./history.ts";

/** The figures of one run. */
export class RunCounts {
  #events = 0;
  #operations = 0;
  #acknowledged = 0;
  #elections = 0;
  readonly #commands: Record<string, number> = {};
  /** Applied entries up to here are counted, whichever server applied them first. */
  #countedIndex = 0;

  see(event: ClusterEvent): void {
    this.#events += 1;
    if (event.kind === "answered" && event.outcome.kind === "accepted") this.#acknowledged += 1;
    else if (event.kind === "roleChanged" && event.role === "leader") this.#elections += 1;
    else if (event.kind === "applied") this.#countCommands(event);
  }

  addHistory(history: readonly HistoryRecord[]): void {
    for (const record of history) if (record.kind === "operation") this.#operations += 1;
  }

  figures() {
    return {
      events: this.#events,
      operations: this.#operations,
      /** Promises that replicas gave. */
      acknowledged: this.#acknowledged,
      elections: this.#elections,
      /** Commands that were applied, by kind. */
      commands: this.#commands,
    };
  }

  #countCommands(event: Extract<ClusterEvent, { kind: "applied" }>): void {
    for (const { index, commands } of event.entries) {
      if (index <= this.#countedIndex) continue;
      this.#countedIndex = index;
      for (const command of commands) {
        const kind = fromBinary(CommandSchema, command).body.case ?? "none";
        this.#commands[kind] = (this.#commands[kind] ?? 0) + 1;
      }
    }
  }
}
