// What the kinds of faults share: whom they may strike, what lasts for a time, and how a server
// comes up again. One scene a run. Not here: when something strikes (faults.ts), what it does
// (fault-kinds/).
import { Random } from "../base/random.ts";
import { drawByFactor, drawOne } from "./chance.ts";
import type { ServerId } from "./cluster-event.ts";
import { FaultBudget } from "./fault-budget.ts";
import type { FaultKind } from "./fault-kind.ts";
import type { FaultTarget } from "./fault-target.ts";
import { type Direction, LinkCuts } from "./link-cuts.ts";
import type { Swarm } from "./swarm.ts";

/** What a fault needs while it lasts. */
export interface Claim {
  /** Servers that nobody else strikes meanwhile; they are brought up at the end. */
  readonly servers?: readonly ServerId[];
  /** Directions that are cut meanwhile. */
  readonly cuts?: readonly Direction[];
  /** Another with the same name does not begin meanwhile. */
  readonly name?: string;
  /** Strikes although it leaves no majority that can work. */
  readonly isOutage?: boolean;
}

/** A fault that lasts; it is over by `end`, its own or the plan's. */
export class Episode {
  readonly #target: FaultTarget;
  readonly #endings: (() => void)[] = [];
  #isOver = false;

  constructor(target: FaultTarget) {
    this.#target = target;
  }

  /** Runs the callback later, if the fault still lasts then. */
  after(delayMs: number, callback: () => void): void {
    this.#target.after(delayMs, () => {
      if (!this.#isOver) callback();
    });
  }

  /** Looks every so often, beginning later, until `look` answers true. */
  every(periodMs: number, look: () => boolean): void {
    this.after(periodMs, () => {
      if (!look()) this.every(periodMs, look);
    });
  }

  endAfter(delayMs: number): void {
    this.after(delayMs, () => this.end());
  }

  /** Runs the callback at the end; the last one given runs first. */
  onEnd(callback: () => void): void {
    this.#endings.push(callback);
  }

  /** Undoes everything, once. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const ending of this.#endings.reverse()) ending();
  }
}

/** Everything that faults of a run have to do with. */
export class FaultScene {
  readonly target: FaultTarget;
  readonly swarm: Swarm;
  readonly random: Random;
  readonly budget: FaultBudget;
  readonly cuts: LinkCuts;
  /** How often each kind has struck. */
  readonly counts: Record<string, number> = {};
  /** Servers whose disk may still be told to fail; it forgets that when the process ends. */
  readonly armed = new Set<ServerId>();
  /** In how many looks of the watch, one after the other, each server was up. */
  readonly steadiness = new Map<ServerId, number>();
  /** The faults have stopped for good. */
  isOver = false;
  readonly #claimed = new Set<ServerId>();
  readonly #names = new Set<string>();
  readonly #episodes = new Set<Episode>();
  /** Servers that must not simply be started, with what is done instead. */
  readonly #starts = new Map<ServerId, () => void>();

  constructor(target: FaultTarget, swarm: Swarm) {
    this.target = target;
    this.swarm = swarm;
    // Of its own, so that what others draw does not change what strikes.
    this.random = new Random(target.random.nextUint32());
    this.budget = new FaultBudget(target);
    this.cuts = new LinkCuts(() => target.voterSets(), target.links);
  }

  /** The longest that a follower waits for its leader: the measure of all durations. */
  get electionMs(): number {
    const { tickMs, electionTimeoutTicksMax } = this.swarm.timings;
    return tickMs * electionTimeoutTicksMax;
  }

  /** How long something lasts. */
  drawEpisodeMs(): number {
    const { episodeMsMin: min, episodeMsMax: max } = this.swarm.strengths;
    return drawByFactor(this.random, { min, max: Math.max(min, max) });
  }

  count(kind: FaultKind): void {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
  }

  // ---- Whom to strike ---------------------------------------------------------------------------

  isFree(server: ServerId): boolean {
    return !this.#claimed.has(server);
  }

  /** Servers that run and that no other fault has in its hands. */
  running(): ServerId[] {
    return this.target.servers.filter(
      (server) => this.isFree(server) && this.target.condition(server).up,
    );
  }

  /** One of `running`. */
  drawRunning(): ServerId | undefined {
    return drawOne(this.random, this.running());
  }

  /** One of `running` with a good copy. */
  drawGood(): ServerId | undefined {
    const good = this.running().filter((server) => !this.budget.isDestroyed(server));
    return drawOne(this.random, good);
  }

  /** One of `running` that takes full part. */
  drawWhole(): ServerId | undefined {
    const whole = this.running().filter((server) => this.target.condition(server).isWhole);
    return drawOne(this.random, whole);
  }

  // ---- What lasts -------------------------------------------------------------------------------

  /** Begins something that lasts; undefined where it must not be now. */
  begin(claim: Claim): Episode | undefined {
    const { servers = [], cuts = [], name, isOutage = false } = claim;
    if (servers.some((server) => this.#claimed.has(server))) return undefined;
    if (name !== undefined && this.#names.has(name)) return undefined;
    if (!isOutage && !this.isAllowed(claim)) return undefined;
    const episode = new Episode(this.target);
    this.#episodes.add(episode);
    for (const server of servers) this.#claimed.add(server);
    if (name !== undefined) this.#names.add(name);
    for (const direction of cuts) this.cuts.cut(direction);
    episode.onEnd(() => {
      this.#episodes.delete(episode);
      for (const direction of cuts) this.cuts.mend(direction);
      if (name !== undefined) this.#names.delete(name);
      for (const server of servers) this.#claimed.delete(server);
      for (const server of servers) this.bringUp(server);
    });
    return episode;
  }

  /** Ends everything that lasts, in the order in which it began. */
  endAll(): void {
    for (const episode of [...this.#episodes]) episode.end();
  }

  /**
   * Whether what can work while this lasts is a majority; in the run's share of outages, true
   * anyway.
   */
  isAllowed({ servers = [], cuts = [] }: Claim): boolean {
    if (servers.length + cuts.length === 0) return true;
    const usable = this.target.servers.filter(
      (server) =>
        this.isFree(server) && !this.budget.isDestroyed(server) && !servers.includes(server),
    );
    if (this.cuts.leavesMajority(usable, cuts)) return true;
    return this.random.nextBoolean(this.swarm.outageShare);
  }

  // ---- Down and up ------------------------------------------------------------------------------

  kill(server: ServerId): void {
    this.target.kill(server);
    this.handleDown(server);
  }

  losePower(server: ServerId): void {
    this.target.losePower(server);
    this.handleDown(server);
  }

  /** One of both. */
  takeDown(server: ServerId): void {
    if (this.random.nextBoolean(0.5)) this.kill(server);
    else this.losePower(server);
  }

  /** What was armed in its process is over. To be told where a server is found down. */
  handleDown(server: ServerId): void {
    this.armed.delete(server);
    this.steadiness.set(server, 0);
  }

  /** The server runs when it can. */
  bringUp(server: ServerId): void {
    this.target.resume(server);
    if (this.target.condition(server).up) return;
    const start = this.#starts.get(server);
    if (start !== undefined) start();
    else this.target.start(server);
  }

  /** `start` is called whenever this server, which is down, would be started. */
  startInstead(server: ServerId, start: () => void): void {
    this.#starts.set(server, start);
  }

  startAsUsual(server: ServerId): void {
    this.#starts.delete(server);
  }

  mayStartAsUsual(server: ServerId): boolean {
    return !this.#starts.has(server);
  }

  /** The server goes down, and has an empty folder from now on. */
  empty(server: ServerId): void {
    if (this.target.condition(server).up) this.kill(server);
    this.budget.destroy(server);
    this.target.emptyDisk(server);
    this.startAsUsual(server);
  }
}
