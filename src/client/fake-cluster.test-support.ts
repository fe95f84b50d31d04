// A cluster as a client sees it, in memory and on a clock that is moved by hand: the part of the
// session contract that clients rely on. Servers share one history; each may be down, hung, on an
// island, or told to refuse. Nothing moves unless asked.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  ClientFrameSchema,
  type ClientRequest,
  type Hello,
  NoticeSchema,
  RejectionCode,
  type Reply,
  ReplySchema,
  type ServerFrame,
  ServerFrameSchema,
} from "../proto/gen/chat/v1/api_pb.js";
import type { TimelineItem } from "../proto/gen/chat/v1/event_pb.js";
import type { Connection, ConnectionFactory, ConnectionListener } from "./connection.ts";
import {
  FakeHistory,
  type FakeIsland,
  type LoggedEvent,
  refusal,
} from "./fake-history.test-support.ts";
import { ManualClock } from "./manual-clock.test-support.ts";

/** Answers a request otherwise than the contract would; undefined: as usual; "silence": never. */
export type Script = (request: ClientRequest) => Reply["body"] | "silence" | undefined;

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
  /** Set while it is without a majority. */
  island: FakeIsland | undefined;
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
  /** Those that clients are told of; all unless changed. */
  members: readonly FakeServer[] = this.servers;
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
  /** What the servers know. */
  readonly history: FakeHistory;
  #connections: FakeConnection[] = [];

  constructor(serverCount = 3) {
    for (let serverId = 1; serverId <= serverCount; serverId++) {
      const address = `http://s${serverId}:4801`;
      this.servers.push({
        serverId,
        address,
        mode: "up",
        script: undefined,
        replays: true,
        island: undefined,
      });
    }
    this.history = new FakeHistory({
      clock: this.clock,
      disks: () => this.servers.filter(({ mode }) => mode !== "down").length,
      onEvent: (logged) => this.#tell(logged),
    });
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

  /** Says goodbye to everyone; `addresses`: where to go on. */
  sayGoodbye(code: RejectionCode, retryAfterMs = 0, addresses: readonly string[] = []): void {
    const value = { code, message: "goodbye", retryAfterMs };
    const goodbye = create(NoticeSchema, { body: { case: "goodbye", value } });
    const servers = create(NoticeSchema, {
      body: { case: "servers", value: { addresses: [...addresses] } },
    });
    this.sendFrame({ notices: addresses.length > 0 ? [servers, goodbye] : [goodbye] });
  }

  /** Tells everyone of the servers that there are from now on. */
  announceServers(...members: readonly FakeServer[]): void {
    this.members = members;
    const addresses = members.map(({ address }) => address);
    const notice = create(NoticeSchema, { body: { case: "servers", value: { addresses } } });
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
    this.history.forget();
  }

  #greet(connection: FakeConnection, hello: Hello): Reply["body"] {
    const userId = this.tokens.get(hello.token);
    if (userId === undefined) return refusal(RejectionCode.UNAUTHENTICATED);
    const cluster = hello.cursor.length === 0 ? this.clusterId : cursorParts(hello.cursor).cluster;
    if (cluster !== this.clusterId) return refusal(RejectionCode.UNKNOWN_CURSOR);
    connection.userId = userId;
    connection.subscribed = hello.subscribe;
    const { island, replays } = connection.server;
    const asOf = island?.asOf ?? this.history.position;
    const isBeyond = hello.cursor.length > 0 && cursorParts(hello.cursor).position > asOf;
    const recovered = hello.cursor.length === 0 || (replays && !isBeyond);
    const addresses = this.members.map((server) => server.address);
    const { serverId } = connection.server;
    addresses.sort(
      (a, b) => Number(b.includes(`s${serverId}`)) - Number(a.includes(`s${serverId}`)),
    );
    const person = { userId, username: userId === 1 ? "ada" : "bob", displayName: "" };
    const position = BigInt(asOf);
    const isIsland = island !== undefined;
    const value = { person, recovered, addresses, serverId, position, island: isIsland };
    return create(ReplySchema, { body: { case: "welcome", value } }).body;
  }

  #replay(connection: FakeConnection, { body }: ClientRequest): void {
    if (!connection.subscribed || body.case !== "hello") return;
    const { cursor } = body.value;
    const { island, replays } = connection.server;
    const upTo = island?.asOf ?? this.history.position;
    const after = cursor.length === 0 || !replays ? upTo : cursorParts(cursor).position;
    const missed = this.history.log.filter(({ position }) => position > after && position <= upTo);
    const held = (island?.held ?? []).map((message) => this.history.heldEvent(message));
    const seen = [...missed, ...held].filter((one) => isFor(one, connection.userId));
    const events = seen.map(({ event }) => event);
    this.#give(connection, { events, cursor: this.#cursor(upTo) });
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
        return this.history.read(connection.userId, body, connection.server.island);
      case undefined:
        return refusal(RejectionCode.INVALID_ARGUMENT);
      default:
        return this.history.write(connection.userId, body, connection.server.island);
    }
  }

  /** Applies a write as the state machine would, and tells those who may know. */
  apply(userId: number, body: ClientRequest["body"]): Reply["body"] {
    return this.history.apply(userId, body);
  }

  /** A room's items as the servers have them. */
  itemsOf(roomId: number): readonly TimelineItem[] {
    return this.history.itemsOf(roomId);
  }

  /** The bodies of a room's messages as the servers have them. */
  bodiesOf(roomId: number): string[] {
    return this.history.bodiesOf(roomId);
  }

  // ---- Islands ----------------------------------------------------------------------------------

  /** These servers are without a majority from now on, and hold together. */
  openIsland(...servers: readonly FakeServer[]): FakeIsland {
    const island = { asOf: this.history.position, servers: servers.length, held: [] };
    for (const server of servers) {
      server.island = island;
      this.#giveNotice(server, { open: true, servers: servers.length });
    }
    return island;
  }

  /** A majority is back: they see what they have missed, and what they held is in the log. */
  closeIsland(island: FakeIsland): void {
    const rejoined = this.servers.filter((server) => server.island === island);
    for (const server of rejoined) {
      server.island = undefined;
      this.#giveNotice(server, { open: false, servers: 0 });
      for (const logged of this.history.log) {
        if (logged.position > island.asOf) this.#deliver(logged, server);
      }
    }
    this.history.merge(island);
  }

  #giveNotice(server: FakeServer, value: { open: boolean; servers: number }): void {
    const notice = create(NoticeSchema, { body: { case: "island", value } });
    for (const connection of this.#connections) {
      if (connection.state === "open" && connection.server === server)
        this.#give(connection, { notices: [notice] });
    }
  }

  #tell(logged: LoggedEvent): void {
    for (const server of this.servers) {
      const { island } = server;
      // Only the island's own held messages come without a position.
      const isSeen =
        logged.position === 0
          ? island?.held.some((one) => one === logged.event.body.value) === true
          : island === undefined;
      if (isSeen) this.#deliver(logged, server);
    }
  }

  #deliver(logged: LoggedEvent, server: FakeServer): void {
    for (const connection of this.#connections) {
      const { state, subscribed, userId } = connection;
      if (connection.server !== server || state !== "open" || !subscribed) continue;
      if (!isFor(logged, userId)) continue;
      const cursor = logged.position === 0 ? undefined : this.#cursor(logged.position);
      this.#give(connection, { events: [logged.event], ...(cursor && { cursor }) });
    }
  }
}

function isFor({ audience }: LoggedEvent, userId: number): boolean {
  return audience === "everyone" || audience.has(userId);
}

function cursorParts(cursor: Uint8Array): { cluster: bigint; position: number } {
  const view = new DataView(cursor.buffer, cursor.byteOffset, cursor.length);
  return { cluster: view.getBigUint64(0), position: Number(view.getBigUint64(8)) };
}
