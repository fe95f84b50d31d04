// Messages on their way: each has its id from the start, waits in order, and is sent again under
// that id until a server has stored or refused it, also while an island holds it. So it is stored
// exactly once (K1, R8). Keeping them over a restart is the store's part.
import { type SendMessageResponse, WriteStatus } from "../proto/gen/chat/v1/api_pb.js";
import type { ClientClock, ClientRandom, ClientTimer } from "./clock.ts";
import { isRetryable, RejectedError, rejectedError } from "./errors.ts";
import { parseCommandId } from "./ids.ts";
import {
  mergeWaitMs,
  messageAnswerTimeoutMs,
  messagesInFlightMax,
  outboxMessagesMax,
  outboxUnitsMax,
  refusalsBeforeSwitch,
} from "./limits.ts";
import { createEntry, type Entry, type PendingMessage, rejectWaiters } from "./outbox-entry.ts";
import type { OutboxMessage, OutboxStore } from "./outbox-store.ts";
import { backoffMs, spreadMs } from "./retry.ts";
import type { ReplyBody, Session } from "./session.ts";
import { type HeldReceipt, type SendReceipt, toReceipt } from "./types.ts";

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

/** The messages that are not stored yet. */
export class Outbox {
  readonly #options: OutboxOptions;
  /** By place; places rise by one. Loaded messages come before all that were written since. */
  #entries = new Map<number, Entry>();
  #units = 0;
  #lastPlace = outboxMessagesMax;
  /**
   * The next place to send. Invariant: every entry before it is in flight, is parked, or was
   * refused with `#rewind` set.
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
  /** Whether the server that the session is with is in island mode. */
  #isIsland = false;
  /** Places of messages that were parked at least once, by command id. */
  readonly #awaitingMerge = new Map<string, number>();
  /** Set while parked messages are left to their island for a while, though a majority is back. */
  #mergeTimer: ClientTimer | undefined;
  /** What was written later waits behind what is parked. */
  #isOrderKept = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** How many messages wait. */
  get size(): number {
    return this.#entries.size;
  }

  /** What waits and was not seen in its room, in order. Takes time with its number. */
  pending(): PendingMessage[] {
    const pending: PendingMessage[] = [];
    for (const { message, held, seen } of this.#entries.values()) {
      if (!seen) pending.push({ ...message, held });
    }
    return pending;
  }

  /** Whether any message waits for a majority. */
  get awaitsMerge(): boolean {
    return this.#awaitingMerge.size > 0;
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
   * Queues a message. Resolves when it is stored or held; rejects when it is refused or the client
   * ends first.
   */
  add(message: OutboxMessage): Promise<SendReceipt | HeldReceipt> {
    const full =
      this.#entries.size >= outboxMessagesMax || this.#units + message.body.length > outboxUnitsMax;
    if (full) return Promise.reject(fullError());
    return new Promise((resolve, reject) => {
      this.#lastPlace++;
      this.#insert(this.#lastPlace, message, { waiter: { resolve, reject }, asks: 0 });
      this.#store(() => this.#options.store.save(message));
      this.#pump();
    });
  }

  /**
   * A session stands: sends what waits, also what was held elsewhere. `island`: its server is in
   * island mode.
   */
  attach(session: Session, { island }: { readonly island: boolean }): void {
    this.#session = session;
    this.#isIsland = island;
    this.#reconsiderParked();
    this.#pump();
  }

  /** Island mode has begun or ended on the server of the session. */
  setIsland(island: boolean): void {
    if (this.#isIsland === island) return;
    this.#isIsland = island;
    if (this.#pauseTimer !== undefined) {
      // What was refused for lack of a leader may be taken now.
      this.#resume();
      this.#toFront();
    }
    this.#reconsiderParked();
    this.#pump();
  }

  /**
   * A message of this person's is in its room: committed, but only the server can say that it is on
   * every live disk (R5). So it is asked at once.
   */
  noteMerged(commandId: string): void {
    const place = this.#awaitingMerge.get(commandId);
    const entry = place === undefined ? undefined : this.#entries.get(place);
    if (place === undefined || entry === undefined || entry.seen) return;
    entry.seen = true;
    entry.parked = false;
    this.#nextPlace = Math.min(this.#nextPlace, place);
    this.#options.listener.changed();
    this.#pump();
  }

  /** The session is gone: what was sent and not answered waits again, before everything else. */
  detach(): void {
    this.#session = undefined;
    this.#resume();
    this.#stopMergeWait();
    this.#inFlight = 0;
    this.#toFront();
  }

  /**
   * Tells everyone who waits that it will take long. The messages stay and are sent when a session
   * stands again.
   */
  rejectWaiters(error: RejectedError): void {
    for (const entry of this.#entries.values()) rejectWaiters(entry, error);
  }

  /** Forgets what waits, for another person. It stays in the store, which is the first person's. */
  discard(error: RejectedError): void {
    this.detach();
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    this.#awaitingMerge.clear();
    this.#units = 0;
    for (const entry of entries) {
      rejectWaiters(entry, error);
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
      // An earlier run may have sent it.
      this.#insert(this.#entries.size + 1, message, { waiter: undefined, asks: 1 });
    }
    for (const [place, entry] of newer) this.#entries.set(place, entry);
  }

  #insert(place: number, message: OutboxMessage, how: Pick<Entry, "waiter" | "asks">): void {
    this.#entries.set(place, createEntry(message, how));
    this.#units += message.body.length;
    this.#options.listener.changed();
  }

  #pump(): void {
    const session = this.#session;
    if (session === undefined || this.#loading !== "done") return;
    if (this.#pauseTimer !== undefined || this.#rewind !== undefined) return;
    while (this.#nextPlace <= this.#lastPlace && this.#inFlight < this.#window) {
      const place = this.#nextPlace;
      const entry = this.#entries.get(place);
      if (entry?.parked && this.#isOrderKept) return;
      this.#nextPlace++;
      if (entry === undefined || entry.parked || entry.askedIn === session) continue;
      if (this.#inFlight === 0) this.#watch();
      this.#inFlight++;
      entry.askedIn = session;
      entry.asks++;
      session.request(entry.request, (body) => this.#handleReply(place, entry, body));
    }
  }

  #handleReply(place: number, entry: Entry, body: ReplyBody): void {
    this.#inFlight--;
    this.#progressMs = this.#options.clock.monotonicMs();
    entry.askedIn = undefined;
    if (body.case === "sendMessage") {
      this.#refusals = 0;
      this.#window = Math.min(messagesInFlightMax, this.#window + 1);
      if (body.value.receipt?.status === WriteStatus.HELD) this.#hold(place, entry, body.value);
      else this.#finish(place, entry, body.value);
    } else {
      this.#handleRefusal(place, entry, body);
    }
    if (this.#rewind === undefined) this.#pump();
    else if (this.#inFlight === 0) this.#pause(this.#rewind);
  }

  #finish(place: number, entry: Entry, { receipt, roomId, number }: SendMessageResponse): void {
    const { message } = entry;
    const placed = { ...toReceipt(receipt, message.commandId), roomId, number };
    const answer: SendReceipt = { status: "stored", ...placed };
    this.#leave(place, entry);
    entry.waiter?.resolve(answer);
    entry.storedWaiter?.resolve(answer);
    this.#options.listener.stored(message, answer);
  }

  #hold(place: number, entry: Entry, { receipt, roomId }: SendMessageResponse): void {
    const { commandId } = entry.message;
    if (entry.waiter !== undefined) {
      const { promise: stored, resolve, reject } = Promise.withResolvers<SendReceipt>();
      // Whoever does not listen must not bring the program down.
      stored.catch(() => undefined);
      entry.storedWaiter = { resolve, reject };
      const disks = receipt?.disks ?? 0;
      entry.waiter.resolve({ status: "held", commandId, roomId, disks, stored });
      entry.waiter = undefined;
    }
    entry.held = true;
    this.#park(place, entry);
    this.#options.listener.changed();
  }

  /** Leaves a message alone until a majority is back, or another server may be asked. */
  #park(place: number, entry: Entry): void {
    this.#awaitingMerge.set(entry.message.commandId, place);
    entry.parked = true;
    if (!this.#isIsland) this.#startMergeWait();
  }

  /** What is parked is asked again: at once on an island, after a while where a majority is. */
  #reconsiderParked(): void {
    this.#stopMergeWait();
    if (!this.awaitsMerge) return;
    if (this.#isIsland) {
      this.#unparkAll();
    } else {
      this.#isOrderKept = true;
      this.#startMergeWait();
      this.#toFront();
    }
  }

  #startMergeWait(): void {
    if (this.#mergeTimer !== undefined) return;
    const { clock, random } = this.#options;
    this.#mergeTimer = clock.setTimer(spreadMs(mergeWaitMs, random.nextFloat()), () => {
      this.#stopMergeWait();
      this.#unparkAll();
      this.#pump();
    });
  }

  #stopMergeWait(): void {
    this.#mergeTimer?.cancel();
    this.#mergeTimer = undefined;
    this.#isOrderKept = false;
  }

  #unparkAll(): void {
    for (const place of this.#awaitingMerge.values()) {
      const entry = this.#entries.get(place);
      if (entry !== undefined) entry.parked = false;
    }
    this.#toFront();
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
    } else if (error.code === "NEEDS_MAJORITY" && entry.asks > 1) {
      // This server does not know what an earlier ask came to (chat/SPEC.md IM2); a majority does.
      this.#park(place, entry);
    } else {
      this.#leave(place, entry);
      rejectWaiters(entry, error);
      this.#options.listener.refused(entry.message, error);
    }
  }

  #leave(place: number, entry: Entry): void {
    this.#entries.delete(place);
    this.#awaitingMerge.delete(entry.message.commandId);
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
