// In the end every server has the same rooms with the same items, field by field. Which of two
// servers is right is for others to say.
import { assertDefined } from "../../../base/assert.ts";
import type { FinalTimelineRecord, HistoryChecker } from "../../history.ts";
import { modelOf, type Violate, violationOf } from "./history-model.ts";
import { describeItem, differenceOf } from "./operations.ts";

const name = "same-everywhere";
const violate: Violate = violationOf(name);

/** All servers' final timelines are equal. */
export const sameEverywhere: HistoryChecker = {
  name,
  check(history) {
    let first: ReadonlyMap<number, FinalTimelineRecord> | undefined;
    for (const [server, timelines] of modelOf(history).timelinesByServer) {
      const rooms = new Map<number, FinalTimelineRecord>();
      for (const timeline of timelines) {
        if (rooms.has(timeline.roomId)) {
          violate(`server ${server} told of room ${timeline.roomId} twice`);
        }
        rooms.set(timeline.roomId, timeline);
      }
      if (first === undefined) first = rooms;
      else compareServers(first, rooms);
    }
  },
};

type Rooms = ReadonlyMap<number, FinalTimelineRecord>;

function compareServers(a: Rooms, b: Rooms): void {
  for (const timeline of a.values()) {
    const other = b.get(timeline.roomId);
    if (other === undefined) lacks(timeline, b);
    else compareTimelines(timeline, other);
  }
  for (const timeline of b.values()) if (!a.has(timeline.roomId)) lacks(timeline, a);
}

function lacks({ server, roomId, room }: FinalTimelineRecord, rooms: Rooms): never {
  const other = [...rooms.values()][0]?.server;
  violate(`server ${server} has room ${roomId} (${room}), server ${other ?? "?"} has not`);
}

const fields = ["room", "ownerId", "personal", "memberCount", "lastNumber"] as const;

function compareTimelines(a: FinalTimelineRecord, b: FinalTimelineRecord): void {
  const where = `room ${a.roomId} (${a.room})`;
  for (const field of fields) {
    if (a[field] === b[field]) continue;
    violate(
      `${where}: ${field} is ${a[field]} on server ${a.server}, ${b[field]} on server ${b.server}`,
    );
  }
  for (let index = 0; index < Math.max(a.items.length, b.items.length); index++) {
    const [own, other] = [a.items[index], b.items[index]];
    if (own === undefined || other === undefined) {
      const { server } = own === undefined ? b : a;
      const item = assertDefined(own ?? other, "an item within the longer timeline");
      violate(`${where}: only server ${server} has ${describeItem(item)}`);
    }
    const field = differenceOf(own, other);
    if (field === undefined) continue;
    violate(
      `${where}: ${field} differs: server ${a.server} has ${describeItem(own)}, ` +
        `server ${b.server} has ${describeItem(other)}`,
    );
  }
}
