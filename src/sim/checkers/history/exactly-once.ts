// What was acknowledged is done exactly once, on every server, at the place that was told; what was
// refused is not done; what nobody knows of is done at most once; and nothing is there that nobody
// asked for (SPEC.md ID2, ID4; product rule R5). Judges results, not their order.
import { assertDefined } from "../../../base/assert.ts";
import type { Item } from "../../../client/index.ts";
import type { FinalTimelineRecord, HistoryChecker, OperationRecord } from "../../history.ts";
import { personOf } from "../../operation-values.ts";
import {
  type CommandModel,
  type HistoryModel,
  modelOf,
  type Violate,
  violationOf,
} from "./history-model.ts";
import {
  answerOf,
  argumentsOf,
  bodyOf,
  commandIdOf,
  commandOf,
  describeItem,
  describeOperation,
  type GivenCommand,
  hasOtherContent,
  receiptOf,
} from "./operations.ts";

const name = "exactly-once";
const violate: Violate = violationOf(name);

/** Each acknowledged write exactly once. */
export const exactlyOnce: HistoryChecker = {
  name,
  check(history) {
    const model = modelOf(history);
    checkAnswers(model);
    for (const timelines of model.timelinesByServer.values()) {
      const state = indexServer(timelines);
      for (const command of model.commands.values()) checkCommand(model, state, command);
      checkAccounts(model, state);
      checkNothingElse(model, state);
      checkRooms(model, state);
    }
  },
};

/** What one server has in the end. */
interface ServerState {
  readonly server: number;
  readonly rooms: ReadonlyMap<number, FinalTimelineRecord>;
  readonly roomNames: ReadonlySet<string>;
  readonly items: ReadonlyMap<string, Item>;
  readonly bodies: ReadonlyMap<string, Item>;
}

function indexServer(timelines: readonly FinalTimelineRecord[]): ServerState {
  const server = assertDefined(timelines[0], "a server that told of a room").server;
  const items = new Map<string, Item>();
  const bodies = new Map<string, Item>();
  for (const timeline of timelines) {
    for (const item of timeline.items) {
      const twin = items.get(item.commandId);
      if (twin !== undefined) {
        violate(
          `server ${server} has one command twice: ${describeItem(twin)}, ${describeItem(item)}`,
        );
      }
      items.set(item.commandId, item);
      const body = bodyOf(item);
      if (body === undefined) continue;
      const double = bodies.get(body);
      if (double !== undefined) {
        violate(
          `server ${server} has one text twice: ${describeItem(double)}, ${describeItem(item)}`,
        );
      }
      bodies.set(body, item);
    }
  }
  const rooms = new Map(timelines.map((timeline) => [timeline.roomId, timeline]));
  const roomNames = new Set(timelines.map((timeline) => timeline.room));
  return { server, rooms, roomNames, items, bodies };
}

/** What the answers alone must be. */
function checkAnswers(model: HistoryModel): void {
  for (const operation of model.operations) {
    if (operation.result !== "ok") continue;
    if (hasOtherContent(operation)) {
      violate(`${describeOperation(operation)} gave a used id another content and was accepted`);
    }
    const isWrite = commandOf(operation) !== undefined;
    if (isWrite && model.timelinesByServer.size === 0) {
      violate(`${describeOperation(operation)} is on no server: no final timeline was read`);
    }
  }
  for (const { operations } of model.commands.values()) {
    const fresh = operations.filter((one) => receiptOf(one)?.repeated === false);
    if (fresh.length > 1) {
      violate(`one command was done anew twice: ${fresh.map(describeOperation).join(", ")}`);
    }
  }
}

function checkCommand(model: HistoryModel, state: ServerState, command: CommandModel): void {
  const { operations, commandId } = command;
  const item = state.items.get(commandId);
  for (const operation of operations) {
    const receipt = receiptOf(operation);
    if (receipt !== undefined) checkAcknowledged(model, state, { operation, receipt, item });
  }
  if (item !== undefined && operations.every((one) => one.result === "refused")) {
    const refusals = operations.map(describeOperation).join(", ");
    violate(`server ${state.server} has ${describeItem(item)}, though it was refused: ${refusals}`);
  }
}

interface Acknowledged {
  readonly operation: OperationRecord;
  readonly receipt: NonNullable<ReturnType<typeof receiptOf>>;
  readonly item: Item | undefined;
}

const kindOfCommand = { sendMessage: "message", joinRoom: "joined", leaveRoom: "left" } as const;

function checkAcknowledged(model: HistoryModel, state: ServerState, it: Acknowledged): void {
  const { operation, receipt, item } = it;
  const command = commandOf(operation);
  const what = () => `${describeOperation(operation)}, told ${JSON.stringify(receipt)}`;
  const where = `server ${state.server}`;
  if (command === "createRoom" || command === "registerUser") {
    const roomId = answerOf(operation, "createRoom")?.room.roomId ?? receipt.roomId;
    if (roomId === undefined) return;
    const room = state.rooms.get(roomId);
    const wanted = operation.arguments["name"];
    if (room === undefined) violate(`${where} has no room ${roomId}: ${what()}`);
    if (room.room !== wanted || !isBy(model, operation, room.ownerId)) {
      violate(`${where}: room ${roomId} is ${room.room} of person ${room.ownerId}: ${what()}`);
    }
  } else if (command === "sendMessage" || command === "joinRoom" || command === "leaveRoom") {
    if (item === undefined) {
      if (command !== "joinRoom" || !wasInside(model, operation, receipt)) {
        violate(`${where} lacks what was acknowledged: ${what()}`);
      }
      return;
    }
    const roomId = answerOf(operation, "joinRoom")?.room.roomId ?? receipt.roomId ?? item.roomId;
    const isAsTold =
      item.position === receipt.position &&
      item.roomId === roomId &&
      item.number === (receipt.number ?? item.number);
    if (!isAsTold) violate(`${where} has ${describeItem(item)} elsewhere than told: ${what()}`);
    const isAsked =
      item.content.kind === kindOfCommand[command] &&
      bodyOf(item) === operation.arguments["body"] &&
      model.room(operation.arguments["room"] as string | number)?.roomId === item.roomId;
    if (!isAsked || !isBy(model, operation, item.authorId)) {
      violate(`${where} has ${describeItem(item)}, which is not what was asked: ${what()}`);
    }
  }
}

/** Joining a room that one is in adds nothing (SPEC.md RM5). */
function wasInside(
  model: HistoryModel,
  operation: OperationRecord,
  { position }: { readonly position: number },
): boolean {
  const room = model.room(operation.arguments["room"] as string | number);
  const userId = model.userIdOf(operation.client);
  if (room === undefined || userId === undefined) return false;
  return room.membership.isMemberAfter(userId, room.countAt(position));
}

function isBy(model: HistoryModel, operation: OperationRecord, userId: number): boolean {
  // Whoever registers has no id yet, and need not be the person behind the client.
  return commandOf(operation) === "registerUser" || model.userIdOf(operation.client) === userId;
}

function checkAccounts(model: HistoryModel, state: ServerState): void {
  for (const operation of model.operations) {
    const person = answerOf(operation, "register") ?? answerOf(operation, "logIn");
    if (person === undefined) continue;
    const own = model.room(`@${person.username}`)?.timeline;
    if (!state.roomNames.has(`@${person.username}`) || own?.ownerId !== person.userId) {
      violate(
        `server ${state.server} has no room of ${person.username}, person ${person.userId}: ` +
          describeOperation(operation),
      );
    }
  }
}

/** Every item was asked for; those whose id no answer told are counted against the unanswered. */
function checkNothingElse(model: HistoryModel, state: ServerState): void {
  const unanswered = countUnanswered(model);
  for (const item of state.items.values()) {
    const command = model.commandOfItem(item);
    const asked = command?.operations.some((one) => isRequestFor(one, item)) ?? false;
    if (asked || model.readers.has(item.authorId)) continue;
    const { kind } = item.content;
    const key = kind === "message" ? "" : keyOf(kind, item.authorUsername, item.roomId);
    const left = unanswered.get(key) ?? 0;
    if (left === 0) {
      violate(`server ${state.server} has what nobody asked for: ${describeItem(item)}`);
    }
    unanswered.set(key, left - 1);
  }
  for (const operation of model.operations) {
    const send = argumentsOf(operation, "send");
    const item = send && state.bodies.get(send.body);
    if (item === undefined || commandIdOf(operation) === item.commandId) continue;
    violate(
      `server ${state.server} has ${describeItem(item)}, which is not that of its only sender: ` +
        describeOperation(operation),
    );
  }
}

function isRequestFor(operation: OperationRecord, item: Item): boolean {
  const command = commandOf(operation);
  if (command !== "sendMessage" && command !== "joinRoom" && command !== "leaveRoom") return false;
  return (
    kindOfCommand[command] === item.content.kind &&
    personOf(operation.client) === item.authorUsername &&
    operation.arguments["body"] === bodyOf(item)
  );
}

function countUnanswered(model: HistoryModel): Map<string, number> {
  const counts = new Map<string, number>();
  for (const operation of model.operations) {
    const joined = argumentsOf(operation, "joinRoom");
    const ask = joined ?? argumentsOf(operation, "leaveRoom");
    if (ask === undefined || operation.result !== "unknown") continue;
    const room = model.room(ask.room);
    if (room === undefined) continue;
    const kind = joined === undefined ? "left" : "joined";
    const key = keyOf(kind, personOf(operation.client), room.roomId);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

function keyOf(kind: "joined" | "left", username: string, roomId: number): string {
  return `${kind} ${roomId} ${username}`;
}

/** Every room was asked for, by who owns it. */
function checkRooms(model: HistoryModel, state: ServerState): void {
  const makers: ReadonlySet<GivenCommand | undefined> = new Set(["createRoom", "registerUser"]);
  const asked = new Set<string>();
  for (const operation of model.operations) {
    const command = commandOf(operation);
    if (operation.result === "refused" || !makers.has(command)) continue;
    const { name: wanted, username } = operation.arguments;
    if (command === "registerUser") asked.add(`@${String(username ?? wanted).toLowerCase()}`);
    else asked.add(`${String(wanted)} ${personOf(operation.client)}`);
  }
  const homes = [...state.rooms.values()].filter((room) => room.personal);
  const usernames = new Map(homes.map(({ ownerId, room }) => [ownerId, room.slice(1)]));
  for (const { room, roomId, ownerId, personal } of state.rooms.values()) {
    if (model.readers.has(ownerId)) continue;
    const key = personal ? room : `${room} ${usernames.get(ownerId)}`;
    if (!asked.has(key)) {
      violate(`server ${state.server} has room ${roomId} (${room}) that nobody asked for`);
    }
  }
}
