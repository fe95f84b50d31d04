// Puts the parts of the client together: here is only who tells whom. No part decides less because
// of it: order and repetition are the outbox's and the requests', servers and waits the link's,
// gaps the timelines'.
import type { Welcome } from "../proto/gen/chat/v1/api_pb.js";
import type { Event } from "../proto/gen/chat/v1/event_pb.js";
import type { StatusResponse } from "../proto/gen/cluster/v1/admin_pb.js";
import { Addresses } from "./addresses.ts";
import type { TransportFactory } from "./anywhere.ts";
import { Asks, SeenPosition } from "./asks.ts";
import { Calls, type LogInOptions, type RegisterOptions } from "./calls.ts";
import type { Client, ClientTopics } from "./client.ts";
import type { ClientClock, ClientRandom } from "./clock.ts";
import type { ConnectionFactory } from "./connection.ts";
import { Emitter, type Listener } from "./emitter.ts";
import { RejectedError } from "./errors.ts";
import { CommandIds, commandIdText } from "./ids.ts";
import { Incoming } from "./incoming.ts";
import { faultOfBody, faultOfRoom, faultOfText, refuse } from "./input.ts";
import { tokenUnitsMax } from "./limits.ts";
import { Link } from "./link.ts";
import { LiveTimelines, type PageAsk, type Timeline } from "./live-timelines.ts";
import { Outbox } from "./outbox.ts";
import type { OutboxStore } from "./outbox-store.ts";
import { PendingRequests } from "./requests.ts";
import { RoomDirectory } from "./rooms.ts";
import type { Session } from "./session.ts";
import { type Store, type TimelineView, ViewWriter } from "./store.ts";
import {
  type Connected,
  type ConnectionState,
  type HeldReceipt,
  type IslandState,
  type Person,
  type Receipt,
  type Room,
  type RoomName,
  type RoomReceipt,
  type SendReceipt,
  type TimelinePage,
  toPerson,
} from "./types.ts";
import { viewPending, viewTimelines } from "./views.ts";

/** All that a client is made of, defaults filled in. */
export interface WiredClientOptions {
  readonly addresses: readonly string[];
  readonly knownServers: readonly string[];
  readonly token: string | undefined;
  readonly deviceName: string;
  readonly subscribe: boolean;
  readonly outbox: OutboxStore;
  readonly connect: ConnectionFactory;
  readonly transport: TransportFactory;
  readonly clock: ClientClock;
  readonly random: ClientRandom;
}

interface ReadyWaiter {
  readonly resolve: (connected: Connected) => void;
  readonly reject: (error: RejectedError) => void;
}

/** The client (client.ts says what it promises). */
export class WiredClient implements Client {
  readonly #options: WiredClientOptions;
  readonly #emitter = new Emitter<ClientTopics>();
  readonly #ids: CommandIds;
  readonly #seen = new SeenPosition();
  readonly #calls: Calls;
  readonly #link: Link;
  readonly #requests: PendingRequests;
  readonly #asks: Asks;
  readonly #outbox: Outbox;
  readonly #timelines: LiveTimelines;
  readonly #rooms = new RoomDirectory();
  readonly #incoming: Incoming;
  readonly #addresses: Addresses;
  readonly #view: ViewWriter;
  #token: string | undefined;
  #person: Person | undefined;
  #state: ConnectionState = { kind: "stopped" };
  #connected: Connected | undefined;
  #readyWaiters: ReadyWaiter[] = [];
  #timelineViews: ReadonlyMap<number, TimelineView> = new Map();
  #island: IslandState = { open: false, servers: 0 };
  #servers: readonly string[];
  /** The cluster did not know the cursor: what is shown is of another history. */
  #historyLost = false;
  /** Whether the caller has ever asked for all rooms: then they are asked for again after a gap. */
  #listsRooms = false;

  constructor(options: WiredClientOptions) {
    const { clock, random, connect, subscribe } = options;
    refuse(faultOfText(options.deviceName));
    this.#options = options;
    this.#setToken(options.token);
    const addresses = new Addresses(options.addresses, random, options.knownServers);
    this.#addresses = addresses;
    this.#servers = addresses.listed;
    this.#ids = new CommandIds(clock, random);
    const { transport } = options;
    this.#calls = new Calls({ transport, addresses, clock, random, ids: this.#ids });
    const onStuck = (reason: string): void => this.#link.switchServer(reason);
    const onUnauthenticated = (error: RejectedError): void => this.#link.end(error);
    this.#requests = new PendingRequests({ clock, random, onStuck, onUnauthenticated });
    this.#asks = new Asks({ requests: this.#requests, ids: this.#ids, seen: this.#seen });
    this.#timelines = new LiveTimelines({
      clock,
      read: (ask) => this.readTimeline(ask),
      onChange: () => {
        this.#view.touch("timelines");
        if (this.#outbox.awaitsMerge) this.#view.touch("pending");
      },
    });
    this.#incoming = this.#createIncoming();
    this.#outbox = this.#createOutbox({ onStuck, onUnauthenticated });
    this.#view = this.#createView();
    this.#link = this.#createLink({ connect, addresses, subscribe });
  }

  get store(): Store {
    return this.#view;
  }

  get token(): string | undefined {
    return this.#token;
  }

  get address(): string | undefined {
    return this.#connected?.address;
  }

  get island(): IslandState {
    return this.#island;
  }

  async register(options: RegisterOptions): Promise<Person> {
    const { username, password, displayName = "" } = options;
    refuse(...[username, password, displayName].map(faultOfText));
    return this.#calls.register(options);
  }

  async logIn(options: LogInOptions): Promise<{ person: Person; token: string }> {
    const { username, password, device = this.#options.deviceName } = options;
    refuse(...[username, password, device].map(faultOfText));
    const answer = await this.#calls.logIn({ username, password, device });
    const wasRunning = this.#link.running;
    this.#link.stop();
    if (this.#person !== undefined && this.#person.userId !== answer.person.userId) {
      this.#forgetPerson();
    }
    this.#setToken(answer.token);
    this.#person = answer.person;
    this.#view.touch("person");
    if (wasRunning) this.start();
    return answer;
  }

  async logOut({ everywhere = false }: { readonly everywhere?: boolean } = {}): Promise<void> {
    if (this.#token === undefined) throw logInFirstError();
    await this.#calls.logOut(this.#token, { everywhere });
    this.#token = undefined;
    await this.stop();
  }

  start(): void {
    if (this.#token === undefined) throw logInFirstError();
    void this.#outbox.load();
    this.#link.start(this.#token);
  }

  ready(): Promise<Connected> {
    if (this.#connected !== undefined) return Promise.resolve(this.#connected);
    if (this.#state.kind === "ended") return Promise.reject(this.#state.error);
    return new Promise((resolve, reject) => this.#readyWaiters.push({ resolve, reject }));
  }

  async stop(): Promise<void> {
    this.#link.stop();
    this.#fail(stoppedError());
    await this.#outbox.settled();
  }

  retryNow(): void {
    this.#link.retryNow();
  }

  send({
    room,
    body,
  }: {
    readonly room: RoomName;
    readonly body: string;
  }): Promise<SendReceipt | HeldReceipt> {
    const fault = faultOfRoom(room) ?? faultOfBody(body);
    if (fault !== undefined) return Promise.reject(fault);
    const commandId = commandIdText(this.#ids.next());
    const writtenAtMs = this.#options.clock.wallMs();
    return this.#outbox.add({ commandId, room, body, writtenAtMs });
  }

  async createRoom(name: string): Promise<RoomReceipt> {
    const answer = await this.#asks.createRoom(name);
    this.#putRooms([answer.room]);
    return answer;
  }

  async joinRoom(room: RoomName): Promise<RoomReceipt> {
    const answer = await this.#asks.joinRoom(room);
    this.#putRooms([answer.room]);
    return answer;
  }

  async leaveRoom(room: RoomName): Promise<Receipt> {
    const receipt = await this.#asks.leaveRoom(room);
    const known = this.#rooms.find(room);
    if (known !== undefined) this.#rooms.applyLeft(known.roomId);
    this.#view.touch("rooms");
    return receipt;
  }

  async listRooms({ joinedOnly = false }: { readonly joinedOnly?: boolean } = {}): Promise<Room[]> {
    this.#listsRooms ||= !joinedOnly;
    const rooms = await this.#asks.listRooms({ joinedOnly });
    this.#putRooms(rooms);
    return rooms;
  }

  listPeople(pattern = ""): Promise<Person[]> {
    return this.#asks.listPeople(pattern);
  }

  async readTimeline(ask: PageAsk): Promise<TimelinePage> {
    const page = await this.#asks.readTimeline(ask);
    this.#putRooms([page.room]);
    if (this.#outbox.awaitsMerge) {
      const own = page.items.filter(({ authorId }) => authorId === this.#person?.userId);
      for (const { commandId } of own) this.#outbox.noteMerged(commandId);
    }
    return page;
  }

  openRoom(room: RoomName): Promise<Timeline> {
    return this.#timelines.open(room);
  }

  on<Topic extends keyof ClientTopics>(
    topic: Topic,
    listener: Listener<ClientTopics[Topic]>,
  ): () => void {
    return this.#emitter.on(topic, listener);
  }

  status(address?: string): Promise<StatusResponse> {
    return this.#calls.status(address);
  }

  async servers(): Promise<string[]> {
    const servers = await this.#calls.listServers();
    this.#handleServers();
    return servers;
  }

  #createOutbox(on: {
    onStuck: (reason: string) => void;
    onUnauthenticated: (error: RejectedError) => void;
  }): Outbox {
    const { outbox: store, clock, random } = this.#options;
    return new Outbox({
      store,
      clock,
      random,
      listener: {
        changed: () => this.#view.touch("pending"),
        stored: (message, receipt) => {
          this.#seen.note(BigInt(receipt.position));
          this.#emitter.emit("stored", { message, receipt });
        },
        refused: (message, error) => this.#emitter.emit("refused", { message, error }),
        storeFailed: (error) => this.#emitter.emit("outboxFailed", { error }),
        stuck: on.onStuck,
        unauthenticated: on.onUnauthenticated,
      },
    });
  }

  #createIncoming(): Incoming {
    return new Incoming({
      emitter: this.#emitter,
      timelines: this.#timelines,
      rooms: this.#rooms,
      userId: () => this.#person?.userId,
      onRoomsChanged: () => this.#view.touch("rooms"),
      onOwnItem: (commandId) => this.#outbox.noteMerged(commandId),
    });
  }

  #createLink(options: {
    connect: ConnectionFactory;
    addresses: Addresses;
    subscribe: boolean;
  }): Link {
    const { clock, random } = this.#options;
    return new Link({
      ...options,
      clock,
      random,
      listener: {
        stateChanged: (state) => this.#handleState(state),
        opened: (session, welcome, how) => this.#handleOpened(session, welcome, how),
        received: (events) => this.#handleEvents(events),
        islandChanged: (island) => this.#handleIsland(island),
        serversListed: () => this.#handleServers(),
        cursorForgotten: () => this.#handleCursorForgotten(),
        lost: () => {
          this.#connected = undefined;
          this.#requests.detach();
          this.#outbox.detach();
        },
        ended: (error) => {
          this.#token = undefined;
          this.#fail(error);
        },
      },
    });
  }

  #createView(): ViewWriter {
    return new ViewWriter(
      {
        connection: () => this.#state,
        island: () => this.#island,
        servers: () => this.#servers,
        person: () => this.#person,
        rooms: () => this.#rooms.all(),
        timelines: () => {
          this.#timelineViews = viewTimelines(this.#timelines.all(), this.#timelineViews);
          return this.#timelineViews;
        },
        pending: () =>
          viewPending(this.#outbox.pending(), this.#timelines.all(), this.#person?.userId),
      },
      this.#options.clock,
    );
  }

  #handleState(state: ConnectionState): void {
    this.#state = state;
    this.#view.touch("connection");
    this.#emitter.emit("connection", state);
  }

  #handleOpened(session: Session, welcome: Welcome, how: { readonly recovered: boolean }): void {
    this.#seen.note(welcome.position);
    this.#person = toPerson(welcome.person);
    this.#view.touch("person");
    const { serverId, addresses } = welcome;
    const { recovered } = how;
    this.#connected = {
      person: this.#person,
      address: session.address,
      serverId,
      recovered,
      addresses,
    };
    this.#requests.attach(session);
    const isIsland = welcome.island;
    // How large an island is, only a notice tells.
    if (isIsland !== this.#island.open) this.#handleIsland({ open: isIsland, servers: 0 });
    this.#outbox.attach(session, { island: isIsland });
    if (!recovered) this.#reload();
    this.#timelines.resume({ isIsland });
    const waiters = this.#readyWaiters;
    this.#readyWaiters = [];
    for (const waiter of waiters) waiter.resolve(this.#connected);
  }

  #reload(): void {
    const reset = this.#historyLost;
    this.#historyLost = false;
    this.#timelines.reload({ reset });
    // Who wants to know hears of a failure by the connection's state; the rooms stay as they were.
    if (this.#listsRooms) void this.listRooms().catch(() => undefined);
    this.#emitter.emit("reloaded", {
      reason: reset
        ? "The cluster has another history than before."
        : "The server could not replay what was missed.",
    });
  }

  #handleCursorForgotten(): void {
    this.#historyLost = true;
    this.#seen.reset();
    this.#incoming.forget();
    this.#rooms.clear();
    this.#view.touch("rooms");
  }

  #handleEvents(events: readonly Event[]): void {
    for (const event of events) {
      this.#seen.note(event.position);
      this.#incoming.take(event);
    }
  }

  #handleIsland(island: IslandState): void {
    const { open, servers } = this.#island;
    if (open === island.open && servers === island.servers) return;
    this.#island = island;
    this.#view.touch("island");
    this.#timelines.setIsland(island.open);
    this.#outbox.setIsland(island.open);
    this.#emitter.emit("island", island);
  }

  #handleServers(): void {
    const servers = this.#addresses.listed;
    const known = new Set(this.#servers);
    const isSame = servers.length === known.size && servers.every((one) => known.has(one));
    // Which server comes first is no news.
    if (isSame) return;
    this.#servers = servers;
    this.#view.touch("servers");
    this.#emitter.emit("servers", servers);
  }

  #putRooms(rooms: readonly Room[]): void {
    for (const room of rooms) this.#rooms.put(room);
    this.#view.touch("rooms");
  }

  #setToken(token: string | undefined): void {
    if (token !== undefined && (token === "" || token.length > tokenUnitsMax)) {
      throw new RejectedError({ code: "INVALID_ARGUMENT", message: "This is not a token." });
    }
    this.#token = token;
  }

  /** Nothing of the person before may reach the next one. */
  #forgetPerson(): void {
    const error = new RejectedError({
      code: "UNAUTHENTICATED",
      message: "Another person has logged in.",
    });
    this.#requests.failAll(error);
    this.#outbox.discard(error);
    this.#timelines.closeAll();
    this.#link.forgetCursor();
    this.#rooms.clear();
    this.#incoming.forget();
    this.#view.touch("rooms");
  }

  #fail(error: RejectedError): void {
    this.#timelines.pause();
    this.#requests.failAll(error);
    this.#outbox.rejectWaiters(error);
    const waiters = this.#readyWaiters;
    this.#readyWaiters = [];
    for (const waiter of waiters) waiter.reject(error);
  }
}

function logInFirstError(): RejectedError {
  return new RejectedError({ code: "UNAUTHENTICATED", message: "Log in first." });
}

function stoppedError(): RejectedError {
  return new RejectedError({
    code: "UNAVAILABLE",
    message: "The client was stopped before an answer came. The write may still come to be.",
    retryAfterMs: 1_000,
  });
}
