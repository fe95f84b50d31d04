// From applied commands and held items to sessions: who is connected, who of them sees an event,
// and one flush per turn for all. An event is encoded once; sessions that see the same events in a
// turn share the same joined frame, so that a delivery costs one socket write and no copy. Who may
// see an event is decided by its audience and not here.
import type { Audience, ChatEvent, ChatOutcome, SessionId, UserId } from "../chat/index.ts";
import type { HeldItem } from "../proto/gen/cluster/v1/peer_pb.js";
import type { AppliedCommand, IslandChange } from "../replica/index.ts";
import { type EncodedEvent, encodeEvent, encodeNotice, type Frame, packFrames } from "./frames.ts";
import type { GatewayContext } from "./gateway-context.ts";
import { type HeldBoard, isSeenBy } from "./held-board.ts";
import { TurnQueue } from "./turn-queue.ts";

/** A session stream as the hub sees it. */
export interface Receiver {
  readonly userId: UserId;
  readonly sessionId: SessionId;
  /** Called once a turn for a receiver that has asked for it or has events waiting. */
  flush(): void;
  /** Its log-in session was ended; it sees nothing more. */
  handleSessionEnded(): void;
  /** An encoded notice for everybody. */
  handleNotice(notice: Uint8Array): void;
  /** Bytes that its client has not taken yet. */
  queuedBytes(): number;
  /** Its session was opened on an island and has no id of its own yet. */
  readonly isOfIsland: boolean;
  /** The log-in of an island may have been merged, or refused. */
  handleIslandMerged(): void;
}

/** Held items that are given to one session in one turn. */
const heldSliceItems = 128;
/** How long a session that does not read waits for more of them. */
const heldPauseMs = 20;

/**
 * The events of one turn up to a point, as a path from the root of a tree: receivers that saw the
 * same events stand on the same node. Only the newest child is remembered, since all receivers of
 * an event take their step while that event is dispatched.
 */
export class EventRun {
  readonly #parent: EventRun | undefined;
  readonly #event: EncodedEvent | undefined;
  #newestChild: EventRun | undefined;
  #frames: readonly Frame[] | undefined;

  constructor(parent?: EventRun, event?: EncodedEvent) {
    this.#parent = parent;
    this.#event = event;
  }

  /** The run that continues this one with `event`. */
  next(event: EncodedEvent): EventRun {
    let child = this.#newestChild;
    if (child === undefined || child.#event !== event) {
      child = new EventRun(this, event);
      this.#newestChild = child;
    }
    return child;
  }

  /** The events, oldest first. */
  events(): EncodedEvent[] {
    const events: EncodedEvent[] = [];
    let run: EventRun | undefined = this;
    while (run !== undefined) {
      if (run.#event !== undefined) events.push(run.#event);
      run = run.#parent;
    }
    return events.reverse();
  }

  /**
   * The run as finished frames, joined at the first call and shared by all who call later in the
   * turn.
   */
  frames(join: (events: EncodedEvent[]) => Frame[]): readonly Frame[] {
    this.#frames ??= join(this.events());
    return this.#frames;
  }
}

/** What the hub knows of one receiver. */
class Seat {
  readonly receiver: Receiver;
  /**
   * Events up to this position have reached it by replay. Infinite while it takes no live events.
   */
  liveAfterPosition = Number.POSITIVE_INFINITY;
  /** What it has seen in this turn. */
  run: EventRun | undefined;
  /** Held items that it has yet to be given, before any newer ones. */
  heldBacklog: HeldItem[] = [];
  isFlushDue = false;

  constructor(receiver: Receiver) {
    this.receiver = receiver;
  }
}

/** Delivers events to open sessions. One for each gateway. */
export class Hub {
  readonly #context: GatewayContext;
  readonly #seats = new Map<Receiver, Seat>();
  // By user, since audiences name users. No empty set is kept.
  readonly #seatsByUser = new Map<UserId, Set<Seat>>();
  /** Those whose log-in is held by an island. */
  readonly #ofIsland = new Set<Receiver>();
  readonly #board: HeldBoard;
  readonly #heldTurns: TurnQueue;
  readonly #unsubscribe: readonly (() => void)[];
  #root = new EventRun();
  #due: Seat[] = [];
  #isFlushScheduled = false;
  #isMergeCheckScheduled = false;
  // Invariant: all events up to here are in a run or have been flushed.
  #position: number;

  constructor(context: GatewayContext, board: HeldBoard) {
    const { clock, limits, replica, island } = context;
    this.#context = context;
    this.#board = board;
    this.#heldTurns = new TurnQueue({
      clock,
      turnMs: limits.queryTurnMs,
      waitingMax: limits.queriesWaitingMax,
    });
    this.#position = replica.appliedPosition();
    this.#unsubscribe = [
      replica.subscribe((applied) => this.#dispatch(applied)),
      island.subscribeIsland((change) => this.#handleIsland(change)),
    ];
  }

  /** Stops hearing of applied commands and islands. */
  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  /** Tells everybody. */
  notifyAll(notice: Uint8Array): void {
    for (const { receiver } of [...this.#seats.values()]) receiver.handleNotice(notice);
  }

  /**
   * Lets a receiver in: from now on it hears that its log-in session was ended, but sees no events
   * yet.
   */
  add(receiver: Receiver): void {
    const seat = new Seat(receiver);
    this.#seats.set(receiver, seat);
    const ofUser = this.#seatsByUser.get(receiver.userId);
    if (ofUser === undefined) this.#seatsByUser.set(receiver.userId, new Set([seat]));
    else ofUser.add(seat);
    if (receiver.isOfIsland) this.#ofIsland.add(receiver);
  }

  /** Forgets a receiver; harmless for one that is not there. */
  remove(receiver: Receiver): void {
    const seat = this.#seats.get(receiver);
    if (seat === undefined) return;
    this.#seats.delete(receiver);
    this.#ofIsland.delete(receiver);
    const ofUser = this.#seatsByUser.get(receiver.userId);
    ofUser?.delete(seat);
    if (ofUser?.size === 0) this.#seatsByUser.delete(receiver.userId);
  }

  /**
   * From now on the receiver sees events, those after `afterPosition`, which must be applied
   * already, and everything that is held.
   */
  goLive(receiver: Receiver, afterPosition: number): void {
    const seat = this.#seats.get(receiver);
    if (seat === undefined) return;
    seat.liveAfterPosition = afterPosition;
    seat.heldBacklog = [...this.#context.island.heldItems()];
    this.#feedHeld(seat);
  }

  /** Makes sure that the receiver is flushed at the end of this turn. */
  requestFlush(receiver: Receiver): void {
    const seat = this.#seats.get(receiver);
    if (seat !== undefined) this.#makeDue(seat);
  }

  /** Takes the events that wait for a receiver: it must send all or none. For use in `flush`. */
  takeRun(receiver: Receiver): EventRun | undefined {
    const seat = this.#seats.get(receiver);
    const run = seat?.run;
    if (seat !== undefined) seat.run = undefined;
    return run;
  }

  /**
   * Where a live receiver resumes that has got everything so far; undefined for one that takes no
   * events.
   */
  cursorPosition(receiver: Receiver): number | undefined {
    const liveAfter = this.#seats.get(receiver)?.liveAfterPosition ?? Number.POSITIVE_INFINITY;
    return Number.isFinite(liveAfter) ? Math.max(liveAfter, this.#position) : undefined;
  }

  /** The frames of a run that nothing else is sent with; the same for everybody on the same run. */
  sharedFrames(run: EventRun): readonly Frame[] {
    return run.frames((events) =>
      packFrames({
        replies: [],
        events,
        endPosition: this.#position,
        clusterId: this.#context.replica.clusterId(),
        frameBytesTarget: this.#context.limits.frameBytesTarget,
      }),
    );
  }

  #dispatch(applied: readonly AppliedCommand<ChatOutcome, ChatEvent>[]): void {
    let mayMergeLogIns = false;
    for (const { position, events, outcome } of applied) {
      for (const chatEvent of events) this.#dispatchEvent(chatEvent, position);
      this.#position = position;
      mayMergeLogIns ||= outcome.kind === "rejected" || outcome.answer.kind === "sessionOpened";
    }
    if (mayMergeLogIns) this.#checkMergesSoon();
  }

  #dispatchEvent(chatEvent: ChatEvent, position: number): void {
    const { audience, event } = chatEvent;
    if (event.body.case === "sessionEnded" && audience.kind === "users") {
      for (const userId of audience.users) this.#endSession(userId, event.body.value.sessionId);
      return;
    }
    let encoded: EncodedEvent | undefined;
    const give = (seat: Seat) => {
      if (position <= seat.liveAfterPosition) return;
      encoded ??= encodeEvent(event, position);
      seat.run = (seat.run ?? this.#root).next(encoded);
      this.#makeDue(seat);
    };
    this.#eachSeat(audience, give);
  }

  #eachSeat(audience: Audience, give: (seat: Seat) => void): void {
    if (audience.kind === "everyone") {
      for (const seat of this.#seats.values()) give(seat);
    } else if (audience.users.size <= this.#seatsByUser.size) {
      for (const userId of audience.users) this.#seatsByUser.get(userId)?.forEach(give);
    } else {
      for (const [userId, seats] of this.#seatsByUser) {
        if (audience.users.has(userId)) seats.forEach(give);
      }
    }
  }

  #handleIsland(change: IslandChange): void {
    if (change.kind === "held") {
      for (const item of change.items) this.#dispatchHeld(item);
      return;
    }
    const servers = change.kind === "opened" ? change.servers : 0;
    const value = { open: change.kind === "opened", servers };
    this.notifyAll(encodeNotice({ case: "island", value }));
  }

  #dispatchHeld(item: HeldItem): void {
    const view = this.#board.view(item);
    if (view === undefined) return;
    this.#eachSeat(view.audience, (seat) => {
      if (!Number.isFinite(seat.liveAfterPosition)) return;
      if (seat.heldBacklog.length > 0) seat.heldBacklog.push(item);
      else this.#giveHeld(seat, view.event);
    });
  }

  #giveHeld(seat: Seat, event: EncodedEvent): void {
    seat.run = (seat.run ?? this.#root).next(event);
    this.#makeDue(seat);
  }

  /** Gives what was held before in slices, as fast as the client reads. */
  #feedHeld(seat: Seat): void {
    if (seat.heldBacklog.length === 0 || !this.#seats.has(seat.receiver)) return;
    const { clock, limits } = this.#context;
    const isReading = seat.receiver.queuedBytes() <= limits.frameBytesTarget;
    if (isReading && this.#heldTurns.add(() => this.#feedHeldSlice(seat))) return;
    clock.setTimer(heldPauseMs, () => this.#feedHeld(seat));
  }

  #feedHeldSlice(seat: Seat): void {
    if (!this.#seats.has(seat.receiver)) return;
    let bytes = 0;
    let items = 0;
    for (const item of seat.heldBacklog) {
      if (items === heldSliceItems || bytes > this.#context.limits.frameBytesTarget) break;
      items += 1;
      const view = this.#board.view(item);
      if (view === undefined || !isSeenBy(view.audience, seat.receiver.userId)) continue;
      bytes += view.event.bytes.length;
      this.#giveHeld(seat, view.event);
    }
    seat.heldBacklog = seat.heldBacklog.slice(items);
    // What was given is sent first, so that it counts among what the client has yet to read.
    this.#context.clock.setSoon(() => this.#feedHeld(seat));
  }

  /** Not at once: the replica may still count as held what it is telling of. */
  #checkMergesSoon(): void {
    if (this.#isMergeCheckScheduled || this.#ofIsland.size === 0) return;
    this.#isMergeCheckScheduled = true;
    this.#context.clock.setSoon(() => {
      this.#isMergeCheckScheduled = false;
      for (const receiver of [...this.#ofIsland]) {
        receiver.handleIslandMerged();
        if (!receiver.isOfIsland) this.#ofIsland.delete(receiver);
      }
    });
  }

  #endSession(userId: UserId, sessionId: number): void {
    for (const seat of [...(this.#seatsByUser.get(userId) ?? [])]) {
      if (seat.receiver.sessionId === sessionId) seat.receiver.handleSessionEnded();
    }
  }

  #makeDue(seat: Seat): void {
    if (seat.isFlushDue) return;
    seat.isFlushDue = true;
    this.#due.push(seat);
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    this.#context.clock.setSoon(() => this.#flush());
  }

  #flush(): void {
    this.#isFlushScheduled = false;
    const due = this.#due;
    this.#due = [];
    this.#root = new EventRun();
    for (const seat of due) {
      seat.isFlushDue = false;
      if (this.#seats.has(seat.receiver)) seat.receiver.flush();
    }
  }
}
