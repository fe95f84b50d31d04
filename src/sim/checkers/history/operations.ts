// Typed looks into the operations of a history, and words for what a violation speaks of. Judges
// nothing.
import type { Item, Room } from "../../../client/index.ts";
import type { OperationName, OperationRecord } from "../../history.ts";
import type { OperationArguments, OperationValues } from "../../operation-values.ts";

/** What an operation was called with; undefined where it is another operation. */
export function argumentsOf<Name extends OperationName>(
  operation: OperationRecord,
  name: Name,
): OperationArguments[Name] | undefined {
  if (operation.operation !== name) return undefined;
  return operation.arguments as unknown as OperationArguments[Name];
}

/** What an operation answered; undefined where it is another operation or was not ok. */
export function answerOf<Name extends OperationName>(
  operation: OperationRecord,
  name: Name,
): OperationValues[Name] | undefined {
  if (operation.operation !== name || operation.result !== "ok") return undefined;
  return operation.value as unknown as OperationValues[Name] | undefined;
}

/** A command of the state machine that an operation gives, as far as checkers tell them apart. */
export type GivenCommand = OperationArguments["resend"]["command"];

const commandByOperation: Partial<Record<OperationName, GivenCommand>> = {
  register: "registerUser",
  createRoom: "createRoom",
  joinRoom: "joinRoom",
  leaveRoom: "leaveRoom",
  send: "sendMessage",
};

/** The command behind an operation; undefined where there is none that stands in a room. */
export function commandOf(operation: OperationRecord): GivenCommand | undefined {
  return argumentsOf(operation, "resend")?.command ?? commandByOperation[operation.operation];
}

/** Whether an operation gives a known id with something else under it (SPEC.md ID4). */
export function hasOtherContent(operation: OperationRecord): boolean {
  return argumentsOf(operation, "resend")?.content === "other";
}

/** The receipt in an answer; undefined where the answer has none. */
export function receiptOf(operation: OperationRecord): OperationValues["resend"] | undefined {
  const { value, result } = operation;
  if (result !== "ok" || typeof value?.["position"] !== "number") return undefined;
  return value as unknown as OperationValues["resend"];
}

/** The rooms that an answer speaks of. */
export function roomsTold(operation: OperationRecord): readonly Room[] {
  const listed = answerOf(operation, "listRooms");
  if (listed !== undefined) return listed.rooms;
  const one =
    answerOf(operation, "readTimeline") ??
    answerOf(operation, "createRoom") ??
    answerOf(operation, "joinRoom");
  return one === undefined ? [] : [one.room];
}

/** The command id under which an operation acted, as far as the history knows it. */
export function commandIdOf(operation: OperationRecord): string | undefined {
  const id = operation.arguments["commandId"] ?? operation.value?.["commandId"];
  return typeof id === "string" && id !== "" ? id : undefined;
}

/** "send #12 of ada-1.1 (called 3 ms, answered 4 ms: ok)". */
export function describeOperation(operation: OperationRecord): string {
  const { id, client, callNs, returnNs, result, code } = operation;
  const answered = returnNs === null ? "" : `answered ${inMs(returnNs)}: `;
  const how = code === undefined ? result : `${result} ${code}`;
  const what = `${operation.operation} #${id} of ${client}`;
  return `${what} (called ${inMs(callNs)}, ${answered}${how})`;
}

/** "item 7 of room 2 at position 8192 ("hello" by ada)". */
export function describeItem(item: Item): string {
  const { content, number, roomId, position, authorUsername, commandId } = item;
  const what = content.kind === "message" ? JSON.stringify(shorten(content.body)) : content.kind;
  const where = `item ${number} of room ${roomId} at position ${position}`;
  return `${where} (${what} by ${authorUsername}, id ${commandId})`;
}

/** A moment of the history for people, in milliseconds. */
export function inMs(ns: number): string {
  return `${Math.round(ns / 1_000) / 1_000} ms`;
}

/** The first field in which two items differ; undefined where they are equal. */
export function differenceOf(a: Item, b: Item): string | undefined {
  if (a === b) return undefined;
  for (const field of fields) if (a[field] !== b[field]) return field;
  if (a.content.kind !== b.content.kind) return "kind";
  return bodyOf(a) === bodyOf(b) ? undefined : "body";
}

/** A message's body; undefined for any other item. */
export function bodyOf({ content }: Item): string | undefined {
  return content.kind === "message" ? content.body : undefined;
}

const fields = [
  "roomId",
  "number",
  "position",
  "timestampMs",
  "authorId",
  "authorUsername",
  "commandId",
] as const satisfies readonly (keyof Item)[];

const shownCharactersMax = 40;

function shorten(text: string): string {
  return text.length <= shownCharactersMax ? text : `${text.slice(0, shownCharactersMax)}…`;
}
