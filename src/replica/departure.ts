// A planned stop without a ripple (product row R9): the leader is told first. Where those who stay
// would be no majority, it gives the votes to them alone until the others return (membership.ts);
// then leadership goes to another. Bounded: a stop never hangs on others. Not here: clients.
import type { Clock } from "../io/clock.ts";
import type { Configuration } from "../raft/index.ts";
import type { ChangeAnswer, ReplicaAdmin } from "./admin-service.ts";
import type { Consensus } from "./consensus.ts";
import { transferTimeoutMs } from "./limits.ts";

/** What a departure needs of the replica. */
export interface DepartureHooks {
  readonly ownId: number;
  readonly clock: Clock;
  readonly pollMs: number;
  readonly timeoutMs: number;
  /** Undefined while this server takes no part. */
  configuration(): Configuration | undefined;
  leads(): boolean;
  /** 0 while none is known. */
  leader(): number;
  isConnected(peer: number): boolean;
  stepAside(replicaIds: readonly number[], done: (answer: ChangeAnswer) => void): void;
  /** Begins to hand leadership over, to whoever is furthest. */
  handOver(): void;
  /** The replica has ended meanwhile. */
  hasEnded(): boolean;
}

/** Leaves, then calls back. */
export function depart(hooks: DepartureHooks, done: () => void): void {
  const { clock, ownId } = hooks;
  const deadlineMs = clock.monotonicMs() + hooks.timeoutMs;
  let isShrinking = false;
  const aside = votesToGiveBack(hooks);
  if (aside.length > 0) {
    isShrinking = true;
    hooks.stepAside(aside, () => {
      isShrinking = false;
    });
  }
  const wait = (): void => {
    const isOver = hooks.hasEnded() || clock.monotonicMs() >= deadlineMs;
    const others = hooks.configuration()?.voters.filter((id) => id !== ownId) ?? [];
    const mustHandOver = hooks.leads() && others.length > 0;
    if (isOver || !(isShrinking || mustHandOver)) {
      done();
      return;
    }
    if (mustHandOver && !isShrinking) hooks.handOver();
    clock.setTimer(hooks.pollMs, wait);
  };
  wait();
}

/**
 * Whose votes may be missed: this server's and those of servers that are down. Only the leader
 * knows who else is about to stop. None where nobody is left, or nobody leads and the rest is a
 * majority by itself.
 */
function votesToGiveBack(hooks: DepartureHooks): number[] {
  const voters = hooks.configuration()?.voters ?? [];
  if (!voters.includes(hooks.ownId)) return [];
  const rest = voters.filter((id) => id !== hooks.ownId && hooks.isConnected(id));
  if (rest.length === 0) return [];
  if (hooks.leader() === 0 && rest.length > voters.length / 2) return [];
  return [hooks.ownId, ...voters.filter((id) => id !== hooks.ownId && !rest.includes(id))];
}

/** Hands leadership to a voter as an operator wishes, and calls back when another one leads. */
export function transferLeadership(
  hooks: {
    readonly clock: Clock;
    readonly pollMs: number;
    consensus(): Pick<Consensus, "leader" | "configuration"> | undefined;
    handOver(): void;
  },
  target: number,
  done: Parameters<ReplicaAdmin["transferLeadership"]>[1],
): void {
  const { clock } = hooks;
  const before = hooks.consensus()?.leader ?? 0;
  const voters = hooks.consensus()?.configuration.voters ?? [];
  const refuse = (reason: string): void => clock.setSoon(() => done({ kind: "refused", reason }));
  if (before === 0) {
    refuse("no leader is known; wait until there is one");
  } else if (target !== 0 && !voters.includes(target)) {
    refuse(`server ${target} has no vote; those with one are ${voters.join(", ")}`);
  } else if (target === before) {
    clock.setSoon(() => done({ kind: "done", leaderId: before }));
  } else if (voters.length === 1) {
    refuse(`server ${before} is the only one with a vote`);
  } else {
    waitForLeader(hooks, { before, target }, done);
  }
}

function waitForLeader(
  hooks: Parameters<typeof transferLeadership>[0],
  { before, target }: { readonly before: number; readonly target: number },
  done: Parameters<ReplicaAdmin["transferLeadership"]>[1],
): void {
  const { clock, pollMs } = hooks;
  const deadlineMs = clock.monotonicMs() + transferTimeoutMs;
  hooks.handOver();
  const wait = (): void => {
    const leaderId = hooks.consensus()?.leader ?? 0;
    if (leaderId !== 0 && leaderId !== before && (target === 0 || leaderId === target)) {
      done({ kind: "done", leaderId });
    } else if (clock.monotonicMs() >= deadlineMs) {
      const reason = `server ${target || "any other"} did not take over in ${transferTimeoutMs} ms`;
      done({ kind: "refused", reason });
    } else {
      clock.setTimer(pollMs, wait);
    }
  };
  clock.setTimer(pollMs, wait);
}
