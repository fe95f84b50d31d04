// Puts an island into its replica: what it is given of the log and the others, and what of a
// replica's commands, ticks and frames it gets. Decides nothing.
import type { Clock } from "../io/clock.ts";
import type { PeerFrame } from "../proto/gen/cluster/v1/peer_pb.js";
import { decodeEntry } from "./committed-entry.ts";
import type { Consensus } from "./consensus.ts";
import { Island, type TailCommand } from "./island.ts";
import { overloadRetryAfterMs, tailBytes } from "./limits.ts";
import type { ReplicaNote, ReplicaOptions } from "./options.ts";
import type { Peers } from "./peers.ts";
import type { ProposalAnswer } from "./service.ts";
import type { WritePath } from "./write-path.ts";

const unsure = {
  kind: "unavailable",
  message: "no majority of servers is left to confirm it; send the same id again, to any server",
} as const;

type Parts<Outcome> = Pick<
  ReplicaOptions<Outcome, unknown>,
  "identity" | "timings" | "log" | "islandLog" | "snapshots" | "stateMachine" | "drawNonce"
> & { readonly clock: Clock };

/** What the wiring needs of the replica. */
export interface IslandWiringHooks<Outcome> {
  readonly peers: Peers;
  readonly writes: WritePath<Outcome>;
  consensus(): Consensus | undefined;
  clusterTimeMs(): number;
  turn(body: () => void): void;
  note(level: ReplicaNote["level"], message: string, fields: ReplicaNote["fields"]): void;
}

/** One replica's island and the ways into it. */
export class IslandWiring<Outcome> {
  readonly island: Island<Outcome>;
  readonly #parts: Parts<Outcome>;
  readonly #hooks: IslandWiringHooks<Outcome>;

  constructor(parts: Parts<Outcome>, hooks: IslandWiringHooks<Outcome>) {
    this.#parts = parts;
    this.#hooks = hooks;
    const { identity, timings, islandLog, stateMachine } = parts;
    this.island = new Island<Outcome>({
      ownId: identity.replicaId,
      survival: timings.survival,
      islandAfterMs: timings.islandAfterMs,
      liveTimeoutMs: timings.liveTimeoutMs,
      log: islandLog,
      stateMachine,
      clusterTimeMs: () => hooks.clusterTimeMs(),
      drawNonce: () => parts.drawNonce(),
      configurationIndex: () => hooks.consensus()?.configurationIndex ?? 0,
      commitIndex: () => hooks.consensus()?.commitIndex ?? 0,
      tail: () => this.#tail(),
      send: (peer, extras) => hooks.peers.sendExtras(peer, extras),
      turn: (body) => hooks.turn(body),
      propose: (command, done) =>
        hooks.writes.propose(command, ({ kind }) => {
          const answer = kind === "applied" ? "applied" : "unavailable";
          // Answers come inside of turns and outside.
          parts.clock.setSoon(() => hooks.turn(() => done(answer)));
        }),
      handleOpened: () => this.#takePending(),
      note: (level, message, fields) => hooks.note(level, message, fields),
    });
  }

  /** Commands of the log that are not known to be committed here. */
  #tail(): TailCommand[] {
    const { log, stateMachine } = this.#parts;
    const tail: TailCommand[] = [];
    const start = Math.max(log.firstIndex(), stateMachine.appliedIndex() + 1);
    for (let at = start; at <= log.lastIndex(); ) {
      const entries = log.entries(at, log.lastIndex() + 1, tailBytes);
      for (const entry of entries) {
        const { timestampMs, commands } = decodeEntry(entry).committed;
        for (const command of commands) tail.push({ command, timestampMs });
      }
      at += entries.length;
    }
    return tail;
  }

  /**
   * What clients wait for goes to the island: nobody else is there to take it. What the island will
   * not hold may stand in some log already, and only a majority can say what comes of it.
   */
  #takePending(): void {
    for (const { command, done } of this.#hooks.writes.pending.takeAll()) {
      this.take(command, (answer) => done(answer.kind === "notHeld" ? unsure : answer));
    }
  }

  /** Takes a command while the island is open; what it releases goes the ordinary way. */
  take(command: Uint8Array, done: (answer: ProposalAnswer<Outcome>) => void): void {
    const { clock } = this.#parts;
    this.island.take(command, (answer) => {
      switch (answer.kind) {
        case "held":
        case "notHeld":
          clock.setSoon(() => done(answer));
          return;
        case "overloaded":
          clock.setSoon(() => done({ kind: "overloaded", retryAfterMs: overloadRetryAfterMs }));
          return;
        case "released":
          this.#hooks.writes.propose(command, done);
          return;
      }
    });
  }

  tick(nowMs: number): void {
    const consensus = this.#hooks.consensus();
    if (consensus === undefined) return;
    // Not with the others' word: the only voter that is left hears none.
    this.#findSafeIndex(this.#parts.snapshots.newest()?.index ?? 0);
    const { voters, votersOutgoing } = consensus.configuration;
    const heardSinceMs = nowMs - this.#parts.timings.islandAfterMs;
    // One that hangs, or is cut off silently, keeps its connection.
    const isHere = (id: number): boolean => {
      const peer = this.#hooks.peers.get(id);
      if (id === this.#parts.identity.replicaId) return true;
      return peer?.connected === true && peer.lastHeardMs > heardSinceMs;
    };
    const hasMajority = (ids: readonly number[]): boolean =>
      ids.length === 0 || ids.filter(isHere).length > ids.length / 2;
    this.island.tick({
      nowMs,
      leader: consensus.leader,
      isMajorityConnected: hasMajority(voters) && hasMajority(votersOutgoing),
      isVoter: voters.includes(this.#parts.identity.replicaId),
    });
  }

  handleFrame(from: number, { islandHoldings, islandItems }: PeerFrame): void {
    if (islandHoldings !== undefined) this.island.handleHoldings(from, islandHoldings);
    if (islandItems !== undefined) this.island.handleItems(from, islandItems);
  }

  /** The others tell their snapshots: what a majority has on disk is safe. */
  #findSafeIndex(ownSnapshotIndex: number): void {
    const voters = this.#hooks.consensus()?.configuration.voters ?? [];
    if (voters.length === 0) return;
    const indexes = voters
      .map((id) =>
        id === this.#parts.identity.replicaId
          ? ownSnapshotIndex
          : Number(this.#hooks.peers.get(id)?.status?.snapshotIndex ?? 0n),
      )
      .sort((a, b) => b - a);
    this.island.handleSnapshotsSafeUpTo(indexes[Math.floor(voters.length / 2)] ?? 0);
  }
}
