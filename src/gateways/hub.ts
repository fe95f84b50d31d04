// From applied commands to sessions: who is connected, who of them sees an event, and one flush per
// turn for all. An event is encoded once; sessions that see the same events in a turn share the
// same joined frame, so that a delivery costs one socket write and no copy. Who may see an event is
// decided by its audience and not here.
import type { ChatEvent, SessionId, UserId } from "../chat/index.ts";
import type { AppliedCommand } from "../replica/index.ts";
import { type EncodedEvent, encodeEvent, type Frame, packFrames } from "./frames.ts";
import type { GatewayContext } from "./gateway-context.ts";

/** A session stream as the hub sees it. */
export interface Receiver {
  readonly userId: UserId;
  readonly sessionId: SessionId;
  /** Called once a turn for a receiver that has asked for it or has events waiting. */
  flush(): void;
  /** Its log-in session was ended; it sees nothing more. */
  handleSessionEnded(): void;
}

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
  readonly #unsubscribe: () => void;
  #root = new EventRun();
  #due: Seat[] = [];
  #isFlushScheduled = false;
  // Invariant: all events up to here are in a run or have been flushed.
  #position: number;

  constructor(context: GatewayContext) {
    this.#context = context;
    this.#position = context.replica.appliedPosition();
    this.#unsubscribe = context.replica.subscribe((applied) => this.#dispatch(applied));
  }

  /** Stops hearing of applied commands. */
  close(): void {
    this.#unsubscribe();
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
  }

  /** Forgets a receiver; harmless for one that is not there. */
  remove(receiver: Receiver): void {
    const seat = this.#seats.get(receiver);
    if (seat === undefined) return;
    this.#seats.delete(receiver);
    const ofUser = this.#seatsByUser.get(receiver.userId);
    ofUser?.delete(seat);
    if (ofUser?.size === 0) this.#seatsByUser.delete(receiver.userId);
  }

  /**
   * From now on the receiver sees events, those after `afterPosition`, which must be applied
   * already.
   */
  goLive(receiver: Receiver, afterPosition: number): void {
    const seat = this.#seats.get(receiver);
    if (seat !== undefined) seat.liveAfterPosition = afterPosition;
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

  #dispatch(applied: readonly AppliedCommand<unknown, ChatEvent>[]): void {
    for (const { position, events } of applied) {
      for (const chatEvent of events) this.#dispatchEvent(chatEvent, position);
      this.#position = position;
    }
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
