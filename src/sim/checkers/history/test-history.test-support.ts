// Hand-made histories: a cluster so simple that it cannot be wrong, with people who do what a test
// says, one after the other; and ways to spoil a history afterwards. Not the product's code, and no
// judge.
import type { Item, Room } from "../../../client/index.ts";
import { SafetyViolation } from "../../checker.ts";
import type {
  DeliveryRecord,
  FinalTimelineRecord,
  HistoryChecker,
  HistoryRecord,
  Json,
  OperationName,
  OperationRecord,
} from "../../history.ts";
import { personOf } from "../../operation-values.ts";

interface TestRoom {
  readonly roomId: number;
  readonly name: string;
  readonly ownerId: number;
  readonly personal: boolean;
  readonly items: Item[];
  readonly members: Set<number>;
}

interface Stream {
  readonly userId: number;
  isOpen: boolean;
  readonly missed: Item[];
}

/** How an operation ends: with an answer, or without though it is done. */
type Ending = "ok" | "unknown";

const stepNs = 1_000_000;

/** A cluster that does one thing after the other. */
export class TestHistory {
  readonly records: HistoryRecord[] = [];
  readonly #users = new Map<string, number>();
  readonly #rooms = new Map<string, TestRoom>();
  readonly #streams = new Map<string, Stream>();
  readonly #done = new Map<string, { readonly [key: string]: Json }>();
  #nowNs = 0;
  #position = 4_096;
  #lastId = 0;

  register(client: string): void {
    const username = personOf(client);
    const userId = this.#users.size + 1;
    this.#users.set(username, userId);
    this.#makeRoom(`@${username}`, { ownerId: userId, personal: true });
    const person = { userId, username, displayName: username };
    this.#operate(client, "register", { username }, () => person);
    this.#operate(client, "logIn", { username, rightPassword: true }, () => person);
  }

  create(client: string, name: string): void {
    this.#operate(client, "createRoom", { name }, () => {
      const position = this.#nextPosition();
      const room = this.#makeRoom(name, { ownerId: this.#userOf(client), personal: false });
      return { ...receipt(position, `create-${name}`), room: this.#tell(client, room) };
    });
  }

  join(client: string, name: string, ending: Ending = "ok"): void {
    const ask = { room: name };
    this.#operate(client, "joinRoom", ask, () => this.#join(client, name), ending);
  }

  leave(client: string, name: string, ending: Ending = "ok"): void {
    const act = () => {
      const { position, commandId } = this.#append(client, name, { kind: "left" });
      this.#room(name).members.delete(this.#userOf(client));
      return receipt(position, commandId);
    };
    this.#operate(client, "leaveRoom", { room: name }, act, ending);
  }

  send(client: string, name: string, body: string, ending: Ending = "ok"): void {
    const commandId = `id-${body}`;
    const act = () => {
      const item = this.#append(client, name, { kind: "message", body }, commandId);
      const { roomId, number, position } = item;
      const value = { ...receipt(position, commandId), roomId, number };
      this.#done.set(commandId, value);
      return value;
    };
    this.#operate(client, "send", { room: name, body, commandId }, act, ending);
  }

  /** Never arrives anywhere. */
  lose(client: string, name: string, body: string): void {
    const args = { room: name, body, commandId: `id-${body}` };
    this.#write(client, "send", args, { result: "unknown" });
  }

  /** Gives an accepted message once more. */
  resend(client: string, name: string, body: string): void {
    const commandId = `id-${body}`;
    const first = { content: "same", first: "acknowledged" };
    const args = { command: "sendMessage", commandId, ...first, room: name, body };
    this.#operate(client, "resend", args, () => ({
      ...(this.#done.get(commandId) as { readonly [key: string]: Json }),
      repeated: true,
    }));
  }

  refuse(
    client: string,
    operation: OperationName,
    args: { readonly [key: string]: Json },
    code: string,
  ): void {
    this.#write(client, operation, args, { result: "refused", code });
  }

  /** Reads as a server answers that is so many items behind in this room. */
  read(
    client: string,
    name: string,
    ask: { readonly before?: number; readonly after?: number; readonly limit?: number } = {},
    behind = 0,
  ): void {
    const { limit = 20 } = ask;
    this.#operate(client, "readTimeline", { room: name, limit, ...ask }, () => {
      const room = this.#room(name);
      const items = room.items.slice(0, room.items.length - behind);
      const { before = 0, after = 0 } = ask;
      const end = ask.after === 0 ? limit + 1 : before || items.length + 1;
      const below = items.filter((item) => item.number < end).slice(-limit);
      const page = after > 0 ? items.slice(after, after + limit) : below;
      return { room: this.#tell(client, room, items), items: page as unknown as Json };
    });
  }

  view(client: string, name: string, items: number): void {
    this.#operate(client, "viewTimeline", { room: name }, () => {
      const { roomId, items: all } = this.#room(name);
      const shown = all.slice(-items) as unknown as Json;
      return { roomId, hasOlder: all.length > items, items: shown };
    });
  }

  listRooms(client: string, joinedOnly = false): void {
    this.#operate(client, "listRooms", { joinedOnly }, () => {
      const all = [...this.#rooms.values()].map((room) => this.#tell(client, room));
      return { rooms: joinedOnly ? all.filter((room) => room["joined"]) : all };
    });
  }

  /** Opens a client's stream; "recovered" brings what was missed, "reloaded" skips it. */
  connect(client: string, how: "recovered" | "reloaded" = "recovered"): void {
    const userId = this.#userOf(client);
    const stream = this.#streams.get(client) ?? { userId, isOpen: true, missed: [] };
    this.#streams.set(client, stream);
    stream.isOpen = true;
    const atNs = this.#tick();
    const recovered = how === "recovered";
    this.records.push({ kind: "connected", client, atNs, server: 1, recovered });
    if (!recovered) this.records.push({ kind: "reloaded", client, atNs });
    for (const item of stream.missed.splice(0)) if (recovered) this.#deliver(client, item);
  }

  disconnect(client: string): void {
    const stream = this.#streams.get(client);
    if (stream !== undefined) stream.isOpen = false;
  }

  /** The whole history, with what this many servers hold in the end. */
  finish(servers = 3): HistoryRecord[] {
    for (let server = 1; server <= servers; server++) {
      for (const { roomId, name, ownerId, personal, items, members } of this.#rooms.values()) {
        this.records.push({
          kind: "finalTimeline",
          server,
          roomId,
          room: name,
          ownerId,
          personal,
          readerId: 0,
          memberCount: members.size,
          lastNumber: items.length,
          items: structuredClone(items),
        });
      }
    }
    return this.records;
  }

  #join(client: string, name: string): { readonly [key: string]: Json } {
    const room = this.#room(name);
    if (room.members.has(this.#userOf(client))) {
      const unchanged = receipt(this.#nextPosition(), `none-${this.#position}`);
      return { ...unchanged, room: this.#tell(client, room) };
    }
    room.members.add(this.#userOf(client));
    const { position, commandId } = this.#append(client, name, { kind: "joined" });
    return { ...receipt(position, commandId), room: this.#tell(client, room) };
  }

  #append(client: string, name: string, content: Item["content"], commandId?: string): Item {
    const room = this.#room(name);
    const position = this.#nextPosition();
    const item: Item = {
      roomId: room.roomId,
      number: room.items.length + 1,
      position,
      timestampMs: 1_700_000_000_000 + position,
      authorId: this.#userOf(client),
      authorUsername: personOf(client),
      commandId: commandId ?? `id-${position}`,
      content,
    };
    room.items.push(item);
    for (const [receiver, stream] of this.#streams) {
      if (!room.members.has(stream.userId)) continue;
      if (stream.isOpen) this.#deliver(receiver, item);
      else stream.missed.push(item);
    }
    return item;
  }

  #deliver(client: string, item: Item): void {
    const { userId } = this.#streams.get(client) as Stream;
    this.records.push({ kind: "delivery", client, userId, atNs: this.#tick(), item });
  }

  #makeRoom(name: string, kind: { readonly ownerId: number; readonly personal: boolean }) {
    const roomId = this.#rooms.size + 1;
    const room: TestRoom = { roomId, name, ...kind, items: [], members: new Set([kind.ownerId]) };
    this.#rooms.set(name, room);
    return room;
  }

  #tell(client: string, room: TestRoom, items = room.items): { readonly [key: string]: Json } {
    const members = new Set([room.ownerId]);
    for (const { authorId, content } of items) {
      if (content.kind === "joined") members.add(authorId);
      if (content.kind === "left") members.delete(authorId);
    }
    const told: Room = {
      roomId: room.roomId,
      name: room.name,
      kind: room.personal ? "personal" : "open",
      ownerId: room.ownerId,
      memberCount: members.size,
      lastNumber: items.length,
      joined: members.has(this.#userOf(client)),
    };
    return { ...told };
  }

  #operate(
    client: string,
    operation: OperationName,
    args: { readonly [key: string]: Json },
    act: () => { readonly [key: string]: Json },
    ending: Ending = "ok",
  ): void {
    const callNs = this.#tick();
    const value = act();
    const outcome = ending === "ok" ? { result: ending, value } : { result: ending };
    this.#write(client, operation, args, outcome, callNs);
  }

  #write(
    client: string,
    operation: OperationName,
    args: { readonly [key: string]: Json },
    outcome: Pick<OperationRecord, "result" | "value" | "code">,
    callNs = this.#tick(),
  ): void {
    this.#lastId++;
    const returnNs = outcome.result === "unknown" ? null : this.#tick();
    const call = { id: this.#lastId, client, operation, arguments: args, callNs, returnNs };
    this.records.push({ kind: "operation", ...call, ...outcome });
  }

  #room(name: string): TestRoom {
    return this.#rooms.get(name) as TestRoom;
  }

  #userOf(client: string): number {
    return this.#users.get(personOf(client)) ?? 0;
  }

  #nextPosition(): number {
    this.#position += 4_096;
    return this.#position;
  }

  #tick(): number {
    this.#nowNs += stepNs;
    return this.#nowNs;
  }
}

function receipt(position: number, commandId: string): { readonly [key: string]: Json } {
  return { position, disks: 3, repeated: false, commandId };
}

/** Three people, two rooms, every kind of record: nothing is wrong with it. */
export function goodHistory(): HistoryRecord[] {
  const history = new TestHistory();
  for (const client of ["ada-1.1", "bob-1.1", "eve-1.1"]) history.register(client);
  history.create("ada-1.1", "tea");
  history.create("bob-1.1", "work");
  for (const client of ["ada-1.1", "bob-1.1"]) history.connect(client);
  history.send("ada-1.1", "tea", "one");
  history.refuse("bob-1.1", "send", { room: "tea", body: "not yet" }, "NOT_A_MEMBER");
  history.join("bob-1.1", "tea");
  history.send("bob-1.1", "tea", "two");
  history.send("ada-1.1", "tea", "three", "unknown");
  history.resend("bob-1.1u", "tea", "two");
  history.send("bob-1.1", "work", "four");
  history.lose("bob-1.1", "tea", "lost");
  history.join("eve-1.1", "tea", "unknown");
  history.read("eve-1.1", "tea", { after: 1, limit: 2 });
  history.read("ada-1.1", "tea", { limit: 3 });
  history.disconnect("bob-1.1");
  history.send("ada-1.1", "tea", "five");
  history.leave("eve-1.1", "tea");
  history.refuse("eve-1.1", "readTimeline", { room: "tea", limit: 5 }, "NOT_A_MEMBER");
  history.connect("bob-1.1");
  history.disconnect("ada-1.1");
  history.send("bob-1.1", "tea", "six");
  history.connect("ada-1.1", "reloaded");
  history.send("bob-1.1", "tea", "seven");
  history.send("ada-1.1", "@ada", "eight");
  history.refuse("bob-1.1", "send", { room: "@ada", body: "no" }, "NOT_THE_OWNER");
  history.refuse("bob-1.1", "createRoom", { name: "tea" }, "NAME_TAKEN");
  history.refuse("bob-1.1", "joinRoom", { room: "nowhere" }, "UNKNOWN_ROOM");
  history.join("bob-1.1", "tea");
  history.read("eve-1.1", "@eve");
  history.read("bob-1.1", "tea", { before: 4, limit: 10 });
  history.read("bob-1.1", "tea", { after: 0, limit: 2 });
  history.view("bob-1.1", "tea", 4);
  history.listRooms("bob-1.1");
  history.listRooms("ada-1.1", true);
  return history.finish();
}

/** How a good history is spoilt; the copy may be changed at will. */
export type Corruption = (history: Mutable<HistoryRecord>[]) => unknown;

/** Without its `readonly`s. */
export type Mutable<T> = T extends object ? { -readonly [K in keyof T]: Mutable<T[K]> } : T;

/** What a checker says of a history: undefined where it is content. */
export function judge(
  checker: HistoryChecker,
  history: readonly HistoryRecord[],
): string | undefined {
  try {
    checker.check(history);
    return undefined;
  } catch (error) {
    if (error instanceof SafetyViolation && error.checker === checker.name) return error.message;
    throw error;
  }
}

/** A copy of a history, spoilt. */
export function spoil(history: readonly HistoryRecord[], corruption: Corruption): HistoryRecord[] {
  const copy = structuredClone(history) as unknown as Mutable<HistoryRecord>[];
  corruption(copy);
  return copy as unknown as HistoryRecord[];
}

/** The operations of one kind of one client, in order. */
export function operationsOf(
  history: Mutable<HistoryRecord>[],
  operation: OperationName,
  client?: string,
): MutableOperation[] {
  return history.filter(
    (record): record is MutableOperation =>
      record.kind === "operation" &&
      record.operation === operation &&
      (client === undefined || record.client === client),
  );
}

/** An operation that a test may change. */
export type MutableOperation = Mutable<OperationRecord> & {
  // biome-ignore lint/suspicious/noExplicitAny: a test spoils values in ways that types forbid.
  value?: any;
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  arguments: any;
};

/** The deliveries to one client, in order. */
export function deliveriesTo(
  history: Mutable<HistoryRecord>[],
  client: string,
): Mutable<DeliveryRecord>[] {
  return history.filter(
    (record): record is Mutable<DeliveryRecord> =>
      record.kind === "delivery" && record.client === client,
  );
}

/** The final timelines of a room: one a server. */
export function timelinesOf(
  history: Mutable<HistoryRecord>[],
  room: string,
): Mutable<FinalTimelineRecord>[] {
  return history.filter(
    (record): record is Mutable<FinalTimelineRecord> =>
      record.kind === "finalTimeline" && record.room === room,
  );
}

/** Takes records out of a history. */
export function drop(history: Mutable<HistoryRecord>[], record: unknown): void {
  history.splice(history.indexOf(record as Mutable<HistoryRecord>), 1);
}
