// Writes take effect at one moment between call and answer, in one order for all rooms and clients:
// that of their positions. What was called after somebody learned of a position comes after it, and
// nothing is seen before it was called. Reads may be old; session guarantees are judged elsewhere.
import type { HistoryChecker } from "../../history.ts";
import {
  type CommandModel,
  type HistoryModel,
  modelOf,
  type Violate,
  violationOf,
} from "./history-model.ts";
import { describeItem, describeOperation, inMs, receiptOf } from "./operations.ts";
import { type SightingTrack, trackOfAll } from "./real-time.ts";

const name = "linearizability";
const violate: Violate = violationOf(name);

/** The order of the log respects real time. */
export const linearizability: HistoryChecker = {
  name,
  check(history) {
    const model = modelOf(history);
    checkPositions(model);
    checkNothingEarly(model);
    const track = trackOfAll(model);
    for (const command of model.commands.values()) {
      checkRepetitions(command);
      checkOrder(track, command);
    }
  },
};

/** Positions rise with numbers in each room, and no two items share one. */
function checkPositions(model: HistoryModel): void {
  for (const { items } of model.rooms.values()) {
    for (const [index, item] of items.entries()) {
      const before = items[index - 1];
      if (before === undefined || before.position < item.position) continue;
      violate(`${describeItem(item)} stands behind ${describeItem(before)} in its room`);
    }
  }
  for (const [index, item] of model.itemsByPosition.entries()) {
    const before = model.itemsByPosition[index - 1];
    if (before?.position !== item.position) continue;
    violate(`one position, two items: ${describeItem(before)}, ${describeItem(item)}`);
  }
}

/**
 * All answers to one command tell the same position; one that was called after another was answered
 * says that it repeats (SPEC.md ID2).
 */
function checkRepetitions({ operations }: CommandModel): void {
  if (operations.length < 2) return;
  const answered = operations.filter((one) => receiptOf(one) !== undefined);
  for (const operation of answered) {
    const receipt = receiptOf(operation);
    for (const earlier of answered) {
      const told = receiptOf(earlier);
      if (told?.position !== receipt?.position) {
        violate(
          `one command, two positions: ${told?.position} for ${describeOperation(earlier)}, ` +
            `${receipt?.position} for ${describeOperation(operation)}`,
        );
      }
      const isEarlier = (earlier.returnNs ?? Number.POSITIVE_INFINITY) < operation.callNs;
      if (isEarlier && receipt?.repeated !== true) {
        violate(
          `${describeOperation(operation)} is not told that it repeats ` +
            describeOperation(earlier),
        );
      }
    }
  }
}

function checkOrder(track: SightingTrack, { operations, firstCallNs, item }: CommandModel): void {
  if (firstCallNs === undefined) return;
  let position = item?.position;
  for (const operation of operations) position ??= receiptOf(operation)?.position;
  const before = track.newestBefore(firstCallNs);
  if (position === undefined || before === undefined || before.position < position) return;
  const given = operations.map(describeOperation).join(", ");
  violate(
    `first called ${inMs(firstCallNs)}, stands at position ${position}: ${given}; but before ` +
      `that, at ${inMs(before.atNs)}, position ${before.position} ` +
      `was known by ${before.describe()}`,
  );
}

/** Nobody is given an item before somebody has asked for it. */
function checkNothingEarly(model: HistoryModel): void {
  for (const record of model.history) {
    if (record.kind !== "delivery") continue;
    const command = model.commandOfItem(record.item);
    if (record.atNs >= (command?.firstCallNs ?? Number.NEGATIVE_INFINITY)) continue;
    violate(
      `${record.client} was given ${describeItem(record.item)} at ${inMs(record.atNs)}, ` +
        `before it was sent: ${command?.operations.map(describeOperation).join(", ")}`,
    );
  }
}
