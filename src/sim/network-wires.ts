// All connections of one network: opens them, gives up those whose other side is silent, and ends
// those of a process that died. What travels over them is the owners' matter.
import type { Random } from "../base/random.ts";
import type { Death, ServerId } from "./cluster-event.ts";
import type { NetworkTime, Route } from "./network-route.ts";
import { type AcceptWire, WireEnd, type WireLife, type WireListener } from "./network-wire.ts";

/** Who begins a connection, and with whom. */
export interface WireOpening<Payload> {
  readonly from: {
    /** 0 for a client. */
    readonly server: ServerId;
    /** Undefined for a client, which never dies. */
    readonly life: WireLife | undefined;
    readonly listener: WireListener<Payload>;
  };
  readonly to: ServerId;
  readonly there: Route;
  readonly back: Route;
  readonly accept: AcceptWire<Payload>;
}

/** How long both sides of a connection between the same two machines take to be told of a break. */
const toldWithinMs = 2;

/** The connections of one network. */
export class Wires<Payload> {
  readonly #time: NetworkTime;
  readonly #random: Random;
  readonly #pingIntervalMs: number;
  /** Both ends of each connection that is not over on both sides, in the order of opening. */
  readonly #ends = new Set<WireEnd<Payload>>();
  #isAuditing = false;

  constructor(options: {
    readonly time: NetworkTime;
    readonly random: Random;
    readonly pingIntervalMs: number;
  }) {
    this.#time = options.time;
    this.#random = options.random;
    this.#pingIntervalMs = options.pingIntervalMs;
  }

  /** Ends that are not over. */
  get ends(): number {
    return this.#ends.size;
  }

  /** Begins a connection; nothing has left when it answers. Answers the caller's end. */
  open(opening: WireOpening<Payload>): WireEnd<Payload> {
    const { from, to, there, back, accept } = opening;
    const caller = this.#createEnd(from.server, there, accept);
    const callee = this.#createEnd(to, back, accept);
    WireEnd.join(caller, callee);
    caller.bind(from.life, from.listener);
    this.#audit();
    return caller;
  }

  /** Has this end given up by its own side when the other is silent for longer than that. */
  watch(end: WireEnd<Payload>, silenceMsMin: number, silenceMsMax: number): void {
    end.silenceMsMax = silenceMsMin + this.#random.nextFloat() * (silenceMsMax - silenceMsMin);
  }

  /** The process at this machine is no more. */
  handleDeath(server: ServerId, how: Death): void {
    for (const end of [...this.#ends]) {
      if (end.server !== server || (!end.open && !end.other.open)) continue;
      if (how === "powerLost") end.vanish();
      else if (end.open) end.close("the connection was reset", "drop");
    }
  }

  /** A process comes to be at this machine, which denies all connections from before. */
  handleBirth(server: ServerId): void {
    for (const end of [...this.#ends]) {
      if (end.server !== server) continue;
      this.#time.at(this.#random.nextFloat() * this.#pingIntervalMs, () => end.disown());
    }
  }

  /** Breaks all connections that `chosen` picks by their calling end; both sides are told soon. */
  break(chosen: (caller: WireEnd<Payload>) => boolean): void {
    for (const end of [...this.#ends]) {
      if (!chosen(end)) continue;
      const tell = end.inLife(() => end.fail("the connection was reset"));
      this.#time.at(this.#random.nextFloat() * toldWithinMs, tell);
    }
  }

  #createEnd(server: ServerId, route: Route, accept: AcceptWire<Payload>): WireEnd<Payload> {
    const end: WireEnd<Payload> = new WireEnd<Payload>({
      time: this.#time,
      random: this.#random,
      server,
      route,
      accept,
      handleOver: () => this.#ends.delete(end),
    });
    this.#ends.add(end);
    return end;
  }

  /** One look at all connections an interval stands for the pings on each. */
  #audit(): void {
    if (this.#isAuditing) return;
    this.#isAuditing = true;
    this.#time.at(this.#pingIntervalMs, () => {
      this.#isAuditing = false;
      for (const end of [...this.#ends]) this.#ping(end);
      if (this.#ends.size > 0) this.#audit();
    });
  }

  #ping(end: WireEnd<Payload>): void {
    // For the case that nobody told of the death.
    if (end.open && end.dead) end.close("the connection was reset", "drop");
    if (!end.open || end.silenceMsMax === Number.POSITIVE_INFINITY) return;
    const { nowMs } = this.#time;
    if (end.heard || !end.awake) {
      end.answeredMs = nowMs;
    } else if (nowMs - end.answeredMs > end.silenceMsMax) {
      // Not from inside the walk, and not on all at the same moment.
      const giveUp = end.inLife(() => {
        if (!end.heard) end.fail("no answer to a ping");
      });
      end.answeredMs = nowMs;
      this.#time.at(this.#random.nextFloat() * (this.#pingIntervalMs / 4), giveUp);
    }
  }
}
