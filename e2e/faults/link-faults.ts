// Faults of the connections between servers, made by the proxies, one way at a time. A proxy cannot
// lose bytes of a TCP stream, and no program would see it if it could: what a lossy network looks
// like from above TCP are stalls of a retransmission time-out each, and now and then a reset. That
// is what "link-loss" makes; packet-faults.ts loses packets in earnest, where the machine permits.
import type { Random } from "../../src/base/random.ts";
import type { FaultCluster, Way } from "./fault-cluster.ts";
import type { FaultKind, StrikeContext, StruckFault } from "./fault-kinds.ts";
import type { LinkCondition } from "./link-proxy.ts";
import {
  bothWays,
  describeWays,
  drawScaled,
  drawServer,
  drawWay,
  waysAround,
  waysFrom,
  waysTo,
} from "./strike-targets.ts";

/** The first retransmission of TCP comes after about this long, ms; each further one doubles it. */
const retransmissionMs = 200;
const retransmissionsMax = 3;
const resetChance = 0.2;

type Condition = Omit<LinkCondition, "direction">;

/** Worse connections between servers. */
export const linkFaults = {
  "link-delay": {
    serversMin: 2,
    durationMs: { min: 1_000, max: 8_000 },
    async strike(context): Promise<StruckFault> {
      const { random } = context;
      const delayMs = drawScaled(random, { min: 1, max: 150 });
      const jitterMs = drawScaled(random, { min: 1, max: 150 });
      const ways = await drawWays(context);
      const struck = await imposeOn(context, ways, { delayMs, jitterMs });
      return { ...struck, text: `delay of ${delayMs} to ${delayMs + jitterMs} ms ${struck.text}` };
    },
  },

  "link-loss": {
    serversMin: 2,
    durationMs: { min: 1_000, max: 6_000 },
    async strike(context): Promise<StruckFault> {
      const way = drawWay(context);
      const meanGapMs = drawScaled(context.random, { min: 50, max: 1_000 });
      const loss = new Loss(context, way, meanGapMs);
      loss.start();
      return {
        text: `loss about every ${meanGapMs} ms, as stalls and resets, ${describeWays([way])}`,
        end: () => loss.stop(),
      };
    },
  },

  "link-stall": {
    serversMin: 2,
    durationMs: { min: 200, max: 4_000 },
    async strike(context): Promise<StruckFault> {
      const struck = await imposeOn(context, bothWays(drawWay(context)), { isHeld: true });
      return { ...struck, text: `stall ${struck.text}` };
    },
  },

  "link-stall-one-way": {
    serversMin: 2,
    durationMs: { min: 200, max: 5_000 },
    async strike(context): Promise<StruckFault> {
      const { cluster, random } = context;
      const isOneLink = random.nextBoolean(0.5);
      const server = await drawServer(context);
      const side = random.nextBoolean(0.5) ? waysFrom : waysTo;
      const ways = isOneLink ? [drawWay(context)] : side(cluster, server);
      const struck = await imposeOn(context, ways, { isHeld: true });
      return { ...struck, text: `one-way stall ${struck.text}` };
    },
  },

  /** Nothing passes, and what was connected is reset when it does again. */
  "link-cut": {
    serversMin: 2,
    durationMs: { min: 300, max: 6_000 },
    async strike(context): Promise<StruckFault> {
      const ways = await drawWays(context);
      const struck = await imposeOn(context, ways, { isHeld: true });
      return {
        text: `cut ${struck.text}`,
        async end() {
          for (const way of ways) await context.cluster.resetConnections(way);
          await struck.end();
        },
      };
    },
  },

  "link-reset": {
    serversMin: 2,
    durationMs: { min: 0, max: 0 },
    async strike(context): Promise<StruckFault | undefined> {
      const way = drawWay(context);
      const count = await context.cluster.resetConnections(way);
      if (count === 0) return undefined;
      const text = `${count} connections reset between servers ${way.from} and ${way.to}`;
      return { text, end: async () => undefined };
    },
  },
} as const satisfies Record<string, FaultKind>;

/** Both directions of one link, or of all links of a server. */
async function drawWays(context: StrikeContext): Promise<Way[]> {
  const { cluster, random } = context;
  const isOneLink = random.nextBoolean(0.5);
  const way = drawWay(context);
  const server = await drawServer(context);
  return isOneLink ? bothWays(way) : waysAround(cluster, server);
}

async function imposeOn(
  { cluster, name }: StrikeContext,
  ways: readonly Way[],
  condition: Condition,
): Promise<StruckFault> {
  for (const way of ways) await cluster.imposeOnWay(name, way, condition);
  return {
    text: describeWays(ways),
    async end() {
      for (const way of ways) await cluster.liftFromWay(name, way);
    },
  };
}

/** Loses something one way, again and again, until it is stopped. */
class Loss {
  readonly #cluster: FaultCluster;
  readonly #random: Random;
  readonly #name: string;
  readonly #way: Way;
  readonly #meanGapMs: number;
  #timer: NodeJS.Timeout | undefined;
  /** The step that is under way. */
  #step: Promise<void> = Promise.resolve();
  #isOver = false;

  constructor({ cluster, random, name }: StrikeContext, way: Way, meanGapMs: number) {
    this.#cluster = cluster;
    this.#random = random;
    this.#name = name;
    this.#way = way;
    this.#meanGapMs = meanGapMs;
  }

  start(): void {
    this.#step = this.#lose();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#timer);
    // Lifted before it is whole, the rest of it would stay.
    await this.#step;
    await this.#cluster.liftFromWay(this.#name, this.#way);
  }

  async #lose(): Promise<void> {
    const doublings = this.#random.nextInteger(0, retransmissionsMax);
    const isReset = this.#random.nextBoolean(resetChance);
    await this.#cluster.imposeOnWay(this.#name, this.#way, { isHeld: true });
    this.#wait(retransmissionMs * 2 ** doublings, async () => {
      if (isReset) await this.#cluster.resetConnections(this.#way);
      await this.#cluster.liftFromWay(this.#name, this.#way);
      const gapMs = -Math.log(1 - this.#random.nextFloat()) * this.#meanGapMs;
      this.#wait(gapMs, () => this.#lose());
    });
  }

  #wait(delayMs: number, then: () => Promise<void>): void {
    if (this.#isOver) return;
    this.#timer = setTimeout(() => {
      this.#step = then();
    }, delayMs);
  }
}
