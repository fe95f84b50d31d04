// What one device sends stands in the log in the order in which it was sent, over breaks, servers
// and restarts (src/client/README.md, invariant 3). Excused is what that invariant excepts: a
// server refuses a message for now and takes a later one that is already under way. Messages of
// different devices are not compared.
import type { HistoryChecker, OperationRecord } from "../../history.ts";
import { deviceOf } from "../../operation-values.ts";
import {
  type CommandModel,
  type HistoryModel,
  modelOf,
  type Violate,
  violationOf,
} from "./history-model.ts";
import { argumentsOf, describeItem, describeOperation } from "./operations.ts";

const name = "fifo";
const violate: Violate = violationOf(name);

/** How FIFO order is judged. */
export interface FifoOptions {
  /**
   * A message that was refused for now is sent again after this long at least: one that was
   * answered sooner had no excuse. Default 90: the servers ask for 100 (src/replica/limits.ts) and
   * 200 (src/gateways/limits.ts), less what a client's clock may be fast.
   */
  readonly refusedForNowMs?: number;
}

/** One device's messages in order. */
export function createFifo({ refusedForNowMs = 90 }: FifoOptions = {}): HistoryChecker {
  return {
    name,
    check(history) {
      const model = modelOf(history);
      const newestByDevice = new Map<string, Sent>();
      for (const operation of model.operations) {
        const sent = sentBy(model, operation);
        if (sent === undefined) continue;
        const device = deviceOf(operation.client);
        const newest = newestByDevice.get(device);
        const isBehind = newest !== undefined && sent.position < newest.position;
        if (isBehind && !wasGivenElsewhere(sent.command)) {
          violate(
            `${describeSent(sent)} was sent after ${describeSent(newest)}, but stands before`,
          );
        }
        const { returnNs, callNs, result } = operation;
        const isPrompt = returnNs !== null && returnNs - callNs < refusedForNowMs * 1e6;
        if (result === "ok" && isPrompt && !isBehind) newestByDevice.set(device, sent);
      }
    },
  };
}

/** One device's messages in order, with the limits that production has. */
export const fifo: HistoryChecker = createFifo();

interface Sent {
  readonly operation: OperationRecord;
  readonly command: CommandModel;
  readonly position: number;
}

/** A message that went through the device's outbox into a room. */
function sentBy(model: HistoryModel, operation: OperationRecord): Sent | undefined {
  const commandId = argumentsOf(operation, "send")?.commandId;
  const command = commandId === undefined ? undefined : model.commands.get(commandId);
  // One that was refused and yet stands there was given again later, by its own right.
  if (command?.item === undefined || operation.result === "refused") return undefined;
  return { operation, command, position: command.item.position };
}

/** Past the outbox, a message may overtake those that wait in it. */
function wasGivenElsewhere({ operations }: CommandModel): boolean {
  return operations.some((one) => one.client.endsWith("u"));
}

function describeSent({ operation, command }: Sent): string {
  const item = command.item === undefined ? "nothing" : describeItem(command.item);
  return `${describeOperation(operation)}: ${item}`;
}
