// Whatever a server says of a room besides its items is what a recount of the timeline up to that
// number gives: how many are in it, whether the asker is, and what does not change. Holds for every
// answer and for the end. Unread counts do not exist in the product yet, so none is recounted.
import type { Room } from "../../../client/index.ts";
import type { FinalTimelineRecord, HistoryChecker, OperationRecord } from "../../history.ts";
import { type HistoryModel, modelOf, type Violate, violationOf } from "./history-model.ts";
import { Membership } from "./membership.ts";
import { argumentsOf, describeOperation, roomsTold } from "./operations.ts";

const name = "counts";
const violate: Violate = violationOf(name);

/** Counts agree with the timeline. */
export const counts: HistoryChecker = {
  name,
  check(history) {
    const model = modelOf(history);
    for (const timelines of model.timelinesByServer.values()) timelines.forEach(checkTimeline);
    for (const operation of model.operations) {
      for (const room of roomsTold(operation)) checkRoom(model, operation, room);
    }
  },
};

function checkTimeline(timeline: FinalTimelineRecord): void {
  const { server, roomId, room, ownerId, items, lastNumber, memberCount } = timeline;
  const where = `server ${server}, room ${roomId} (${room})`;
  if (lastNumber !== items.length) {
    violate(`${where}: last number ${lastNumber}, recounted ${items.length}`);
  }
  const recounted = new Membership(ownerId, items).countAfter(items.length);
  if (memberCount !== recounted) {
    violate(`${where}: ${memberCount} members, recounted ${recounted}`);
  }
}

function checkRoom(model: HistoryModel, operation: OperationRecord, told: Room): void {
  const { roomId, lastNumber } = told;
  const what = () =>
    `${describeOperation(operation)} was told of room ${roomId} (${told.name}) with ` +
    `${lastNumber} items`;
  const room = model.rooms.get(roomId);
  if (room === undefined) violate(`${what()}, which is on no server in the end`);
  const { timeline, membership } = room;
  const isSame =
    told.name === timeline.room &&
    told.ownerId === timeline.ownerId &&
    (told.kind === "personal") === timeline.personal;
  if (!isSame) {
    violate(
      `${what()}, ${told.kind}, of person ${told.ownerId}; in the end it is ` +
        `${timeline.room} of person ${timeline.ownerId}`,
    );
  }
  const recounted = membership.countAfter(lastNumber);
  if (told.memberCount !== recounted) {
    violate(`${what()} and ${told.memberCount} members, recounted ${recounted}`);
  }
  const userId = model.userIdOf(operation.client);
  const isInside = userId !== undefined && membership.isMemberAfter(userId, lastNumber);
  if (told.joined !== isInside) {
    violate(`${what()} and that the asker is ${told.joined ? "" : "not "}in it, which is wrong`);
  }
  if (argumentsOf(operation, "listRooms")?.joinedOnly === true && !told.joined) {
    violate(`${what()}, which the asker is not in, though only such were asked for`);
  }
}
