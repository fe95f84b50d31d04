// A server opens an island only when it has known no leader for `islandAfterMs` and is connected
// with no majority (decision 0013). Judged generously, by what its core and its transport were
// told: its clock may be fast, a leader may come and go between two ticks, and a peer counts as
// connected when a message of it came over a connection that still stands.
import type { ReplicaTimings } from "../../../replica/index.ts";
import { type ClusterChecker, SafetyViolation } from "../../checker.ts";
import type { ClusterEvent, ServerId } from "../../cluster-event.ts";
import type { ServerLogs } from "../server-logs.ts";

/** A clock may run too fast by a tenth (swarm.ts), and some more while it jumps. */
const clockShare = 0.85;
/** A leader who was known for fewer ticks may not have been seen by any. */
const unseenTicks = 2;

/** What decides when a server may open an island. */
export type IslandTimings = Pick<ReplicaTimings, "islandAfterMs" | "survival" | "tickMs">;

interface Standing {
  isOpen: boolean;
  leader: ServerId;
  /** Since when it knows none; and since when it knows one. */
  leaderlessSinceMs: number;
  ledSinceMs: number;
  /** When a message of each connected peer came last. */
  readonly heardMs: Map<ServerId, number>;
  readonly connected: Set<ServerId>;
}

/** Judges every opening. */
export class IslandOpening implements ClusterChecker {
  readonly name = "island-opening";
  readonly #logs: ServerLogs;
  readonly #timings: IslandTimings;
  readonly #standings = new Map<ServerId, Standing>();

  constructor(logs: ServerLogs, timings: IslandTimings) {
    this.#logs = logs;
    this.#timings = timings;
  }

  see(event: ClusterEvent): void {
    const { server, atMs } = event;
    if (event.kind === "started") {
      this.#standings.set(server, {
        isOpen: false,
        leader: 0,
        leaderlessSinceMs: atMs,
        ledSinceMs: atMs,
        heardMs: new Map(),
        connected: new Set(),
      });
      return;
    }
    const standing = this.#standings.get(server);
    if (standing === undefined) return;
    switch (event.kind) {
      case "roleChanged":
        this.#noteLeader(standing, event.leader, atMs);
        break;
      case "peerConnected":
        standing.connected.add(event.peer);
        break;
      case "peerDisconnected":
        standing.connected.delete(event.peer);
        standing.heardMs.delete(event.peer);
        break;
      case "messageReceived":
        standing.heardMs.set(event.message.from, atMs);
        break;
      case "islandMode":
        if (event.open && !standing.isOpen) this.#checkOpening(server, standing, atMs);
        standing.isOpen = event.open;
        break;
    }
  }

  #noteLeader(standing: Standing, leader: ServerId, atMs: number): void {
    if (leader !== 0 && standing.leader === 0) standing.ledSinceMs = atMs;
    if (leader === 0 && standing.leader !== 0) {
      const ledMs = atMs - standing.ledSinceMs;
      if (ledMs > unseenTicks * this.#timings.tickMs) standing.leaderlessSinceMs = atMs;
    }
    standing.leader = leader;
  }

  #checkOpening(server: ServerId, standing: Standing, atMs: number): void {
    const { survival, islandAfterMs } = this.#timings;
    if (survival !== "island") this.#fail(`server ${server} opens an island, which it must not`);
    if (standing.leader !== 0) {
      this.#fail(`server ${server} opens an island and knows leader ${standing.leader}`);
    }
    const leaderlessMs = atMs - standing.leaderlessSinceMs;
    if (leaderlessMs < clockShare * islandAfterMs) {
      this.#fail(`server ${server} opens an island after ${leaderlessMs} ms without a leader`);
    }
    const here = [...standing.connected].filter((peer) => {
      return atMs - (standing.heardMs.get(peer) ?? Number.NEGATIVE_INFINITY) < islandAfterMs / 2;
    });
    const { voters, votersOutgoing } = this.#logs.configurationOf(server);
    const isMajority = (ids: readonly ServerId[]) =>
      ids.filter((id) => id === server || here.includes(id)).length > ids.length / 2;
    if (!isMajority(voters) || (votersOutgoing.length > 0 && !isMajority(votersOutgoing))) return;
    this.#fail(
      `server ${server} opens an island, though it is connected with ${here.join(", ")}, ` +
        `a majority of ${voters.join(", ")}`,
    );
  }

  #fail(message: string): never {
    throw new SafetyViolation(this.name, message);
  }
}
