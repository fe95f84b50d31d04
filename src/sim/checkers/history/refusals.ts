// A refusal tells the truth: there was a moment between call and answer at which it was right, and
// whoever gives an accepted command again learns what the first attempt did (SPEC.md ID3). Judged
// are the codes that speak of rooms, names and ids; what a text must look like is not.
import type { RoomName } from "../../../client/index.ts";
import type { HistoryChecker, OperationRecord } from "../../history.ts";
import {
  type HistoryModel,
  modelOf,
  type RoomModel,
  type Violate,
  violationOf,
} from "./history-model.ts";
import {
  commandIdOf,
  commandOf,
  describeOperation,
  hasOtherContent,
  inMs,
  receiptOf,
  roomsTold,
} from "./operations.ts";
import { type SightingTrack, trackOfAll } from "./real-time.ts";
import { couldBeOutside } from "./session-guarantees.ts";

const name = "refusals";
const violate: Violate = violationOf(name);

/** Refusals are right. */
export const refusals: HistoryChecker = {
  name,
  check(history) {
    const model = modelOf(history);
    const context = { model, track: trackOfAll(model), knownRooms: whenRoomsWereKnown(model) };
    for (const operation of model.operations) {
      if (operation.result !== "refused" || hasOtherContent(operation)) continue;
      checkRepetition(model, operation);
      checkCode(context, operation);
    }
  },
};

interface RefusalContext {
  readonly model: HistoryModel;
  readonly track: SightingTrack;
  /** When somebody first knew of a room, by room. */
  readonly knownRooms: ReadonlyMap<number, number>;
}

function whenRoomsWereKnown(model: HistoryModel): Map<number, number> {
  const known = new Map<number, number>();
  const note = (roomId: number, atNs: number) => {
    known.set(roomId, Math.min(atNs, known.get(roomId) ?? Number.POSITIVE_INFINITY));
  };
  for (const record of model.history) {
    if (record.kind === "delivery") note(record.item.roomId, record.atNs);
    if (record.kind !== "operation" || record.returnNs === null) continue;
    for (const { roomId } of roomsTold(record)) note(roomId, record.returnNs);
    const own = record.operation === "register" && record.result === "ok";
    const room = own ? model.room(`@${String(record.arguments["username"])}`) : undefined;
    if (room !== undefined) note(room.roomId, record.returnNs);
  }
  return known;
}

/**
 * Said of one attempt before its id is looked at, so also of a repetition; or, in island mode, by a
 * server that does not know of the first (SPEC.md IM1, IM2).
 */
const saidBeforeId: ReadonlySet<string | undefined> = new Set([
  "UNAUTHENTICATED",
  "OVERLOADED",
  "NEEDS_MAJORITY",
]);

function checkRepetition(model: HistoryModel, operation: OperationRecord): void {
  const { code, callNs } = operation;
  if (code === "ID_REUSED") {
    violate(`${describeOperation(operation)}, but nothing else was accepted under its id`);
  }
  const commandId = commandIdOf(operation);
  const command = commandId === undefined ? undefined : model.commands.get(commandId);
  const first = command?.operations.find(
    (one) => receiptOf(one) !== undefined && (one.returnNs ?? callNs) < callNs,
  );
  if (first === undefined || saidBeforeId.has(code)) return;
  violate(`${describeOperation(operation)}, though accepted before: ${describeOperation(first)}`);
}

function checkCode(context: RefusalContext, operation: OperationRecord): void {
  switch (operation.code) {
    case "UNKNOWN_ROOM":
      checkUnknownRoom(context, operation);
      return;
    case "NAME_TAKEN":
      checkNameTaken(context.model, operation);
      return;
    case "NOT_A_MEMBER":
      checkNotAMember(context, operation);
      return;
    case "NOT_THE_OWNER":
    case "OWN_ROOM":
      checkOwner(context.model, operation);
  }
}

/** "Unknown" is said only after a linearizable read (src/gateways/rooms.ts), or from the log. */
function checkUnknownRoom(context: RefusalContext, operation: OperationRecord): void {
  const room = roomOf(context.model, operation);
  const sinceNs = room && context.knownRooms.get(room.roomId);
  if (room === undefined || sinceNs === undefined || sinceNs >= operation.callNs) return;
  violate(
    `${describeOperation(operation)}: room ${room.roomId} (${room.timeline.room}) was known ` +
      `${inMs(sinceNs)}`,
  );
}

function checkNameTaken(model: HistoryModel, operation: OperationRecord): void {
  const { name: wanted, username } = operation.arguments;
  const isPerson = commandOf(operation) === "registerUser";
  const taken = isPerson ? `@${String(username ?? wanted)}` : String(wanted);
  if (model.room(taken) !== undefined) return;
  violate(`${describeOperation(operation)}: nobody has ${JSON.stringify(taken)} in the end`);
}

/** For writes only: a read may be of an old state, which the session guarantees bound. */
function checkNotAMember({ model, track }: RefusalContext, operation: OperationRecord): void {
  const room = roomOf(model, operation);
  const userId = model.userIdOf(operation.client);
  if (commandOf(operation) === undefined || room === undefined || userId === undefined) return;
  const known = track.newestBefore(operation.callNs);
  if (known === undefined) return;
  const from = room.countAt(known.position);
  if (couldBeOutside(model, room, { userId, from, operation })) return;
  violate(
    `${describeOperation(operation)}: person ${userId} was in room ${room.roomId} after item ` +
      `${from}, which was known at ${inMs(known.atNs)} by ${known.describe()}, and did not leave`,
  );
}

function checkOwner(model: HistoryModel, operation: OperationRecord): void {
  const room = roomOf(model, operation);
  const userId = model.userIdOf(operation.client);
  const isOwner = room?.timeline.ownerId === userId;
  const isRight = room?.timeline.personal === true && isOwner === (operation.code === "OWN_ROOM");
  if (isRight) return;
  violate(
    `${describeOperation(operation)}: room ${room?.roomId ?? "unknown"} is of person ` +
      `${room?.timeline.ownerId ?? "unknown"}, the asker is person ${userId ?? "unknown"}`,
  );
}

function roomOf(model: HistoryModel, { arguments: args }: OperationRecord): RoomModel | undefined {
  const { room } = args;
  if (typeof room !== "string" && typeof room !== "number") return undefined;
  return model.room(room as RoomName);
}
