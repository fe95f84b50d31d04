// The door's main piece: what a client can do, and how one is made. The parts behind it are put
// together in wired-client.ts.
import type { StatusResponse } from "../proto/gen/cluster/v1/admin_pb.js";
import type { TransportFactory } from "./anywhere.ts";
import { createFetchTransportFactory, type LogInOptions, type RegisterOptions } from "./calls.ts";
import { type ClientClock, type ClientRandom, createHostClock, createHostRandom } from "./clock.ts";
import { type ConnectionFactory, createWebSocketFactory } from "./connection.ts";
import type { Listener } from "./emitter.ts";
import type { RejectedError } from "./errors.ts";
import type { PageAsk, Timeline } from "./live-timelines.ts";
import { createMemoryOutboxStore, type OutboxMessage, type OutboxStore } from "./outbox-store.ts";
import type { Store } from "./store.ts";
import type {
  Connected,
  ConnectionState,
  HeldMessage,
  HeldReceipt,
  IslandState,
  Item,
  Person,
  Receipt,
  Room,
  RoomCreated,
  RoomName,
  RoomReceipt,
  SendReceipt,
  SetAsideMessage,
  TimelinePage,
} from "./types.ts";
import { WiredClient } from "./wired-client.ts";

/** What a client is made with. */
export interface ClientOptions {
  /**
   * Servers as `http://host:port`, at least one; tried in this order at first. The others are
   * learned. They are kept as a last resort also when the cluster has other servers now.
   */
  readonly addresses: readonly string[];
  /**
   * The servers as the client was told in an earlier run (`store`'s `servers`), default none. They
   * are tried first, so that a client finds its cluster also when all servers of `addresses` were
   * replaced; then `addresses` may even be empty.
   */
  readonly knownServers?: readonly string[];
  /** A token of an earlier log-in. */
  readonly token?: string;
  /** What the person will recognise a log-in by, 0–64 characters; default empty. */
  readonly deviceName?: string;
  /**
   * Whether events are wanted, default true. Without them there are replies only: no items, no live
   * timelines.
   */
  readonly subscribe?: boolean;
  /**
   * Where unsent messages survive a restart; default: in memory only. One store belongs to one
   * person.
   */
  readonly outbox?: OutboxStore;
  /** Opens connections; default: the global WebSocket. */
  readonly connect?: ConnectionFactory;
  /** Makes unary calls; default: the global fetch. */
  readonly transport?: TransportFactory;
  /** Default: the host's. */
  readonly clock?: ClientClock;
  /** Default: the host's. */
  readonly random?: ClientRandom;
}

/** What a client tells unasked; the topics of `on`. */
export interface ClientTopics {
  /** A new item in a room that the person is in: each once, in order within its room. */
  item: Item;
  roomCreated: RoomCreated;
  connection: ConnectionState;
  /** Island mode has begun or ended on the server that the session is with, or has another size. */
  island: IslandState;
  /** The cluster has other servers than before: client addresses to be kept for the next start. */
  servers: readonly string[];
  /** An island holds a message in a room that the person is in, also one's own: each once. */
  held: HeldMessage;
  /** A held message could not be merged; the person is its author or the room's owner. */
  setAside: SetAsideMessage;
  /**
   * What happened while the client was away was not replayed: `item` skipped it, open timelines are
   * loaded anew.
   */
  reloaded: { readonly reason: string };
  /** A message was stored, also one of an earlier run that nobody waits for. */
  stored: { readonly message: OutboxMessage; readonly receipt: SendReceipt };
  /** A message was refused for good, also one of an earlier run. */
  refused: { readonly message: OutboxMessage; readonly error: RejectedError };
  /** The outbox store failed: what is written now may not survive a restart. */
  outboxFailed: { readonly error: unknown };
}

/**
 * One person's way to a cluster (K1). Everything asynchronous rejects with RejectedError; what
 * needs the session waits for one, through any change of server.
 */
export interface Client {
  /** What is to be drawn. */
  readonly store: Store;
  /** The token of the log-in session; undefined when there is none, or it has ended. */
  readonly token: string | undefined;
  /** The address of the server that the session is with; undefined while there is none. */
  readonly address: string | undefined;
  /** Whether the server that the session is or was with last is in island mode. */
  readonly island: IslandState;

  /** Makes an account. */
  register(options: RegisterOptions): Promise<Person>;
  /**
   * Opens a log-in session, which `start` then uses. Ask the person's password once, keep the
   * token.
   */
  logIn(options: LogInOptions): Promise<{ person: Person; token: string }>;
  /** Ends the log-in session on all servers, or all of the person's; the client stops. */
  logOut(options?: { readonly everywhere?: boolean }): Promise<void>;

  /** Opens the session and keeps it open until `stop`. Throws UNAUTHENTICATED without a token. */
  start(): void;
  /**
   * Resolves when a session stands; rejects when the log-in session is over or the client stops.
   * May take for ever.
   */
  ready(): Promise<Connected>;
  /**
   * Closes the session. What is asked and not answered rejects with UNAVAILABLE; messages stay in
   * the outbox and are sent after the next `start`. Resolves when the outbox store is done.
   */
  stop(): Promise<void>;
  /** Ends the wait before the next attempt, for hosts that know that the network is back. */
  retryNow(): void;

  /**
   * Sends a message: in order with others of this client, exactly once, over any number of servers,
   * however long it takes. Resolves when it is stored, or with `status: "held"` when no majority of
   * servers can be reached: then it is on an island's disks and stays in the outbox until it is
   * stored, which the receipt's own `stored` and the topic `stored` tell. Rejects when it is
   * refused, the outbox is full, or the client ends first (under UNAVAILABLE and UNAUTHENTICATED
   * the message stays in the outbox).
   */
  send(message: {
    readonly room: RoomName;
    readonly body: string;
  }): Promise<SendReceipt | HeldReceipt>;
  createRoom(name: string): Promise<RoomReceipt>;
  joinRoom(room: RoomName): Promise<RoomReceipt>;
  leaveRoom(room: RoomName): Promise<Receipt>;
  /** All rooms that the person may enter, or only those that the person is in. */
  listRooms(options?: { readonly joinedOnly?: boolean }): Promise<Room[]>;
  /** People by username, `*` any run, `?` one character; default all. */
  listPeople(pattern?: string): Promise<Person[]>;
  /**
   * A part of a room's timeline, oldest first: before a number, after a number (0: from the first),
   * or the newest. `limit` 1–500, default 20.
   */
  readTimeline(ask: PageAsk): Promise<TimelinePage>;
  /** Shows a room: its last 20 items, then everything new. Close it when it is no longer shown. */
  openRoom(room: RoomName): Promise<Timeline>;

  /** Hears of what happens. The answer ends it. */
  on<Topic extends keyof ClientTopics>(
    topic: Topic,
    listener: Listener<ClientTopics[Topic]>,
  ): () => void;

  /** The cluster as one server sees it: the one at `address`, or any. */
  status(address?: string): Promise<StatusResponse>;
  /** Asks for the addresses of all servers; the client learns them. */
  servers(): Promise<string[]>;
}

/**
 * Makes a client. It opens nothing before it is asked. Throws INVALID_ARGUMENT for addresses that
 * are none.
 */
export function createClient(options: ClientOptions): Client {
  return new WiredClient({
    addresses: options.addresses,
    knownServers: options.knownServers ?? [],
    token: options.token,
    deviceName: options.deviceName ?? "",
    subscribe: options.subscribe ?? true,
    outbox: options.outbox ?? createMemoryOutboxStore(),
    connect: options.connect ?? createWebSocketFactory(),
    transport: options.transport ?? createFetchTransportFactory(),
    clock: options.clock ?? createHostClock(),
    random: options.random ?? createHostRandom(),
  });
}
