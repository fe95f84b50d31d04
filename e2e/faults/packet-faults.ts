// Packets between servers that disappear, by rules of nft in the servers' network namespaces.
// Unlike at a proxy, what disappears are packets: also TCP's acknowledgements of the other
// direction.
import type { Way } from "./fault-cluster.ts";
import type { FaultKind, StrikeContext, StruckFault } from "./fault-kinds.ts";
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

/** Packets that disappear. */
export const packetFaults = {
  "packet-cut-one-way": {
    needs: "namespaces",
    serversMin: 2,
    durationMs: { min: 300, max: 6_000 },
    async strike(context): Promise<StruckFault> {
      const { cluster, random } = context;
      const isOneLink = random.nextBoolean(0.5);
      const side = random.nextBoolean(0.5) ? waysFrom : waysTo;
      const server = await drawServer(context);
      const ways = isOneLink ? [drawWay(context)] : side(cluster, server);
      return await dropPackets(context, { ways, percent: 100, what: "one-way cut" });
    },
  },

  "packet-cut": {
    needs: "namespaces",
    serversMin: 2,
    durationMs: { min: 300, max: 6_000 },
    async strike(context): Promise<StruckFault> {
      const { cluster, random } = context;
      const isOneLink = random.nextBoolean(0.5);
      const server = await drawServer(context);
      const ways = isOneLink ? bothWays(drawWay(context)) : waysAround(cluster, server);
      return await dropPackets(context, { ways, percent: 100, what: "cut" });
    },
  },

  "packet-loss": {
    needs: "packet-chance",
    serversMin: 2,
    durationMs: { min: 1_000, max: 8_000 },
    async strike(context): Promise<StruckFault> {
      const { cluster, random } = context;
      const percent = drawScaled(random, { min: 1, max: 40 });
      const server = await drawServer(context);
      const ways = random.nextBoolean(0.5) ? [drawWay(context)] : waysAround(cluster, server);
      return await dropPackets(context, { ways, percent, what: `loss of ${percent} %` });
    },
  },
} as const satisfies Record<string, FaultKind>;

async function dropPackets(
  { cluster, name }: StrikeContext,
  fault: { readonly ways: readonly Way[]; readonly percent: number; readonly what: string },
): Promise<StruckFault> {
  const { ways, percent, what } = fault;
  const network = cluster.network;
  if (network === undefined) throw new Error("this cluster has no network of its own");
  await network.impose(
    name,
    ways.map((way) => ({ ...way, percent })),
  );
  return { text: `${what} of packets ${describeWays(ways)}`, end: () => network.lift(name) };
}
