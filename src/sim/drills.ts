// What is tried at the end of each run, when the cluster is whole and calm: promises on the time
// and the disks of a receipt, which can only be held against a cluster that nothing troubles; that
// all states are equal; and that damage on all servers at once, each time in another place, loses
// nothing (product row S5).
import { create, toBinary } from "@bufbuild/protobuf";
import { commandsPerEntryMax } from "../base/position.ts";
import { CommandSchema } from "../proto/gen/chat/v1/command_pb.js";
import type { ReplicaTimings } from "../replica/index.ts";
import { SafetyViolation } from "./checker.ts";
import type { Cluster } from "./cluster.ts";
import type { ServerId } from "./cluster-event.ts";
import { destroyingKinds } from "./fault-kind.ts";
import type { Swarm } from "./swarm.ts";

/** What drills work with. */
export interface DrillWorld {
  readonly cluster: Cluster;
  readonly swarm: Swarm;
  /** Lets virtual time go on; throws where the condition does not come true in time. */
  until(
    condition: () => boolean,
    bound: { readonly withinMs: number; readonly what: string },
  ): Promise<void>;
  /** Lets it go on until all members take full part. */
  becomeWhole(): Promise<void>;
}

/** Writes of the drill on disks. */
const storedProbes = 5;
/** How long a checkpoint may take that everybody takes, in election time-outs besides. */
const checkpointMs = 30_000;
const checkpointElections = 20;
/** Where damage is done when it is done to all servers at once: one place for each. */
const places = ["log/", "state", "snapshots/", "vote", "identity"] as const;

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

  get #timings(): ReplicaTimings {
    return this.#world.swarm.timings;
  }

  get #servers(): readonly ServerId[] {
    return this.#world.cluster.servers;
  }

  async run(): Promise<void> {
    const { cluster, swarm } = this.#world;
    await this.#compareStates();
    if (this.#timings.acks === "live") await this.#storeEverywhere();
    const leader = this.#leader;
    const hung = this.#servers.find((id) => id !== leader);
    if (leader !== undefined && hung !== undefined && this.#isMajorityWithout(hung)) {
      await this.#hang(hung, leader);
    }
    const voters = cluster.voterSets()[0] ?? [];
    const isDamaging = swarm.faults.some((kind) => destroyingKinds.includes(kind));
    if (isDamaging && voters.length >= 3) await this.#damageAll();
  }

  /** S5: after a checkpoint all states have one digest, and it is told. */
  async #compareStates(): Promise<void> {
    const { cluster, until, becomeWhole } = this.#world;
    const { tickMs, electionTimeoutTicksMax } = this.#timings;
    let index = 0;
    let isAsked = false;
    const ask = () => {
      isAsked = true;
      const leader = cluster.server(this.#leader ?? this.#servers[0] ?? 1).replica;
      leader?.admin.takeCheckpoint((answer) => {
        isAsked = false;
        if (answer.kind !== "done") return;
        index = answer.snapshot.index;
        answer.snapshot.close();
      });
    };
    // A server that is still busy with an earlier copy leaves one out.
    const areTaken = () => {
      const newest = this.#servers.map((id) => cluster.server(id).folder?.snapshots.newest());
      const isTaken = index > 0 && newest.every((one) => one?.index === index);
      if (!isTaken && !isAsked) ask();
      return isTaken;
    };
    await until(areTaken, {
      withinMs: checkpointMs + checkpointElections * tickMs * electionTimeoutTicksMax,
      what: "every server has a snapshot of one checkpoint",
    });
    await becomeWhole();
    const digests = new Map<string, ServerId>();
    const newest = this.#servers.map((id) => ({
      id,
      snapshot: cluster.server(id).folder?.snapshots.newest(),
    }));
    for (const { id, snapshot } of newest) {
      if (snapshot !== undefined && snapshot.index === newest[0]?.snapshot?.index) {
        digests.set(Buffer.from(snapshot.digest).toString("hex"), id);
      }
    }
    if (digests.size <= 1) return;
    const who = [...digests.values()].join(" and ");
    throw new SafetyViolation("snapshots", `servers ${who} end with different states`);
  }

  /**
   * R5: a receipt waits for the disk of every live server. All are well here, so the leader must
   * come to count them as live, and then wait for each, with or without a vote.
   */
  async #storeEverywhere(): Promise<void> {
    const { until } = this.#world;
    const servers = this.#servers;
    await until(() => this.#areLive(servers), {
      withinMs: 4 * this.#timings.liveTimeoutMs,
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
    const leader = this.#leader;
    if (leader === undefined) return false;
    const status = this.#world.cluster.server(leader).replica?.status();
    const live = status?.servers.filter((server) => server.live).map(({ replicaId }) => replicaId);
    return servers.every((id) => live?.includes(id));
  }

  /** Writes at the leader; answers on how many disks the write was when it was acknowledged. */
  async #probe(servers: readonly ServerId[]): Promise<number> {
    const { cluster, until } = this.#world;
    const leader = this.#leader ?? servers[0] ?? 1;
    let disks: number | undefined;
    cluster.server(leader).replica?.propose(probeCommand(leader), (answer) => {
      disks = 0;
      if (answer.kind !== "applied") return;
      const index = Math.floor(answer.position / commandsPerEntryMax);
      for (const id of servers) if (cluster.condition(id).durableIndex >= index) disks += 1;
    });
    const withinMs = this.#timings.proposalTimeoutMs;
    await until(() => disks !== undefined, { withinMs, what: "a write is answered" });
    return disks ?? 0;
  }

  /** R5: a server that hangs delays a write by `liveTimeoutMs` at most. */
  async #hang(hung: ServerId, leader: ServerId): Promise<void> {
    const { cluster, until } = this.#world;
    cluster.pause(hung);
    let isAnswered = false;
    cluster.server(leader).replica?.propose(probeCommand(leader), () => {
      isAnswered = true;
    });
    const { liveTimeoutMs, heartbeatIntervalTicks, tickMs } = this.#timings;
    await until(() => isAnswered, {
      withinMs: liveTimeoutMs + 2 * heartbeatIntervalTicks * tickMs,
      what: "a write is acknowledged beside a server that hangs",
    });
    cluster.resume(hung);
  }

  /**
   * S5: each server is damaged in another place while all are down. What was acknowledged is on the
   * others' disks, so all of it is there when all are up again.
   */
  async #damageAll(): Promise<void> {
    const { cluster, becomeWhole } = this.#world;
    const servers = this.#servers;
    const from = cluster.random.nextInteger(0, places.length);
    for (const id of servers) cluster.kill(id);
    for (const [at, id] of servers.entries()) {
      const place = places[(from + at) % places.length] ?? "log/";
      if (place === "state") cluster.corruptState(id);
      else cluster.disk(id).flipBit(place);
    }
    for (const id of servers) cluster.start(id);
    await becomeWhole();
  }

  #isMajorityWithout(server: ServerId): boolean {
    return this.#world.cluster
      .voterSets()
      .every((voters) => voters.filter((id) => id !== server).length > voters.length / 2);
  }

  get #leader(): ServerId | undefined {
    return this.#servers.find((id) => this.#world.cluster.server(id).replica?.leads === true);
  }
}
