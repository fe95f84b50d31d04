// What clients did and saw, as lines that an outsider can judge: the same format for the simulator
// and for real processes. docs/TESTING.md explains it. Here are the types, a recorder, and nothing
// that judges.
import type { Item } from "../client/index.ts";

/** What a client can be told to do; every command of the state machine is behind one of them. */
export type OperationName =
  | "register"
  | "logIn"
  | "logOut"
  | "createRoom"
  | "joinRoom"
  | "leaveRoom"
  | "send"
  | "resend"
  | "readTimeline"
  /** A live timeline: called when it was opened, returned when it was closed. */
  | "viewTimeline"
  | "listRooms"
  | "listPeople";

/** Arguments and results are plain JSON. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };

/** One operation of one client, written when it is over or when the run is. */
export interface OperationRecord {
  readonly kind: "operation";
  /** 1, 2, 3, … in the order of the calls. */
  readonly id: number;
  readonly client: string;
  readonly operation: OperationName;
  readonly arguments: { readonly [key: string]: Json };
  /** Nanoseconds of one monotonic clock that all clients of the run share. */
  readonly callNs: number;
  /** null: it was never answered. */
  readonly returnNs: number | null;
  /**
   * ok: acknowledged, `value` is the answer. refused: it did not and will never happen, `code` says
   * why. unknown: it may have happened, or may happen yet.
   */
  readonly result: "ok" | "refused" | "unknown";
  readonly value?: { readonly [key: string]: Json };
  readonly code?: string;
}

/** A client's connection was opened: by which server, and whether its stream of items goes on. */
export interface ConnectedRecord {
  readonly kind: "connected";
  readonly client: string;
  readonly atNs: number;
  readonly server: number;
  /** False: items may have been skipped. */
  readonly recovered: boolean;
}

/** A client was given an item by its subscription. */
export interface DeliveryRecord {
  readonly kind: "delivery";
  readonly client: string;
  /** The person that the client was logged in as. */
  readonly userId: number;
  readonly atNs: number;
  readonly item: Item;
}

/** A client was told that its view was loaded anew: what lies between was not delivered. */
export interface ReloadedRecord {
  readonly kind: "reloaded";
  readonly client: string;
  readonly atNs: number;
}

/** A client was told that its message is held: by an island, until a majority is back. */
export interface HeldReceiptRecord {
  readonly kind: "heldReceipt";
  readonly client: string;
  readonly atNs: number;
  readonly commandId: string;
  /** On how many disks, as the island said. */
  readonly disks: number;
}

/** A client was shown a message that an island holds, live or on a page. */
export interface HeldShownRecord {
  readonly kind: "heldShown";
  readonly client: string;
  /** The person that the client was logged in as. */
  readonly userId: number;
  readonly atNs: number;
  readonly roomId: number;
  readonly authorId: number;
  readonly commandId: string;
  readonly body: string;
}

/** A client was told of a held message that could not be merged and was set aside. */
export interface SetAsideRecord extends Omit<HeldShownRecord, "kind"> {
  readonly kind: "setAside";
}

/** The server of a client's session is in island mode from now on, or is not any more. */
export interface IslandRecord {
  readonly kind: "island";
  readonly client: string;
  readonly atNs: number;
  readonly open: boolean;
}

/** A room's whole timeline as one server holds it, read after all clients have stopped. */
export interface FinalTimelineRecord {
  readonly kind: "finalTimeline";
  readonly server: number;
  readonly roomId: number;
  readonly room: string;
  /** Who made it: a member from its beginning, without a line that says so (SPEC.md RM1, RM2). */
  readonly ownerId: number;
  readonly personal: boolean;
  /**
   * The person who read it, and joined for that: the only one whose doings stand in no operation
   * of the history.
   */
  readonly readerId: number;
  /** What the server says of the room besides its items. */
  readonly memberCount: number;
  readonly lastNumber: number;
  /** Oldest first. */
  readonly items: readonly Item[];
}

/** One line of a history. */
export type HistoryRecord =
  | OperationRecord
  | ConnectedRecord
  | DeliveryRecord
  | ReloadedRecord
  | HeldReceiptRecord
  | HeldShownRecord
  | SetAsideRecord
  | IslandRecord
  | FinalTimelineRecord;

/** Judges a whole history when the run is over. Throws a SafetyViolation (checker.ts). */
export interface HistoryChecker {
  /** Kebab-case, the name of its file. */
  readonly name: string;
  check(history: readonly HistoryRecord[]): void;
}
