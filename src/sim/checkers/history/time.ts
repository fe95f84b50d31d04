// Cluster time never runs backwards: not within a room by number, and not along the log (SPEC.md
// MS4). How far it is from any clock is not judged.
import type { Item } from "../../../client/index.ts";
import type { HistoryChecker } from "../../history.ts";
import { modelOf, type Violate, violationOf } from "./history-model.ts";
import { describeItem } from "./operations.ts";

const name = "time";
const violate: Violate = violationOf(name);

/** Timestamps do not fall. */
export const time: HistoryChecker = {
  name,
  check(history) {
    const model = modelOf(history);
    for (const timelines of model.timelinesByServer.values()) {
      for (const { items } of timelines) checkRising(items, "in its room");
    }
    checkRising(model.itemsByPosition, "in the log");
  },
};

function checkRising(items: readonly Item[], where: string): void {
  let before: Item | undefined;
  for (const item of items) {
    if (before !== undefined && item.timestampMs < before.timestampMs) {
      violate(
        `${describeItem(item)} has time ${item.timestampMs}, ` +
          `${before.timestampMs - item.timestampMs} ms before what stands before it ${where}: ` +
          describeItem(before),
      );
    }
    before = item;
  }
}
