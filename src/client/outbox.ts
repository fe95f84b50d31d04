// Messages on their way: each has its id from the start, waits in order, and is sent again under
// that id until a server has stored or refused it. So it is stored exactly once (K1). Keeping them
// over a restart is the store's part.
import { create } from "@bufbuild/protobuf";
import { assertDefined } from "../base/assert.ts";
import { RoomRefSchema, SendMessageRequestSchema } from "../proto/gen/chat/v1/api_pb.js";
import type { ClientClock, ClientRandom, ClientTimer } from "./clock.ts";
import { isRetryable, RejectedError, rejectedError } from "./errors.ts";
import { parseCommandId } from "./ids.ts";
import {
  messageAnswerTimeoutMs,
  messagesInFlightMax,
  outboxMessagesMax,
  outboxUnitsMax,
  refusalsBeforeSwitch,
} from "./limits.ts";
import { backoffMs, spreadMs } from "./retry.ts";
import type { ReplyBody, RequestBody, Session } from "./session.ts";
import { type RoomName, type SendReceipt, toReceipt } from "./types.ts";

/** A message as it waits; plain JSON. */
export interface OutboxMessage {
  /** The id that it is stored under: 32 hexadecimal digits. */
  readonly commandId: string;
  readonly room: RoomName;
  readonly body: string;
  /** When it was written, by this machine's clock; only to be shown. */
  readonly writtenAtMs: number;
}

/**
 * Where unsent messages survive a restart. One store belongs to one person: what is in it is sent
 * as whoever logs in. Calls are made in order; a call may overlap the one before, so the store
 * keeps them in order itself.
 */
export interface OutboxStore {
  /**
   * All messages that were saved and not removed, in the order in which they were saved. Called
   * once per start of the client.
   */
  load(): Promise<readonly OutboxMessage[]>;
  save(message: OutboxMessage): void | Promise<void>;
  /** The message is stored by the servers, or refused for good. */
  remove(commandId: string): void | Promise<void>;
}

/** A store that forgets when the process ends. */
export function createMemoryOutboxStore(): OutboxStore {
  const messages = new Map<string, OutboxMessage>();
  return {
    load: () => Promise.resolve([...messages.values()]),
    save: (message) => {
      messages.set(message.commandId, message);
    },
    remove: (commandId) => {
      messages.delete(commandId);
    },
  };
}

/** What the outbox works with. */
export interface OutboxOptions {
  readonly store: OutboxStore;
  readonly clock: ClientClock;
  readonly random: ClientRandom;
  readonly listener: OutboxListener;
}

/** What the outbox tells its owner. */
export interface OutboxListener {
  /** What waits is not what it was. */
  changed(): void;
  stored(message: OutboxMessage, receipt: SendReceipt): void;
  /** Refused for good: it has left the outbox. */
  refused(message: OutboxMessage, error: RejectedError): void;
  /** The store could not load, save or remove; the outbox goes on from memory. */
  storeFailed(error: unknown): void;
  /**
   * The server refuses again and again for load or lack of a leader, or does not answer; another
   * may do better.
   */
  stuck(reason: string): void;
  /** A reply says that the log-in session is over. */
  unauthenticated(error: RejectedError): void;
}

interface Entry {
  readonly message: OutboxMessage;
  readonly request: RequestBody;
  /** Told once how it went; undefined when nobody waits (any more). */
  waiter: Waiter | undefined;
}

interface Waiter {
  readonly resolve: (receipt: SendReceipt) => void;
  readonly reject: (error: RejectedError) => void;
}

/** The messages that have no receipt yet. */
export class Outbox {
  readonly #options: OutboxOptions;
  /** By place; places rise by one. Loaded messages come before all that were written since. */
  #entries = new Map<number, Entry>();
  #units = 0;
  #lastPlace = outboxMessagesMax;
  /**
   * The next place to send. Invariant: every entry before it is in flight, or was refused with
   * `#rewind` set.
   */
  #nextPlace = 1;
  #inFlight = 0;
  /**
   * How many may be in flight. Falls to one with a refusal and grows by one with each receipt, as
   * TCP's slow start does: so what was refused is stored before anything behind it is sent.
   */
  #window = messagesInFlightMax;
  #session: Session | undefined;
  #loading: "notYet" | "underWay" | "done" = "notYet";
  /**
   * Some of what is in flight was refused for now: when the rest is answered, sending begins again
   * at the front.
   */
  #rewind: RejectedError | undefined;
  /** Refusals in a row, counted once for all that was in flight together. */
  #refusals = 0;
  /** Set while refused messages wait to be sent again. */
  #pauseTimer: ClientTimer | undefined;
  /** When a message was answered last, or sent when none was in flight. */
  #progressMs = 0;
  #watchTimer: ClientTimer | undefined;
  readonly #storing = new Set<Promise<void>>();

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** How many messages wait. */
  get size(): number {
    return this.#entries.size;
  }

  /** What waits, in order. Takes time with its number. */
  messages(): OutboxMessage[] {
    return [...this.#entries.values()].map((entry) => entry.message);
  }

  /**
   * Loads what was left by an earlier run. Sends nothing before that; harmless when done already.
   */
  async load(): Promise<void> {
    if (this.#loading !== "notYet") return;
    this.#loading = "underWay";
    let loaded: readonly OutboxMessage[] = [];
    try {
      loaded = await this.#options.store.load();
    } catch (error) {
      this.#options.listener.storeFailed(error);
    }
    this.#loading = "done";
    this.#takeLoaded(loaded);
    this.#pump();
  }

  /**
   * Queues a message. Resolves with its receipt; rejects when it is refused or the client ends
   * first.
   */
  add(message: OutboxMessage): Promise<SendReceipt> {
    const full =
      this.#entries.size >= outboxMessagesMax || this.#units + message.body.length > outboxUnitsMax;
    if (full) return Promise.reject(fullError());
    return new Promise((resolve, reject) => {
      this.#lastPlace++;
      this.#insert(this.#lastPlace, message, { resolve, reject });
      this.#store(() => this.#options.store.save(message));
      this.#pump();
    });
  }

  /** A session stands: sends what waits. */
  attach(session: Session): void {
    this.#session = session;
    this.#pump();
  }

  /** The session is gone: what was sent and not answered waits again, before everything else. */
  detach(): void {
    this.#session = undefined;
    this.#resume();
    this.#inFlight = 0;
    this.#toFront();
  }

  /**
   * Tells everyone who waits that it will take long. The messages stay and are sent when a session
   * stands again.
   */
  rejectWaiters(error: RejectedError): void {
    for (const entry of this.#entries.values()) {
      entry.waiter?.reject(error);
      entry.waiter = undefined;
    }
  }

  /** Forgets what waits, for another person. It stays in the store, which is the first person's. */
  discard(error: RejectedError): void {
    this.detach();
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    this.#units = 0;
    for (const entry of entries) {
      entry.waiter?.reject(error);
      this.#options.listener.refused(entry.message, error);
    }
    this.#options.listener.changed();
  }

  /** Resolves when the store has done all that it was asked. */
  async settled(): Promise<void> {
    while (this.#storing.size > 0) await Promise.allSettled([...this.#storing]);
  }

  #takeLoaded(loaded: readonly OutboxMessage[]): void {
    const newer = this.#entries;
    const known = new Set([...newer.values()].map((entry) => entry.message.commandId));
    this.#entries = new Map();
    this.#nextPlace = 1;
    // A store may have been fuller than the limit of today; what is too much waits for the next
    // start.
    for (const message of loaded.slice(0, outboxMessagesMax)) {
      if (parseCommandId(message.commandId) === undefined || known.has(message.commandId)) continue;
      this.#insert(this.#entries.size + 1, message, undefined);
    }
    for (const [place, entry] of newer) this.#entries.set(place, entry);
  }

  #insert(place: number, message: OutboxMessage, waiter: Waiter | undefined): void {
    const request = toRequest(message);
    this.#entries.set(place, { message, request, waiter });
    this.#units += message.body.length;
    this.#options.listener.changed();
  }

  #pump(): void {
    const session = this.#session;
    if (session === undefined || this.#loading !== "done") return;
    if (this.#pauseTimer !== undefined || this.#rewind !== undefined) return;
    while (this.#nextPlace <= this.#lastPlace && this.#inFlight < this.#window) {
      const place = this.#nextPlace++;
      const entry = this.#entries.get(place);
      if (entry === undefined) continue;
      if (this.#inFlight === 0) this.#watch();
      this.#inFlight++;
      session.request(entry.request, (body) => this.#handleReply(place, entry, body));
    }
  }

  #handleReply(place: number, entry: Entry, body: ReplyBody): void {
    this.#inFlight--;
    this.#progressMs = this.#options.clock.monotonicMs();
    if (body.case === "sendMessage") {
      this.#refusals = 0;
      this.#window = Math.min(messagesInFlightMax, this.#window + 1);
      const { receipt, roomId, number } = body.value;
      const answer = { ...toReceipt(receipt, entry.message.commandId), roomId, number };
      this.#leave(place, entry);
      entry.waiter?.resolve(answer);
      this.#options.listener.stored(entry.message, answer);
    } else {
      this.#handleRefusal(place, entry, body);
    }
    if (this.#rewind === undefined) this.#pump();
    else if (this.#inFlight === 0) this.#pause(this.#rewind);
  }

  #handleRefusal(place: number, entry: Entry, body: ReplyBody): void {
    const error =
      body.case === "rejected" ? rejectedError(body.value) : unexpectedReplyError(body.case);
    if (error.code === "UNAUTHENTICATED") {
      // It stays: the session ends, and the same person may log in again.
      this.#options.listener.unauthenticated(error);
    } else if (isRetryable(error)) {
      this.#rewind = error;
      this.#window = 1;
    } else {
      this.#leave(place, entry);
      entry.waiter?.reject(error);
      this.#options.listener.refused(entry.message, error);
    }
  }

  #leave(place: number, entry: Entry): void {
    this.#entries.delete(place);
    this.#units -= entry.message.body.length;
    this.#store(() => this.#options.store.remove(entry.message.commandId));
    this.#options.listener.changed();
  }

  /**
   * Waits before sending again from the front. Only when nothing is in flight: so the refused
   * messages keep their place before all that were not sent yet.
   */
  #pause(error: RejectedError): void {
    if (this.#session === undefined) return;
    this.#refusals++;
    const { clock, random, listener } = this.#options;
    const waitMs = Math.max(
      spreadMs(error.retryAfterMs, random.nextFloat()),
      backoffMs({ failures: this.#refusals, freeAttempts: 0, chance: random.nextFloat() }),
    );
    this.#pauseTimer = clock.setTimer(waitMs, () => {
      this.#resume();
      this.#toFront();
      if (this.#refusals % refusalsBeforeSwitch === 0) listener.stuck(error.message);
      this.#pump();
    });
  }

  #resume(): void {
    this.#pauseTimer?.cancel();
    this.#pauseTimer = undefined;
    this.#rewind = undefined;
  }

  #toFront(): void {
    for (const first of this.#entries.keys()) {
      this.#nextPlace = first;
      return;
    }
    this.#nextPlace = this.#lastPlace + 1;
  }

  /** One timer for all that is in flight: looks whether anything was answered meanwhile. */
  #watch(): void {
    const { clock, listener } = this.#options;
    this.#progressMs = clock.monotonicMs();
    if (this.#watchTimer !== undefined) return;
    const look = (): void => {
      this.#watchTimer = undefined;
      if (this.#inFlight === 0) return;
      const restMs = this.#progressMs + messageAnswerTimeoutMs - clock.monotonicMs();
      this.#watchTimer = clock.setTimer(restMs > 0 ? restMs : messageAnswerTimeoutMs, look);
      if (restMs <= 0) listener.stuck("the server answers no messages");
    };
    this.#watchTimer = clock.setTimer(messageAnswerTimeoutMs, look);
  }

  #store(action: () => void | Promise<void>): void {
    const { listener } = this.#options;
    try {
      const done = action();
      if (done === undefined) return;
      const tracked: Promise<void> = done
        .catch((error: unknown) => listener.storeFailed(error))
        .finally(() => this.#storing.delete(tracked));
      this.#storing.add(tracked);
    } catch (error) {
      listener.storeFailed(error);
    }
  }
}

function toRequest(message: OutboxMessage): RequestBody {
  const commandId = assertDefined(parseCommandId(message.commandId), "the message's id");
  const room = toRoomRef(message.room);
  const value = create(SendMessageRequestSchema, { commandId, room, body: message.body });
  return { case: "sendMessage", value };
}

/** A room as the wire names it. */
export function toRoomRef(room: RoomName) {
  return create(RoomRefSchema, {
    room:
      typeof room === "number" ? { case: "roomId", value: room } : { case: "name", value: room },
  });
}

function unexpectedReplyError(kind: string | undefined): RejectedError {
  return new RejectedError({
    code: "UNSPECIFIED",
    message: `The server answered a message with "${kind ?? "nothing"}".`,
  });
}

function fullError(): RejectedError {
  return new RejectedError({
    code: "OVERLOADED",
    message: `The outbox is full (${outboxMessagesMax} messages). Wait until some are stored.`,
    retryAfterMs: 1_000,
  });
}
