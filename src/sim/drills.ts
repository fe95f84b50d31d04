// What is tried at the end of each run, when the cluster is whole and calm: promises on the time
// and the disks of a receipt, which can only be held against a cluster that nothing troubles.
import { create, toBinary } from "@bufbuild/protobuf";
import { commandsPerEntryMax } from "../base/position.ts";
import { CommandSchema } from "../proto/gen/chat/v1/command_pb.js";
import type { ReplicaTimings } from "../replica/index.ts";
import { SafetyViolation } from "./checker.ts";
import type { Cluster } from "./cluster.ts";
import type { ServerId } from "./cluster-event.ts";

/** What drills work with. */
export interface DrillWorld {
  readonly cluster: Cluster;
  readonly timings: ReplicaTimings;
  /** Lets virtual time go on; throws where the condition does not come true in time. */
  until(
    condition: () => boolean,
    bound: { readonly withinMs: number; readonly what: string },
  ): Promise<void>;
}

/** Writes of the drill on disks. */
const storedProbes = 5;

/** A command that changes nothing: the cluster has its key already. */
export function probeCommand(id: number): Uint8Array {
  const command = create(CommandSchema, {
    id: new Uint8Array(16).fill(id),
    body: { case: "initializeCluster", value: { tokenKey: new Uint8Array(32) } },
  });
  return toBinary(CommandSchema, command);
}

/** The drills, on servers that are up and equal. */
export class Drills {
  readonly #world: DrillWorld;

  constructor(world: DrillWorld) {
    this.#world = world;
  }

  async run(servers: readonly ServerId[]): Promise<void> {
    const { cluster, timings } = this.#world;
    if (timings.acks === "live") await this.#storeEverywhere(servers);
    const leader = this.#leaderOf(servers);
    const hung = servers.find((id) => id !== leader);
    const isMajorityLeft = servers.length - 1 > cluster.servers.length / 2;
    if (leader !== undefined && hung !== undefined && isMajorityLeft) {
      await this.#hang(hung, leader);
    }
  }

  /**
   * R5: a receipt waits for the disk of every live server. All are well here, so the leader must
   * come to count them as live, and then wait for each.
   */
  async #storeEverywhere(servers: readonly ServerId[]): Promise<void> {
    const { until, timings } = this.#world;
    await until(() => this.#areLive(servers), {
      withinMs: 4 * timings.liveTimeoutMs,
      what: "the leader counts every server that is well as live",
    });
    for (let probe = 0; probe < storedProbes; probe++) {
      const disks = await this.#probe(servers);
      if (disks === servers.length) continue;
      throw new SafetyViolation(
        "durability-of-acks",
        `a write to ${servers.length} live servers was acknowledged on ${disks} disks`,
      );
    }
  }

  #areLive(servers: readonly ServerId[]): boolean {
    const leader = this.#leaderOf(servers);
    if (leader === undefined) return false;
    const status = this.#world.cluster.server(leader).replica?.status();
    const live = status?.servers.filter((server) => server.live).map(({ replicaId }) => replicaId);
    return servers.every((id) => live?.includes(id));
  }

  /** Writes at the leader; answers on how many disks the write was when it was acknowledged. */
  async #probe(servers: readonly ServerId[]): Promise<number> {
    const { cluster, until, timings } = this.#world;
    const leader = this.#leaderOf(servers) ?? servers[0] ?? 1;
    let disks: number | undefined;
    cluster.server(leader).replica?.propose(probeCommand(leader), (answer) => {
      disks = 0;
      if (answer.kind !== "applied") return;
      const index = Math.floor(answer.position / commandsPerEntryMax);
      for (const id of servers) if (cluster.condition(id).durableIndex >= index) disks += 1;
    });
    const withinMs = timings.proposalTimeoutMs;
    await until(() => disks !== undefined, { withinMs, what: "a write is answered" });
    return disks ?? 0;
  }

  /** R5: a server that hangs delays a write by `liveTimeoutMs` at most. */
  async #hang(hung: ServerId, leader: ServerId): Promise<void> {
    const { cluster, until, timings } = this.#world;
    cluster.pause(hung);
    let isAnswered = false;
    cluster.server(leader).replica?.propose(probeCommand(leader), () => {
      isAnswered = true;
    });
    const { liveTimeoutMs, heartbeatIntervalTicks, tickMs } = timings;
    await until(() => isAnswered, {
      withinMs: liveTimeoutMs + 2 * heartbeatIntervalTicks * tickMs,
      what: "a write is acknowledged beside a server that hangs",
    });
    cluster.resume(hung);
  }

  #leaderOf(servers: readonly ServerId[]): ServerId | undefined {
    return servers.find((id) => this.#world.cluster.server(id).replica?.leads === true);
  }
}
