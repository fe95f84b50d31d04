// What both session guarantees have in common: a client has learned of a position before it asked,
// so every answer after that must be of a state that has it. They differ in how it learned: by its
// own writes (read-your-writes.ts) or by what it was given (monotonic-reads.ts). An island promises
// neither for reads (src/gateways/README.md): what it may have answered is not judged, but what a
// client learned before or there, every answer that no island gave must have.
import type { Room } from "../../../client/index.ts";
import type { OperationRecord } from "../../history.ts";
import type { HistoryModel, RoomModel, Violate } from "./history-model.ts";
import { islandSpansOf } from "./island-spans.ts";
import {
  answerOf,
  argumentsOf,
  describeItem,
  describeOperation,
  inMs,
  roomsTold,
} from "./operations.ts";
import type { Sighting, SightingTrack } from "./real-time.ts";

/** What each client had learned, and when. */
export interface Knowledge {
  readonly violate: Violate;
  readonly tracks: ReadonlyMap<string, SightingTrack>;
  /** When each client first knew of a room, by room. */
  readonly rooms: ReadonlyMap<string, ReadonlyMap<number, number>>;
}

/** Notes that a client knew of a room at this moment. */
export function noteRoom(
  rooms: Map<string, Map<number, number>>,
  client: string,
  known: { readonly roomId: number; readonly atNs: number },
): void {
  let ofClient = rooms.get(client);
  if (ofClient === undefined) {
    ofClient = new Map();
    rooms.set(client, ofClient);
  }
  const before = ofClient.get(known.roomId) ?? Number.POSITIVE_INFINITY;
  ofClient.set(known.roomId, Math.min(before, known.atNs));
}

/** Every answer of a later call is at least as new as what its client knew. */
export function checkKnowledge(model: HistoryModel, knowledge: Knowledge): void {
  const islands = islandSpansOf(model);
  for (const operation of model.operations) {
    if (islands.mayHaveAnswered(operation)) continue;
    const known = knowledge.tracks.get(operation.client)?.newestBefore(operation.callNs);
    if (known !== undefined) {
      for (const room of roomsTold(operation)) checkRoom(model, knowledge, operation, room, known);
    }
    if (operation.operation === "listRooms") checkListed(model, knowledge, operation, known);
    if (operation.code === "NOT_A_MEMBER" && known !== undefined) {
      checkNotAMember(model, knowledge, operation, known);
    }
  }
}

function checkRoom(
  model: HistoryModel,
  { violate }: Knowledge,
  operation: OperationRecord,
  told: Room,
  known: Sighting,
): void {
  const room = model.rooms.get(told.roomId);
  const least = room?.countAt(known.position) ?? 0;
  if (room === undefined || told.lastNumber >= least) return;
  const item = room.item(least);
  violate(
    `${describeOperation(operation)} was told that room ${told.roomId} (${told.name}) ends with ` +
      `item ${told.lastNumber}, but at ${inMs(known.atNs)} the client knew of position ` +
      `${known.position} by ${known.describe()}, so of ${item ? describeItem(item) : least}`,
  );
}

/** A room that the client knew of is in its later lists. */
function checkListed(
  model: HistoryModel,
  { violate, rooms }: Knowledge,
  operation: OperationRecord,
  known: Sighting | undefined,
): void {
  const listed = answerOf(operation, "listRooms");
  const { joinedOnly = false } = argumentsOf(operation, "listRooms") ?? {};
  const userId = model.userIdOf(operation.client);
  const roomsKnown = rooms.get(operation.client);
  if (listed === undefined || roomsKnown === undefined || userId === undefined) return;
  const ids = new Set(listed.rooms.map((room) => room.roomId));
  for (const [roomId, sinceNs] of roomsKnown) {
    const room = model.rooms.get(roomId);
    if (room === undefined || sinceNs >= operation.callNs || ids.has(roomId)) continue;
    const from = known === undefined ? 0 : room.countAt(known.position);
    if (joinedOnly && couldBeOutside(model, room, { userId, from, operation })) continue;
    violate(
      `${describeOperation(operation)} was not told of room ${roomId} (${room.timeline.room}), ` +
        `which the client knew at ${inMs(sinceNs)}${joinedOnly ? " and is in" : ""}`,
    );
  }
}

/** Who was in a room by what they knew, and did not leave it, is not refused as a stranger. */
function checkNotAMember(
  model: HistoryModel,
  { violate }: Knowledge,
  operation: OperationRecord,
  known: Sighting,
): void {
  const ask = argumentsOf(operation, "readTimeline");
  const room = ask && model.room(ask.room);
  const userId = model.userIdOf(operation.client);
  if (room === undefined || userId === undefined) return;
  const from = room.countAt(known.position);
  if (couldBeOutside(model, room, { userId, from, operation })) return;
  violate(
    `${describeOperation(operation)}: the client was in room ${room.roomId} after item ${from}, ` +
      `which it knew of at ${inMs(known.atNs)} by ${known.describe()}, and nobody left since`,
  );
}

/** Whether somebody was not in a room at any moment from an item on until an answer was given. */
export function couldBeOutside(
  model: HistoryModel,
  room: RoomModel,
  {
    userId,
    from,
    operation,
  }: { readonly userId: number; readonly from: number; readonly operation: OperationRecord },
): boolean {
  if (!room.membership.isMemberAfter(userId, from)) return true;
  return room.membership.leavesAfter(userId, from).some((number) => {
    const item = room.item(number);
    const calledNs = item && model.commandOfItem(item)?.firstCallNs;
    return (calledNs ?? 0) < (operation.returnNs ?? Number.POSITIVE_INFINITY);
  });
}
