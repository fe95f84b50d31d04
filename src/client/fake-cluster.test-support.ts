// A cluster as a client sees it, in memory and on a clock that is moved by hand: the part of the
// session contract that clients rely on. Servers share one history; each may be down, hung, or told
// to refuse. Nothing moves unless asked.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  ClientFrameSchema,
  type ClientRequest,
  type Hello,
  NoticeSchema,
  RejectedSchema,
  RejectionCode,
  type Reply,
  ReplySchema,
  RoomKind,
  type RoomRef,
  RoomSchema,
  type ServerFrame,
  ServerFrameSchema,
  WriteStatus,
} from "../proto/gen/chat/v1/api_pb.js";
import { type Event, EventSchema, type TimelineItem } from "../proto/gen/chat/v1/event_pb.js";
import type { Connection, ConnectionFactory, ConnectionListener } from "./connection.ts";
import { commandIdText } from "./ids.ts";
import { ManualClock } from "./manual-clock.test-support.ts";

interface FakeRoom {
  readonly roomId: number;
  readonly name: string;
  readonly members: Set<number>;
  readonly items: TimelineItem[];
}

interface LoggedEvent {
  readonly position: number;
  readonly audience: ReadonlySet<number> | "everyone";
  readonly event: Event;
}

/** Answers a request otherwise than the contract would; undefined: as usual; "silence": never. */
export type Script = (request: ClientRequest) => Reply["body"] | "silence" | undefined;

/** A refusal as a reply's body. */
export function refusal(
  code: RejectionCode,
  retryAfterMs = 0,
): Extract<Reply["body"], { case: "rejected" }> {
  const message = `refused with ${RejectionCode[code]}`;
  return { case: "rejected", value: create(RejectedSchema, { code, message, retryAfterMs }) };
}

/** One server of the fake cluster. */
export interface FakeServer {
  readonly serverId: number;
  readonly address: string;
  /**
   * "down" refuses connections and breaks those that stand; "hung" takes everything and says
   * nothing.
   */
  mode: "up" | "down" | "hung";
  script: Script | undefined;
  /** False: says `recovered: false` to whoever resumes. */
  replays: boolean;
}

/** One connection, with what is under way on it. */
class FakeConnection implements Connection {
  readonly server: FakeServer;
  readonly listener: ConnectionListener;
  readonly toServer: Uint8Array[] = [];
  readonly toClient: Uint8Array[] = [];
  state: "connecting" | "open" | "closed" = "connecting";
  userId = 0;
  subscribed = false;

  constructor(server: FakeServer, listener: ConnectionListener) {
    this.server = server;
    this.listener = listener;
  }

  send(bytes: Uint8Array): void {
    if (this.state !== "open") throw new Error("sent on a connection that is not open");
    this.toServer.push(bytes.slice());
  }

  close(): void {
    this.state = "closed";
  }

  breakDown(reason: string): void {
    if (this.state === "closed") return;
    this.state = "closed";
    this.listener.closed(reason);
  }
}

/** The whole cluster, its history and its network. */
export class FakeCluster {
  readonly clock = new ManualClock();
  readonly servers: FakeServer[] = [];
  /** Addresses in the order in which connections were asked for. */
  readonly attempts: string[] = [];
  /** Every request that reached a server, in order. */
  readonly requests: { readonly serverId: number; readonly request: ClientRequest }[] = [];
  /** How many frames reached servers. */
  frames = 0;
  /** Tokens that count, and whose they are. */
  readonly tokens = new Map([
    ["token-ada", 1],
    ["token-bob", 2],
  ]);
  clusterId = 7n;
  #connections: FakeConnection[] = [];
  /** Pages are cut to so many items at their oldest end, as real ones are by bytes. */
  pageItemsMax = 500;
  readonly #rooms: FakeRoom[] = [];
  #log: LoggedEvent[] = [];
  #position = 100;
  /** Answers of applied commands by user and id. */
  readonly #applied = new Map<string, Reply["body"]>();

  constructor(serverCount = 3) {
    for (let serverId = 1; serverId <= serverCount; serverId++) {
      const address = `http://s${serverId}:4801`;
      this.servers.push({ serverId, address, mode: "up", script: undefined, replays: true });
    }
  }

  /** The port that clients connect through. */
  readonly connect: ConnectionFactory = (address, listener) => {
    this.attempts.push(address);
    const server = this.servers.find((one) => one.address === address);
    if (server === undefined) throw new Error(`nobody lives at ${address}`);
    const connection = new FakeConnection(server, listener);
    this.#connections.push(connection);
    return connection;
  };

  server(serverId: number): FakeServer {
    const server = this.servers[serverId - 1];
    if (server === undefined) throw new Error(`there is no server ${serverId}`);
    return server;
  }

  /** The server that has an open session. */
  connectedServer(): FakeServer | undefined {
    return this.#connections.find(({ state }) => state === "open")?.server;
  }

  /** Kills a server: what is under way is lost, both ways. */
  kill(server: FakeServer): void {
    server.mode = "down";
    this.breakConnections(server);
  }

  /** Breaks all connections of a server, which stays up. */
  breakConnections(server: FakeServer): void {
    for (const connection of this.#connections) {
      if (connection.server === server) connection.breakDown("connection reset");
    }
  }

  /** Moves frames, turns and promises until nothing moves any more. Time stands still. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 2; ) {
      const moved = this.clock.runSoon() || this.step();
      await new Promise((resolve) => setImmediate(resolve));
      quiet = moved ? 0 : quiet + 1;
    }
  }

  /** Moves time, and everything that moves with it. */
  async run(ms: number): Promise<void> {
    await this.settle();
    const untilMs = this.clock.nowMs + ms;
    while (this.clock.runTimer(untilMs)) await this.settle();
    this.clock.nowMs = untilMs;
    await this.settle();
  }

  /** Delivers what is under way, at most `frames` of it; false when nothing is. */
  step(frames = Number.POSITIVE_INFINITY): boolean {
    this.#connections = this.#connections.filter(({ state }) => state !== "closed");
    let moved = 0;
    for (const connection of [...this.#connections]) {
      if (moved < frames && this.#stepConnecting(connection)) moved++;
      for (; moved < frames && this.#takeFromClient(connection); ) moved++;
      for (; moved < frames && this.#speaks(connection); moved++) {
        const bytes = connection.toClient.shift();
        if (bytes === undefined) break;
        connection.listener.received(bytes);
      }
    }
    return moved > 0;
  }

  #speaks({ state, server }: FakeConnection): boolean {
    return state === "open" && server.mode === "up";
  }

  #stepConnecting(connection: FakeConnection): boolean {
    if (connection.state !== "connecting" || connection.server.mode === "hung") return false;
    if (connection.server.mode === "down") {
      connection.breakDown("connection refused");
    } else {
      connection.state = "open";
      connection.listener.opened();
    }
    return true;
  }

  #takeFromClient(connection: FakeConnection): boolean {
    if (!this.#speaks(connection)) return false;
    const bytes = connection.toServer.shift();
    if (bytes === undefined) return false;
    this.frames++;
    for (const request of fromBinary(ClientFrameSchema, bytes).requests) {
      this.requests.push({ serverId: connection.server.serverId, request });
      const body = connection.server.script?.(request) ?? this.#serve(connection, request);
      if (body === "silence") continue;
      const reply = create(ReplySchema, { requestId: request.requestId, body });
      this.#give(connection, { replies: [reply] });
      if (body.case === "welcome") this.#replay(connection, request);
    }
    return true;
  }

  /** Sends a frame to one client, or to all that are connected. */
  sendFrame(frame: Partial<Pick<ServerFrame, "replies" | "events" | "cursor" | "notices">>): void {
    for (const connection of this.#connections) {
      if (connection.state === "open") this.#give(connection, frame);
    }
  }

  /** Says goodbye to everyone at a server. */
  sayGoodbye(code: RejectionCode, retryAfterMs = 0): void {
    const value = { code, message: "goodbye", retryAfterMs };
    const notice = create(NoticeSchema, { body: { case: "goodbye", value } });
    this.sendFrame({ notices: [notice] });
  }

  /** Sends bytes that are no frame. */
  sendGarbage(): void {
    for (const { toClient } of this.#connections) toClient.push(new Uint8Array([0x0f, 0xff, 0xff]));
  }

  #give(connection: FakeConnection, frame: Partial<ServerFrame>): void {
    const { replies = [], events = [], notices = [] } = frame;
    const cursor = frame.cursor ?? new Uint8Array(0);
    const whole = create(ServerFrameSchema, { replies, events, notices, cursor });
    connection.toClient.push(toBinary(ServerFrameSchema, whole));
  }

  #cursor(position: number): Uint8Array {
    const bytes = new Uint8Array(16);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, this.clusterId);
    view.setBigUint64(8, BigInt(position));
    return bytes;
  }

  /** Another history begins: cursors of before mean nothing. */
  forgetHistory(): void {
    this.clusterId++;
    this.#log = [];
    this.#position = 50;
    for (const room of this.#rooms) room.items.length = 0;
  }

  #greet(connection: FakeConnection, hello: Hello): Reply["body"] {
    const userId = this.tokens.get(hello.token);
    if (userId === undefined) return refusal(RejectionCode.UNAUTHENTICATED);
    const cluster = hello.cursor.length === 0 ? this.clusterId : cursorParts(hello.cursor).cluster;
    if (cluster !== this.clusterId) return refusal(RejectionCode.UNKNOWN_CURSOR);
    connection.userId = userId;
    connection.subscribed = hello.subscribe;
    const recovered = hello.cursor.length === 0 || connection.server.replays;
    const addresses = this.servers.map((server) => server.address);
    const { serverId } = connection.server;
    addresses.sort(
      (a, b) => Number(b.includes(`s${serverId}`)) - Number(a.includes(`s${serverId}`)),
    );
    const person = { userId, username: userId === 1 ? "ada" : "bob", displayName: "" };
    const value = { person, recovered, addresses, serverId, position: BigInt(this.#position) };
    return create(ReplySchema, { body: { case: "welcome", value } }).body;
  }

  #replay(connection: FakeConnection, { body }: ClientRequest): void {
    if (!connection.subscribed || body.case !== "hello") return;
    const { cursor } = body.value;
    const after =
      cursor.length === 0 || !connection.server.replays
        ? this.#position
        : cursorParts(cursor).position;
    const events = this.#log.filter(({ position }) => position > after);
    const seen = events.filter((one) => isFor(one, connection.userId)).map(({ event }) => event);
    this.#give(connection, { events: seen, cursor: this.#cursor(this.#position) });
  }

  #serve(connection: FakeConnection, request: ClientRequest): Reply["body"] {
    const { body } = request;
    switch (body.case) {
      case "hello":
        return this.#greet(connection, body.value);
      case "ping":
        return create(ReplySchema, { body: { case: "pong", value: {} } }).body;
      case "readTimeline":
      case "listRooms":
      case "listPeople":
        return this.#read(connection.userId, body);
      case undefined:
        return refusal(RejectionCode.INVALID_ARGUMENT);
      default:
        return this.#write(connection.userId, body);
    }
  }

  #write(
    userId: number,
    body: Exclude<ClientRequest["body"], { case: undefined }> & {
      value: { commandId?: Uint8Array };
    },
  ): Reply["body"] {
    const key = `${userId}:${commandIdText(body.value.commandId ?? new Uint8Array(0))}`;
    const before = this.#applied.get(key);
    if (before !== undefined) return asRepeated(before);
    const answer = this.apply(userId, body);
    if (answer.case !== "rejected") this.#applied.set(key, answer);
    return answer;
  }

  /** Applies a write as the state machine would, and tells those who may know. */
  apply(userId: number, body: ClientRequest["body"]): Reply["body"] {
    this.#position++;
    const receipt = {
      status: WriteStatus.STORED,
      position: BigInt(this.#position),
      disks: this.servers.filter(({ mode }) => mode !== "down").length,
    };
    if (body.case === "createRoom") {
      const roomId = this.#rooms.length + 1;
      const { name, commandId } = body.value;
      const room = { roomId, name, members: new Set([userId]), items: [] };
      this.#rooms.push(room);
      const created = { roomId, name, ownerId: userId, personal: false };
      this.#tell("everyone", { case: "roomCreated", value: created });
      this.#addItem(room, userId, commandId, { case: "joined", value: {} });
      const value = { room: this.#view(room, userId), receipt };
      return create(ReplySchema, { body: { case: "createRoom", value } }).body;
    }
    if (body.case !== "joinRoom" && body.case !== "leaveRoom" && body.case !== "sendMessage") {
      throw new Error(`${body.case} is no write`);
    }
    const room = this.#find(body.value.room);
    const { commandId } = body.value;
    if (room === undefined) return refusal(RejectionCode.UNKNOWN_ROOM);
    if (body.case === "joinRoom") {
      const isNew = !room.members.has(userId);
      room.members.add(userId);
      if (isNew) this.#addItem(room, userId, commandId, { case: "joined", value: {} });
      const value = { room: this.#view(room, userId), receipt };
      return create(ReplySchema, { body: { case: "joinRoom", value } }).body;
    }
    if (!room.members.has(userId)) return refusal(RejectionCode.NOT_A_MEMBER);
    if (body.case === "leaveRoom") {
      this.#addItem(room, userId, commandId, { case: "left", value: {} });
      room.members.delete(userId);
      return create(ReplySchema, { body: { case: "leaveRoom", value: { receipt } } }).body;
    }
    const text = { case: "body", value: body.value.body } as const;
    const number = this.#addItem(room, userId, commandId, text);
    const value = { receipt, roomId: room.roomId, number };
    return create(ReplySchema, { body: { case: "sendMessage", value } }).body;
  }

  #read(userId: number, body: ClientRequest["body"]): Reply["body"] {
    const position = BigInt(this.#position);
    if (body.case === "listRooms") {
      const { afterName, limit, joinedOnly } = body.value;
      const all = this.#rooms
        .filter((room) => room.name > afterName && (!joinedOnly || room.members.has(userId)))
        .sort((a, b) => (a.name < b.name ? -1 : 1));
      const rooms = all.slice(0, limit).map((room) => this.#view(room, userId));
      const value = { rooms, more: all.length > limit, position };
      return create(ReplySchema, { body: { case: "listRooms", value } }).body;
    }
    if (body.case === "listPeople") {
      const people = ["ada", "bob"]
        .map((username, i) => ({ userId: i + 1, username, displayName: "" }))
        .filter(({ username }) => username > body.value.afterUsername);
      const limit = Math.min(1, body.value.limit);
      const value = { people: people.slice(0, limit), more: people.length > limit, position };
      return create(ReplySchema, { body: { case: "listPeople", value } }).body;
    }
    if (body.case !== "readTimeline") throw new Error(`${body.case} is no read`);
    const { room: ref, beforeNumber, afterNumber, limit, atLeastPosition } = body.value;
    if (atLeastPosition > position) return refusal(RejectionCode.UNAVAILABLE, 50);
    const room = this.#find(ref);
    if (room === undefined) return refusal(RejectionCode.UNKNOWN_ROOM);
    if (!room.members.has(userId)) return refusal(RejectionCode.NOT_A_MEMBER);
    const items =
      afterNumber > 0
        ? room.items.filter(({ number }) => number > afterNumber).slice(0, limit)
        : room.items
            .filter(({ number }) => beforeNumber === 0 || number < beforeNumber)
            .slice(-limit);
    const kept = afterNumber > 0 ? items : items.slice(-this.pageItemsMax);
    const value = { room: this.#view(room, userId), items: kept, position };
    return create(ReplySchema, { body: { case: "readTimeline", value } }).body;
  }

  /** A room's items as the servers have them. */
  itemsOf(roomId: number): readonly TimelineItem[] {
    return this.#rooms[roomId - 1]?.items ?? [];
  }

  /** The bodies of a room's messages as the servers have them. */
  bodiesOf(roomId: number): string[] {
    return this.itemsOf(roomId).flatMap(({ content }) =>
      content.case === "body" ? [content.value] : [],
    );
  }

  #find(ref: RoomRef | undefined): FakeRoom | undefined {
    return this.#rooms.find(({ roomId, name }) =>
      ref?.room.case === "name" ? name === ref.room.value : roomId === ref?.room.value,
    );
  }

  #view(room: FakeRoom, userId: number) {
    const { roomId, name, members } = room;
    return create(RoomSchema, {
      roomId,
      name,
      kind: RoomKind.OPEN,
      ownerId: 1,
      memberCount: members.size,
      lastNumber: room.items.length,
      joined: members.has(userId),
    });
  }

  #addItem(
    room: FakeRoom,
    userId: number,
    commandId: Uint8Array,
    content: { case: "body"; value: string } | { case: "joined" | "left"; value: object },
  ): number {
    const number = room.items.length + 1;
    const value = {
      roomId: room.roomId,
      number,
      position: BigInt(this.#position),
      timestampMs: BigInt(this.clock.wallMs()),
      authorId: userId,
      authorUsername: userId === 1 ? "ada" : "bob",
      commandId,
      content,
    };
    const event = this.#tell(new Set(room.members), { case: "item", value } as EventInit);
    if (event.body.case === "item") room.items.push(event.body.value);
    return number;
  }

  #tell(audience: LoggedEvent["audience"], body: EventInit): Event {
    const position = this.#position;
    const event = create(EventSchema, { position: BigInt(position), body });
    const logged = { position, audience, event };
    this.#log.push(logged);
    for (const connection of this.#connections) {
      const { state, subscribed, userId } = connection;
      if (state !== "open" || !subscribed || !isFor(logged, userId)) continue;
      this.#give(connection, { events: [event], cursor: this.#cursor(position) });
    }
    return event;
  }
}

type EventInit = NonNullable<Parameters<typeof create<typeof EventSchema>>[1]>["body"] & object;

function isFor({ audience }: LoggedEvent, userId: number): boolean {
  return audience === "everyone" || audience.has(userId);
}

function cursorParts(cursor: Uint8Array): { cluster: bigint; position: number } {
  const view = new DataView(cursor.buffer, cursor.byteOffset, cursor.length);
  return { cluster: view.getBigUint64(0), position: Number(view.getBigUint64(8)) };
}

function asRepeated(body: Reply["body"]): Reply["body"] {
  const copy = structuredClone(body);
  if (copy.case === "sendMessage" || copy.case === "createRoom" || copy.case === "joinRoom") {
    if (copy.value.receipt !== undefined) copy.value.receipt.repeated = true;
  }
  return copy;
}
