// The items of each room are numbered 1, 2, 3, … without a gap on every server, and the room's last
// number is that of the newest (SPEC.md MS3). Says nothing of what the items are.
import type { HistoryChecker } from "../../history.ts";
import { modelOf, type Violate, violationOf } from "./history-model.ts";
import { describeItem } from "./operations.ts";

const name = "dense-numbers";
const violate: Violate = violationOf(name);

/** Numbers without a gap. */
export const denseNumbers: HistoryChecker = {
  name,
  check(history) {
    for (const timelines of modelOf(history).timelinesByServer.values()) {
      for (const { server, roomId, room, lastNumber, items } of timelines) {
        const where = `server ${server}, room ${roomId} (${room})`;
        for (const [index, item] of items.entries()) {
          if (item.number === index + 1 && item.roomId === roomId) continue;
          violate(`${where}: expected item ${index + 1}, found ${describeItem(item)}`);
        }
        if (lastNumber !== items.length) {
          violate(`${where}: its last number is ${lastNumber}, but it has ${items.length} items`);
        }
      }
    }
  },
};
