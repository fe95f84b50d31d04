// Nobody is given what is not theirs to see, and nobody writes where they may not (SPEC.md
// RM4–RM10, MS1, MS2, MS6). By delivery: items at which one was in the room, one's own coming and
// going included; a personal room's followers are its members. By reading: whoever is in a room may
// read all of it, also what was before they came. Also: no log-in with a wrong password.
import type { Item } from "../../../client/index.ts";
import type { DeliveryRecord, HistoryChecker, OperationRecord } from "../../history.ts";
import {
  type HistoryModel,
  modelOf,
  type RoomModel,
  type Violate,
  violationOf,
} from "./history-model.ts";
import { answerOf, argumentsOf, describeItem, describeOperation, inMs } from "./operations.ts";

const name = "audience";
const violate: Violate = violationOf(name);

/** What is shown, and to whom. */
export const audience: HistoryChecker = {
  name,
  check(history) {
    const model = modelOf(history);
    for (const room of model.rooms.values()) {
      for (const item of room.items) checkAuthor(room, item);
    }
    for (const record of model.history) {
      if (record.kind === "delivery") checkDelivery(model, record);
      if (record.kind !== "operation" || record.result !== "ok") continue;
      checkRead(model, record);
      checkView(model, record);
      checkLogIn(record);
    }
  },
};

function checkAuthor({ timeline, membership }: RoomModel, item: Item): void {
  const { authorId, number, content } = item;
  const isInside = membership.isMemberAfter(authorId, number - 1);
  const isOwner = authorId === timeline.ownerId;
  switch (content.kind) {
    case "message":
      if (!isInside) violate(`${describeItem(item)}: its author was not in the room`);
      if (timeline.personal && !isOwner) {
        violate(`${describeItem(item)}: its author is not the owner of this personal room`);
      }
      return;
    case "joined":
      if (isInside) violate(`${describeItem(item)}: its author was in the room already`);
      return;
    case "left":
      if (!isInside) violate(`${describeItem(item)}: its author was not in the room`);
      if (timeline.personal && isOwner) {
        violate(`${describeItem(item)}: its author left their own personal room`);
      }
  }
}

function checkDelivery(model: HistoryModel, { client, userId, atNs, item }: DeliveryRecord): void {
  const own = model.userIdOf(client);
  if (own !== undefined && own !== userId) {
    violate(`${client} was logged in as person ${userId} at ${inMs(atNs)}, but is person ${own}`);
  }
  const room = model.rooms.get(item.roomId);
  if (room?.membership.isAudience(userId, item.number)) return;
  violate(
    `${client}, person ${userId}, was given ${describeItem(item)} at ${inMs(atNs)}, and was ` +
      "not in that room at that item",
  );
}

function checkRead(model: HistoryModel, operation: OperationRecord): void {
  const page = answerOf(operation, "readTimeline");
  if (page === undefined) return;
  const { roomId, lastNumber } = page.room;
  const userId = model.userIdOf(operation.client);
  const room = model.rooms.get(roomId);
  if (userId !== undefined && room?.membership.isMemberAfter(userId, lastNumber)) return;
  violate(
    `${describeOperation(operation)}: person ${userId ?? "unknown"} was shown room ${roomId} as ` +
      `of item ${lastNumber}, and was not in it`,
  );
}

/** What is shown live was read while inside, or delivered. Who leaves keeps what was shown. */
function checkView(model: HistoryModel, operation: OperationRecord): void {
  const view = answerOf(operation, "viewTimeline");
  const newest = view?.items.at(-1);
  if (newest === undefined) return;
  const userId = model.userIdOf(operation.client);
  const membership = model.rooms.get(newest.roomId)?.membership;
  const isAllowed =
    userId !== undefined &&
    membership !== undefined &&
    (membership.isAudience(userId, newest.number) ||
      membership.isMemberSometimeAfter(userId, newest.number));
  if (isAllowed) return;
  violate(
    `${describeOperation(operation)}: person ${userId ?? "unknown"} was shown ` +
      `${describeItem(newest)}, and was not in the room then or later`,
  );
}

function checkLogIn(operation: OperationRecord): void {
  const ask = argumentsOf(operation, "logIn");
  const person = answerOf(operation, "logIn");
  if (ask === undefined || person === undefined) return;
  if (!ask.rightPassword) violate(`${describeOperation(operation)} had a wrong password`);
  if (person.username !== ask.username) {
    violate(`${describeOperation(operation)} as ${ask.username} became ${person.username}`);
  }
}
