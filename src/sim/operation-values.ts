// What stands in the arguments and values of each operation of a history: history.ts is the frame,
// this is the content. Types, and the questions that checkers ask of names; nothing is judged here.
import type { Item, Person, Receipt, Room, RoomName } from "../client/index.ts";
import type { HistoryRecord, OperationName, OperationRecord } from "./history.ts";
import type { CommandCase } from "./workload-operations.ts";

/**
 * What each operation was called with. Operations of one client may overlap in time. Sends of one
 * device that are ok are stored in the order of their calls, over all lives of the device.
 */
export interface OperationArguments {
  register: { readonly username: string };
  /** With a wrong password on purpose: it must never be ok. */
  logIn: { readonly username: string; readonly rightPassword: boolean };
  logOut: { readonly everywhere: boolean };
  createRoom: { readonly name: string };
  joinRoom: { readonly room: RoomName };
  leaveRoom: { readonly room: RoomName };
  /**
   * `commandId` is absent where the client itself refused: then no server has heard of it. Called
   * by one life, and answered to it or to a later one of the same device.
   */
  send: { readonly room: RoomName; readonly body: string; readonly commandId?: string };
  /**
   * A command given once more under its id, past the client's session or out of an outbox whose
   * program was killed. The result is that of this attempt: a refusal says nothing of the first.
   */
  resend: {
    readonly command: CommandCase;
    readonly commandId: string;
    /** other: the first was acknowledged, and this one must be refused (ID4). */
    readonly content: "same" | "other";
    /** How the first attempt stood when this one was called. */
    readonly first: "acknowledged" | "open";
    readonly room?: RoomName;
    readonly body?: string;
    readonly name?: string;
  };
  /** Neither `before` nor `after`: the newest. `after` 0: from the first. */
  readTimeline: {
    readonly room: RoomName;
    readonly before?: number;
    readonly after?: number;
    readonly limit: number;
  };
  viewTimeline: { readonly room: RoomName };
  listRooms: { readonly joinedOnly: boolean };
  listPeople: { readonly pattern: string };
}

/** What each operation answered when it was ok. */
export interface OperationValues {
  register: Person;
  logIn: Person;
  logOut: Record<never, never>;
  createRoom: Receipt & { readonly room: Room };
  joinRoom: Receipt & { readonly room: Room };
  leaveRoom: Receipt;
  send: Receipt & { readonly roomId: number; readonly number: number };
  /** `roomId` for commands that concern a room, `number` for messages. */
  resend: Receipt & { readonly roomId?: number; readonly number?: number };
  readTimeline: { readonly room: Room; readonly items: readonly Item[] };
  /**
   * What was shown at the close, the newest items of it; it follows the servers by events, so it
   * may lag behind what the same client has read or written.
   */
  viewTimeline: {
    readonly roomId: number;
    readonly hasOlder: boolean;
    readonly items: readonly Item[];
  };
  listRooms: { readonly rooms: readonly Room[] };
  listPeople: { readonly people: readonly Person[] };
}

/** The record of one kind of operation, with typed content. */
export type OperationOf<Name extends OperationName> = OperationRecord & {
  readonly operation: Name;
  readonly arguments: OperationArguments[Name];
  readonly value?: OperationValues[Name];
};

/** Whether a record is of that operation. */
export function isOperation<Name extends OperationName>(
  record: HistoryRecord,
  name: Name,
): record is OperationOf<Name> {
  return record.kind === "operation" && record.operation === name;
}

/**
 * The device behind a client of a history. A client is called `<device>.<life>`: one device has one
 * outbox for all its lives, and each life is a program of its own, with a stream of items and a
 * reading position of its own. `<device>.<life>u` makes unary calls past that life's session.
 */
export function deviceOf(client: string): string {
  return client.slice(0, client.indexOf("."));
}

/** The person behind a client of a history: a username. A device is `<username>-<number>`. */
export function personOf(client: string): string {
  return client.slice(0, client.lastIndexOf("-", client.indexOf(".")));
}
