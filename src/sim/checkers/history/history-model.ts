// A history in the order in which checkers ask: final timelines by room, number and position,
// operations by the command they gave. Built once for all checkers. Judges nothing; where a history
// contradicts itself it keeps the first it finds, and the checkers see the rest.
import type { Item, RoomName } from "../../../client/index.ts";
import { SafetyViolation } from "../../checker.ts";
import type { FinalTimelineRecord, HistoryRecord, OperationRecord } from "../../history.ts";
import { personOf } from "../../operation-values.ts";
import { countUpTo, Membership } from "./membership.ts";
import { argumentsOf, commandIdOf, hasOtherContent } from "./operations.ts";

/** A room as the first server's final timeline has it. */
export class RoomModel {
  readonly timeline: FinalTimelineRecord;
  readonly membership: Membership;
  readonly #positions: readonly number[];

  constructor(timeline: FinalTimelineRecord) {
    this.timeline = timeline;
    this.membership = new Membership(timeline.ownerId, timeline.items);
    this.#positions = timeline.items.map((item) => item.position);
  }

  get roomId(): number {
    return this.timeline.roomId;
  }

  /** Oldest first; its number is its place from 1 on, if dense-numbers.ts is content. */
  get items(): readonly Item[] {
    return this.timeline.items;
  }

  item(number: number): Item | undefined {
    return this.items[number - 1];
  }

  /** How many items the room had when everything up to this position was applied. */
  countAt(position: number): number {
    return countUpTo(this.#positions, position);
  }
}

/** One command by its id: every operation that gave it, and what came of it. */
export interface CommandModel {
  readonly commandId: string;
  /** In the order of the calls; those with another content under the id are not among them. */
  readonly operations: readonly OperationRecord[];
  /** When it was first given; undefined where only repetitions are known. */
  readonly firstCallNs: number | undefined;
  /** What it added to a timeline. */
  readonly item: Item | undefined;
}

/** A history, indexed. */
export class HistoryModel {
  readonly history: readonly HistoryRecord[];
  /** How long the history was when it was indexed. */
  readonly recordCount: number;
  /** In the order of the calls. */
  readonly operations: readonly OperationRecord[];
  /** What each server said in the end. */
  readonly timelinesByServer: ReadonlyMap<number, readonly FinalTimelineRecord[]>;
  /** By id, from the first server that said anything. */
  readonly rooms: ReadonlyMap<number, RoomModel>;
  /** Commands with an id that the history knows. */
  readonly commands: ReadonlyMap<string, CommandModel>;
  /** All items of the first server in the order of the log. */
  readonly itemsByPosition: readonly Item[];
  /** People who read the final timelines: what they did stands in no operation. */
  readonly readers: ReadonlySet<number>;
  readonly #roomsByName = new Map<string, RoomModel>();
  readonly #itemsById = new Map<string, Item>();

  constructor(history: readonly HistoryRecord[]) {
    const operations: OperationRecord[] = [];
    const timelines = new Map<number, FinalTimelineRecord[]>();
    for (const record of history) {
      if (record.kind === "operation") operations.push(record);
      if (record.kind !== "finalTimeline") continue;
      const ofServer = timelines.get(record.server);
      if (ofServer === undefined) timelines.set(record.server, [record]);
      else ofServer.push(record);
    }
    this.history = history;
    this.recordCount = history.length;
    this.operations = operations.sort((a, b) => a.id - b.id);
    this.timelinesByServer = timelines;
    this.rooms = this.#indexRooms([...timelines.values()][0] ?? []);
    this.itemsByPosition = [...this.rooms.values()]
      .flatMap((room) => room.items)
      .sort((a, b) => a.position - b.position);
    for (const item of this.itemsByPosition) {
      if (!this.#itemsById.has(item.commandId)) this.#itemsById.set(item.commandId, item);
    }
    this.commands = this.#indexCommands();
    this.readers = new Set([...this.rooms.values()].map((room) => room.timeline.readerId));
  }

  /** A room by name or id; undefined where no server knows it in the end. */
  room(name: RoomName): RoomModel | undefined {
    if (typeof name === "number") return this.rooms.get(name);
    return this.#roomsByName.get(name.toLowerCase());
  }

  /** The person behind a client: who owns the room with their name. */
  userIdOf(client: string): number | undefined {
    return this.#roomsByName.get(`@${personOf(client)}`)?.timeline.ownerId;
  }

  /** The command that an item came from. */
  commandOfItem(item: Item): CommandModel | undefined {
    return this.commands.get(item.commandId);
  }

  #indexRooms(timelines: readonly FinalTimelineRecord[]): Map<number, RoomModel> {
    const rooms = new Map<number, RoomModel>();
    for (const timeline of timelines) {
      if (rooms.has(timeline.roomId)) continue;
      const room = new RoomModel(timeline);
      rooms.set(timeline.roomId, room);
      if (!this.#roomsByName.has(timeline.room)) this.#roomsByName.set(timeline.room, room);
    }
    return rooms;
  }

  #indexCommands(): Map<string, CommandModel> {
    const byId = new Map<string, OperationRecord[]>();
    for (const operation of this.operations) {
      const commandId = commandIdOf(operation);
      if (commandId === undefined || hasOtherContent(operation)) continue;
      const ofCommand = byId.get(commandId);
      if (ofCommand === undefined) byId.set(commandId, [operation]);
      else ofCommand.push(operation);
    }
    const commands = new Map<string, CommandModel>();
    for (const [commandId, operations] of byId) {
      const isFirstKnown = operations.some((one) => argumentsOf(one, "resend") === undefined);
      const firstCallNs = isFirstKnown
        ? operations.reduce((least, one) => Math.min(least, one.callNs), Number.POSITIVE_INFINITY)
        : undefined;
      const item = this.#itemsById.get(commandId);
      commands.set(commandId, { commandId, operations, firstCallNs, item });
    }
    return commands;
  }
}

/** The models of histories that checkers are judging now. */
const models = new WeakMap<readonly HistoryRecord[], HistoryModel>();

/** The model of a history: the same one for each checker, until the history grows. */
export function modelOf(history: readonly HistoryRecord[]): HistoryModel {
  let model = models.get(history);
  if (model === undefined || model.recordCount !== history.length) {
    model = new HistoryModel(history);
    models.set(history, model);
  }
  return model;
}

/** Throws a SafetyViolation of this checker. */
export type Violate = (message: string) => never;

/** What a checker reports with. */
export function violationOf(checker: string): Violate {
  return (message) => {
    throw new SafetyViolation(checker, message);
  };
}
