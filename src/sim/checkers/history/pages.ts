// A page of a room is exactly what was asked for, as the room was when it had the number of items
// that the answer says: a run without a gap, nothing missing at its ends, each item as in the final
// timeline. How old that state may be is judged by the session guarantees; whether the reader may
// see it, by audience.ts.
import { assertDefined } from "../../../base/assert.ts";
import type { Item } from "../../../client/index.ts";
import type { HistoryChecker, OperationRecord } from "../../history.ts";
import {
  type HistoryModel,
  modelOf,
  type RoomModel,
  type Violate,
  violationOf,
} from "./history-model.ts";
import {
  answerOf,
  argumentsOf,
  describeItem,
  describeOperation,
  differenceOf,
} from "./operations.ts";

const name = "pages";
const violate: Violate = violationOf(name);

/** Bytes of items after which a server cuts a page short (src/gateways/queries.ts). */
const pageBytesMax = 524_288;
/**
 * What an item takes beside its body, at most: numbers, times and tags below 60, an id of 16 bytes,
 * a username of 32.
 */
const itemBytesBesideBodyMax = 120;

/** Pages are slices of the final timeline. */
export const pages: HistoryChecker = {
  name,
  check(history) {
    const model = modelOf(history);
    for (const operation of model.operations) {
      checkPage(model, operation);
      checkView(model, operation);
    }
  },
};

function checkPage(model: HistoryModel, operation: OperationRecord): void {
  const ask = argumentsOf(operation, "readTimeline");
  const answer = answerOf(operation, "readTimeline");
  if (ask === undefined || answer === undefined) return;
  const { lastNumber, roomId } = answer.room;
  const room = model.rooms.get(roomId);
  if (room === undefined || model.room(ask.room) !== room) {
    violate(`${describeOperation(operation)} was answered with room ${roomId}, which it is not`);
  }
  if (lastNumber > room.items.length) {
    violate(
      `${describeOperation(operation)} was told of ${lastNumber} items of room ${roomId}, ` +
        `which has ${room.items.length} in the end`,
    );
  }
  const wanted = rangeOf(ask, lastNumber);
  const found = checkRun(operation, room, answer.items);
  if (found.first === wanted.first && found.last === wanted.last) return;
  if (found.last < found.first && wanted.last < wanted.first) return;
  if (!isCutRightly(room, wanted, found)) {
    violate(
      `${describeOperation(operation)} wanted items ${wanted.first} to ${wanted.last} of room ` +
        `${roomId} with ${lastNumber} items, and was given ${found.first} to ${found.last}`,
    );
  }
}

/** Numbers with both ends; none where the last is below the first. */
interface NumberRange {
  readonly first: number;
  readonly last: number;
  /** At which end a page begins, and so is not cut. */
  readonly from: "oldest" | "newest";
}

/** SPEC.md RM10, and what the SDK makes of "after 0". */
function rangeOf(
  ask: { readonly before?: number; readonly after?: number; readonly limit: number },
  lastNumber: number,
): NumberRange {
  const { before = 0, after = 0, limit } = ask;
  if (after > 0) {
    return { first: after + 1, last: Math.min(after + limit, lastNumber), from: "oldest" };
  }
  const isFromStart = ask.after === 0 && before === 0;
  const end = isFromStart ? limit + 1 : before > 0 ? before : lastNumber + 1;
  const last = Math.min(end - 1, lastNumber);
  return { first: Math.max(1, last - limit + 1), last, from: "newest" };
}

/** The items' numbers, if they follow each other and are as in the end. */
function checkRun(
  operation: OperationRecord,
  room: RoomModel,
  items: readonly Item[],
): { readonly first: number; readonly last: number } {
  const first = items[0]?.number ?? 1;
  for (const [index, item] of items.entries()) {
    if (item.number !== first + index) {
      violate(
        `${describeOperation(operation)} was given ${describeItem(item)} where item ` +
          `${first + index} belongs`,
      );
    }
    const final = room.item(item.number);
    const field = final === undefined ? "number" : differenceOf(item, final);
    if (field === undefined) continue;
    violate(
      `${describeOperation(operation)} was given ${describeItem(item)}, whose ${field} is not as ` +
        `in the end: ${final ? describeItem(final) : "no such item"}`,
    );
  }
  return { first, last: first + items.length - 1 };
}

/** A page may end early only where the next item might not have fitted. */
function isCutRightly(
  room: RoomModel,
  wanted: NumberRange,
  found: { readonly first: number; readonly last: number },
): boolean {
  if (found.last < found.first) return false;
  const keptEnd = wanted.from === "oldest" ? "first" : "last";
  const cutEnd = wanted.from === "oldest" ? "last" : "first";
  if (found[keptEnd] !== wanted[keptEnd]) return false;
  if (found.first < wanted.first || found.last > wanted.last) return false;
  const next = found[cutEnd] + (wanted.from === "oldest" ? 1 : -1);
  let bytes = 0;
  for (let number = Math.min(found.first, next); number <= Math.max(found.last, next); number++) {
    const { content } = assertDefined(room.item(number), "an item within the wanted ones");
    const bodyBytes = content.kind === "message" ? Buffer.byteLength(content.body) : 0;
    bytes += bodyBytes + itemBytesBesideBodyMax;
  }
  return bytes > pageBytesMax;
}

/** A live timeline is a run, and one that has nothing older begins with the first item. */
function checkView(model: HistoryModel, operation: OperationRecord): void {
  const view = answerOf(operation, "viewTimeline");
  if (view === undefined) return;
  const room = model.rooms.get(view.roomId);
  if (room === undefined) {
    violate(`${describeOperation(operation)} showed room ${view.roomId}, which is not there`);
  }
  const { first, last } = checkRun(operation, room, view.items);
  if (view.hasOlder || last < first || first === 1) return;
  violate(`${describeOperation(operation)} has nothing older than item ${first}`);
}
