// Faults of the connections between clients and one server, made by that server's proxy.
import type { FaultKind, StrikeContext, StruckFault } from "./fault-kinds.ts";
import type { LinkCondition } from "./link-proxy.ts";
import { drawScaled, drawServer } from "./strike-targets.ts";

const leaderChance = 0.3;

/** Worse connections of clients. */
export const clientFaults = {
  "client-reset": {
    durationMs: { min: 0, max: 0 },
    async strike(context): Promise<StruckFault | undefined> {
      const server = await drawServer(context, leaderChance);
      const count = await context.cluster.clientLink(server).reset();
      if (count === 0) return undefined;
      const text = `${count} connections of clients with server ${server} reset`;
      return { text, end: async () => undefined };
    },
  },

  "client-stall": {
    durationMs: { min: 200, max: 5_000 },
    async strike(context): Promise<StruckFault> {
      const condition = { direction: "both", isHeld: true } as const;
      return await imposeOnClients(context, "stall between clients and", condition);
    },
  },

  "client-stall-one-way": {
    durationMs: { min: 200, max: 5_000 },
    async strike(context): Promise<StruckFault> {
      const direction = context.random.nextBoolean(0.5) ? "forward" : "backward";
      const side = direction === "forward" ? "from clients to" : "to clients of";
      const condition = { direction, isHeld: true } as const;
      return await imposeOnClients(context, `one-way stall ${side}`, condition);
    },
  },

  "client-delay": {
    durationMs: { min: 1_000, max: 8_000 },
    async strike(context): Promise<StruckFault> {
      const delayMs = drawScaled(context.random, { min: 1, max: 300 });
      const condition = { direction: "both", delayMs, jitterMs: delayMs } as const;
      const text = `delay of ${delayMs} to ${2 * delayMs} ms between clients and`;
      return await imposeOnClients(context, text, condition);
    },
  },
} as const satisfies Record<string, FaultKind>;

async function imposeOnClients(
  context: StrikeContext,
  text: string,
  condition: LinkCondition,
): Promise<StruckFault> {
  const { cluster, name } = context;
  const server = await drawServer(context, leaderChance);
  await cluster.clientLink(server).impose(name, condition);
  return {
    text: `${text} server ${server}`,
    end: async () => cluster.clientLink(server).lift(name),
  };
}
