// For tests of this folder: a gateway on a real loopback port over a real chat state, with a
// replica that applies at once. What a cluster adds (being behind, having no leader, answering
// late) is switched on by hand.

import { DatabaseSync } from "node:sqlite";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { WebSocket } from "ws";
import { commandsPerEntryMax, type Position, positionOf } from "../base/position.ts";
import { type Chat, type ChatEvent, type ChatOutcome, openChat } from "../chat/index.ts";

import type { Clock } from "../io/clock.ts";
import type { Database, SqlRow, SqlValue } from "../io/database.ts";
import {
  ClientFrameSchema,
  type ClientRequestSchema,
  type Goodbye,
  type Notice,
  type RejectionCode,
  type Reply,
  ServerFrameSchema,
} from "../proto/gen/chat/v1/api_pb.js";
import {
  type CommandSchema,
  CommandSchema as commandSchema,
} from "../proto/gen/chat/v1/command_pb.js";
import type { Event } from "../proto/gen/chat/v1/event_pb.js";
import { StatusResponseSchema } from "../proto/gen/cluster/v1/admin_pb.js";
import type {
  AppliedCommand,
  ProposalAnswer,
  ReplicaService,
  WaitAnswer,
} from "../replica/index.ts";
import { FakeAdmin, FakeIsland } from "./fakes.contract.ts";
import { createGateway, type Gateway } from "./gateway.ts";
import type { GatewayLimits } from "./limits.ts";

/** The machine's time, as src/host has it. */
export const testClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer(delayMs, callback) {
    const timeout = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timeout) };
  },
  setSoon(callback) {
    setImmediate(callback);
  },
};

const silentLogger = { debug() {}, info() {}, warn() {}, error() {} };

/** node:sqlite in memory behind the port. */
function memoryDatabase(): Database {
  const sqlite = new DatabaseSync(":memory:");
  return {
    prepare(sql) {
      const statement = sqlite.prepare(sql);
      return {
        run: (...parameters: SqlValue[]) => ({
          changes: Number(statement.run(...parameters).changes),
        }),
        get: (...parameters: SqlValue[]) => statement.get(...parameters) as SqlRow | undefined,
        all: (...parameters: SqlValue[]) => statement.all(...parameters) as SqlRow[],
      };
    },
    exec: (sql) => sqlite.exec(sql),
    transaction(body) {
      sqlite.exec("BEGIN");
      try {
        const result = body();
        sqlite.exec("COMMIT");
        return result as never;
      } catch (error) {
        sqlite.exec("ROLLBACK");
        throw error;
      }
    },
    close: () => sqlite.close(),
  };
}

type Applied = readonly AppliedCommand<ChatOutcome, ChatEvent>[];
type Answer = ProposalAnswer<ChatOutcome>;

/**
 * A replica of a cluster of one that applies a turn's proposals as one entry, at once and in
 * memory.
 */
export class FakeReplica implements ReplicaService<ChatOutcome, ChatEvent> {
  readonly chat: Chat;
  readonly admin = new FakeAdmin();
  readonly island: FakeIsland;
  addresses = ["http://127.0.0.1:4801", "http://127.0.0.1:4802"];
  /** False: nobody leads; proposals and linearizable reads fail. */
  hasLeader = true;
  /** True: what is proposed is answered only when `answerHeld` is called. */
  holdsAnswers = false;
  /**
   * Commands that others have brought into the log and that come here with the next linearizable
   * read.
   */
  elsewhere: MessageInitShape<typeof CommandSchema>[] = [];
  readCount = 0;
  positionWaits = 0;
  proposals = 0;
  readyReason = "";
  #index = 0;
  #proposed: { command: Uint8Array; done: (answer: Answer) => void }[] = [];
  #held: (() => void)[] = [];
  readonly #listeners = new Set<(applied: Applied) => void>();

  constructor() {
    this.chat = openChat(memoryDatabase());
    this.island = new FakeIsland(this.chat);
    this.applyNow([
      {
        id: new Uint8Array(16),
        body: { case: "initializeCluster", value: { tokenKey: new Uint8Array(32).fill(7) } },
      },
    ]);
  }

  /** Applies commands as one entry, in this call. */
  applyNow(commands: readonly MessageInitShape<typeof CommandSchema>[]): Applied {
    return this.#apply(commands.map((c) => toBinary(commandSchema, create(commandSchema, c))));
  }

  answerHeld(): void {
    this.holdsAnswers = false;
    for (const tell of this.#held.splice(0)) tell();
  }

  /** A majority is back: what the island holds comes into the log. */
  heal(): void {
    this.hasLeader = true;
    this.island.close();
    const commands = this.island.mergeCommands();
    if (commands.length > 0) this.#apply(commands);
    this.island.dropItems();
  }

  propose(command: Uint8Array, done: (answer: Answer) => void): void {
    this.proposals += 1;
    this.#proposed.push({ command, done });
    if (this.#proposed.length === 1) setImmediate(() => this.#applyProposed());
  }

  waitForPosition(
    wait: { readonly position: Position; readonly timeoutMs: number },
    done: (answer: WaitAnswer) => void,
  ): void {
    this.positionWaits += 1;
    const endMs = performance.now() + wait.timeoutMs;
    const look = () => {
      if (this.appliedPosition() >= wait.position) done({ kind: "reached" });
      else if (performance.now() >= endMs) done({ kind: "timedOut" });
      else setTimeout(look, 1);
    };
    setImmediate(look);
  }

  waitForRead(wait: { readonly timeoutMs: number }, done: (answer: WaitAnswer) => void): void {
    this.readCount += 1;
    if (!this.hasLeader) {
      setTimeout(() => done({ kind: "timedOut" }), wait.timeoutMs);
      return;
    }
    setImmediate(() => {
      if (this.elsewhere.length > 0) this.applyNow(this.elsewhere.splice(0));
      done({ kind: "reached" });
    });
  }

  appliedPosition(): Position {
    return positionOf(this.#index, commandsPerEntryMax - 1);
  }

  subscribe(listener: (applied: Applied) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  readiness() {
    return { ready: this.readyReason === "", reason: this.readyReason };
  }

  status() {
    return create(StatusResponseSchema, { clusterName: "test", answeredBy: 1 });
  }

  clientAddresses() {
    return this.addresses;
  }

  replicaId() {
    return 1;
  }

  clusterId() {
    return "00c0ffee00c0ffee";
  }

  #applyProposed(): void {
    const batch = this.#proposed.splice(0, commandsPerEntryMax);
    if (this.island.islandState().open) {
      for (const { command, done } of batch) done(this.island.answer(command));
      return;
    }
    if (!this.hasLeader) {
      for (const { done } of batch) done({ kind: "unavailable", message: "Nobody leads." });
      return;
    }
    const applied = this.#apply(batch.map(({ command }) => command));
    for (const [i, { done }] of batch.entries()) {
      const { outcome, position } = applied[i]!;
      const tell = () => done({ kind: "applied", outcome, position, disks: 3 });
      if (this.holdsAnswers) this.#held.push(tell);
      else tell();
    }
    if (this.#proposed.length > 0) setImmediate(() => this.#applyProposed());
  }

  #apply(commands: readonly Uint8Array[]): Applied {
    this.#index += 1;
    const entry = { index: this.#index, timestampMs: 1_700_000_000_000 + this.#index, commands };
    const applied = this.chat.apply([entry]);
    for (const listener of this.#listeners) listener(applied);
    return applied;
  }
}

// biome-ignore lint/suspicious/noExplicitAny: what JSON holds is for each test to say.
type JsonBody = Record<string, any>;

/** A gateway that listens, with its replica. */
export interface TestServer {
  readonly replica: FakeReplica;
  readonly gateway: Gateway;
  readonly host: string;
  readonly port: number;
  /** `http://host:port` */
  readonly url: string;
  /** POSTs JSON to a method of ChatService, or `service/method`, and answers status and body. */
  call(
    method: string,
    body: object,
    token?: string,
  ): Promise<{ status: number; headers: Headers; body: JsonBody }>;
  /** Registers and logs in; answers the token. */
  enter(username: string): Promise<string>;
  /** Opens a WebSocket session and waits until the socket is open. */
  connect(options?: { headers?: Record<string, string> }): Promise<SessionClient>;
  close(): Promise<void>;
}

/** A gateway that does not listen yet. */
export function createTestGateway(replica: FakeReplica, limits?: Partial<GatewayLimits>): Gateway {
  return createGateway({
    replica,
    admin: replica.admin,
    island: replica.island,
    chat: replica.chat,
    clock: testClock,
    logger: silentLogger as never,
    limits: { pingIntervalMs: 60_000, readWaitMs: 100, positionWaitMs: 100, ...limits },
  });
}

/** Starts a gateway on a free port of the loopback. */
export async function startServer(limits: Partial<GatewayLimits> = {}): Promise<TestServer> {
  const replica = new FakeReplica();
  const gateway = createTestGateway(replica, limits);
  const { host, port } = await gateway.listen({ host: "127.0.0.1", port: 0 });
  const url = `http://${host}:${port}`;
  const clients: SessionClient[] = [];
  const call: TestServer["call"] = async (method, body, token) => {
    const path = method.includes("/") ? method : `chat.v1.ChatService/${method}`;
    const response = await fetch(`${url}/${path}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: JSON.parse(text) };
  };
  return {
    replica,
    gateway,
    host,
    port,
    url,
    call,
    async enter(username) {
      await call("Register", { username, password: "correct horse" });
      const answer = await call("LogIn", { username, password: "correct horse" });
      return answer.body["token"];
    },
    async connect(options) {
      const client = new SessionClient(`ws://${host}:${port}/session`, options?.headers);
      clients.push(client);
      await client.opened;
      return client;
    },
    async close() {
      for (const client of clients) client.socket.terminate();
      await gateway.close({ graceMs: 0 });
    },
  };
}

/** The body of a request. */
export type RequestBody = NonNullable<MessageInitShape<typeof ClientRequestSchema>["body"]>;

/** A bare session client over WebSocket that keeps everything it gets. */
export class SessionClient {
  readonly socket: WebSocket;
  readonly opened: Promise<void>;
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly replies: Reply[] = [];
  readonly events: Event[] = [];
  readonly goodbyes: Goodbye[] = [];
  /** All notices, goodbyes too. */
  readonly notices: Notice[] = [];
  cursor: Uint8Array = new Uint8Array(0);
  frames = 0;
  #nextId = 1;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  readonly #watchers = new Set<() => void>();

  constructor(url: string, headers: Record<string, string> = {}) {
    this.socket = new WebSocket(url, { headers });
    this.socket.binaryType = "nodebuffer";
    this.opened = new Promise((resolve, reject) => {
      this.socket.once("open", resolve);
      this.socket.once("error", reject);
    });
    this.closed = new Promise((resolve) => {
      this.socket.once("close", (code, reason) => resolve({ code, reason: String(reason) }));
    });
    this.socket.on("message", (data: Buffer) => this.#take(data));
  }

  /** Sends one request and answers its reply. */
  ask(body: RequestBody, requestId = this.#nextId++): Promise<Reply> {
    const reply = new Promise<Reply>((resolve) => this.#waiting.set(requestId, resolve));
    this.send({ requestId, body });
    return reply;
  }

  /** Sends requests in one frame. */
  send(...requests: MessageInitShape<typeof ClientRequestSchema>[]): void {
    this.socket.send(toBinary(ClientFrameSchema, create(ClientFrameSchema, { requests })));
  }

  /** Says hello and answers the reply. */
  hello(token: string, options: { cursor?: Uint8Array; subscribe?: boolean } = {}): Promise<Reply> {
    const { cursor = new Uint8Array(0), subscribe = true } = options;
    return this.ask({ case: "hello", value: { token, cursor, subscribe } });
  }

  /** Sends a message and answers the reply. */
  say(roomId: number, body: string): Promise<Reply> {
    return this.ask({
      case: "sendMessage",
      value: { commandId: crypto.getRandomValues(new Uint8Array(16)), room: byId(roomId), body },
    });
  }

  /** Waits until something holds of what has come in. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!holds()) return;
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
      look();
    });
  }

  /** Bodies of the messages seen, in order. */
  bodies(): string[] {
    return this.events.flatMap(({ body }) =>
      body.case === "item" && body.value.content.case === "body" ? [body.value.content.value] : [],
    );
  }

  #take(data: Uint8Array): void {
    const frame = fromBinary(ServerFrameSchema, data);
    this.frames += 1;
    this.events.push(...frame.events);
    if (frame.cursor.length > 0) this.cursor = frame.cursor;
    this.notices.push(...frame.notices);
    for (const { body } of frame.notices)
      if (body.case === "goodbye") this.goodbyes.push(body.value);
    for (const reply of frame.replies) {
      this.replies.push(reply);
      this.#waiting.get(reply.requestId)?.(reply);
      this.#waiting.delete(reply.requestId);
    }
    for (const look of [...this.#watchers]) look();
  }
}

/** A room by id. */
export function byId(roomId: number) {
  return { room: { case: "roomId", value: roomId } } as const;
}

/** A room by name. */
export function byName(name: string) {
  return { room: { case: "name", value: name } } as const;
}

/** The code of a reply that is a refusal. */
export function codeOf(reply: Reply): RejectionCode | undefined {
  return reply.body.case === "rejected" ? reply.body.value.code : undefined;
}

/** A session that is open and live. */
export async function enterSession(
  server: TestServer,
  token: string,
  cursor?: Uint8Array,
): Promise<SessionClient> {
  const client = await server.connect();
  const reply = await client.hello(token, cursor === undefined ? {} : { cursor });
  if (reply.body.case !== "welcome") throw new Error(`not welcome: ${reply.body.case}`);
  return client;
}

/** Messages into a room as if other people's servers had brought them. */
export function sayElsewhere(
  server: TestServer,
  said: { readonly roomId: number; readonly bodies: readonly string[]; readonly userId?: number },
): void {
  const { roomId, bodies, userId = 1 } = said;
  server.replica.applyNow(
    bodies.map((body) => ({
      id: crypto.getRandomValues(new Uint8Array(16)),
      userId,
      sessionId: userId,
      body: { case: "sendMessage", value: { roomId, body } },
    })),
  );
}

/** Bodies m<start> … m<end - 1>. */
export function numberedBodies(start: number, end: number): string[] {
  return Array.from({ length: end - start }, (_, i) => `m${start + i}`);
}
