// A command that is answered as held is on the disk of the server that answers, and on as many
// disks as the answer says (R8). Only messages and log-ins are held (decision 0013); whatever else
// a server in island mode calls accepted was applied before. What an island log held is there after
// a restart.
import { type ClusterChecker, SafetyViolation } from "../../checker.ts";
import type { ClusterEvent } from "../../cluster-event.ts";
import { readHeldCommand } from "../../held-item.ts";
import type { HeldLogs } from "./held-logs.ts";

/** Judges every answer of a server in island mode, at the moment when it is given. */
export class HeldOnDisks implements ClusterChecker {
  readonly name = "held-on-disks";
  readonly #logs: HeldLogs;

  constructor(logs: HeldLogs) {
    this.#logs = logs;
  }

  see(event: ClusterEvent): void {
    const { server } = event;
    const { problem, newRecords } = this.#logs;
    if (problem !== undefined) this.#fail(`server ${server}: ${problem}`);
    if (newRecords.some(({ held }) => held === undefined)) {
      this.#fail(`server ${server} holds what is neither a message nor a log-in`);
    }
    if (event.kind === "heldAnswered") this.#checkHeld(event);
    if (event.kind === "notHeldAnswered") this.#checkNotHeld(event);
  }

  #checkHeld({ server, command, disks }: Extract<ClusterEvent, { kind: "heldAnswered" }>): void {
    const key = readHeldCommand(command)?.key;
    if (key === undefined) {
      this.#fail(`server ${server} answers "held" for what is neither a message nor a log-in`);
    }
    const history = this.#logs.of(key);
    if (history === undefined || !history.disks.has(server)) {
      this.#fail(`server ${server} answers "held" for ${key}, which is not on its disk`);
    }
    if (history.disks.size >= disks) return;
    this.#fail(
      `server ${server} answers "held on ${disks} disks" for ${key}, which is durable on ` +
        `${history.disks.size}: servers ${[...history.disks].join(", ")}`,
    );
  }

  #checkNotHeld(event: Extract<ClusterEvent, { kind: "notHeldAnswered" }>): void {
    const { server, outcome } = event;
    if (outcome.kind === "rejected" || outcome.repeated) return;
    this.#fail(`server ${server} accepts a command in island mode, at ${outcome.position}`);
  }

  #fail(message: string): never {
    throw new SafetyViolation(this.name, message);
  }
}
