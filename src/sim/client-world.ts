// What the clients of a simulated cluster have of the world: its clock, chance, the network and the
// addresses that they begin with. Not here: what they do (workload.ts).
import { Random } from "../base/random.ts";
import type { ClientClock, ClientRandom } from "../client/index.ts";
import type { ClientNetwork } from "./client-network.ts";
import type { ServerId } from "./cluster-event.ts";
import { clientAddressOf, serverOfAddress } from "./network-addresses.ts";
import { virtualEpochMs } from "./sim-clock.ts";
import type { VirtualTime } from "./virtual-time.ts";
import type { WorkloadWorld } from "./workload.ts";

/** A client's world, for the workload; clients know the founders and learn of the others. */
export function createClientWorld(parts: {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly clients: ClientNetwork;
  readonly founders: readonly ServerId[];
}): WorkloadWorld {
  const { time, random, clients, founders } = parts;
  const clock: ClientClock = {
    monotonicMs: () => time.nowMs,
    wallMs: () => virtualEpochMs + time.nowMs,
    setTimer: (delayMs, callback) => time.at(delayMs, callback),
    setSoon: (callback) => void time.at(0, callback),
  };
  const chance = new Random(random.nextUint32());
  const clientRandom: ClientRandom = {
    fillBytes: (bytes) => {
      for (let at = 0; at < bytes.length; at++) bytes[at] = chance.nextInteger(0, 256);
    },
    nextFloat: () => chance.nextFloat(),
  };
  return {
    random: new Random(random.nextUint32()),
    clock,
    clientRandom,
    nowNs: () => Math.round(time.nowMs * 1e6),
    addresses: founders.map(clientAddressOf),
    connect: (address, listener) => clients.connect(address, listener),
    transport: (address) => clients.transport(address),
    serverOf: (address) => serverOfAddress(address) ?? 0,
  };
}
