// The leader's side of changes of members (docs/decisions/0011): judges wishes, proposes the
// configurations that fulfil them one after the other, promotes newcomers that have caught up,
// takes in servers that came back with a new folder. Everything that it decides it reads from the
// newest configuration, so that the next leader goes on where this one ended. Not here: joint
// consensus itself, which is the core's.
import type { MembershipAnswer } from "../proto/gen/cluster/v1/peer_pb.js";
import type { Configuration, ProgressView } from "../raft/index.ts";
import type { Founder, MemberInfo } from "./admin-service.ts";
import type { ConfigurationAt } from "./consensus.ts";
import {
  acceptedWishesMax,
  addressLengthMax,
  leavingMs,
  membershipTimeoutMs,
  membersMax,
  promotionLagMax,
  replicaIdMax,
} from "./limits.ts";
import {
  encodeMembers,
  type Members,
  memberFromWire,
  memberOf,
  membersOf,
  withChanged,
  withMember,
  withoutMember,
  withoutSuccessor,
} from "./member-table.ts";
import type { WishedChange } from "./membership-requests.ts";

/** What the leader's side needs of the replica. */
export interface MembershipHooks {
  readonly ownId: number;
  nowMs(): number;
  configuration(): Configuration;
  committed(): ConfigurationAt;
  isChanging(): boolean;
  progress(): ReadonlyMap<number, ProgressView>;
  lastIndex(): number;
  isConnected(peer: number): boolean;
  /** By its own word nothing is amiss with it: it votes, and has a state. */
  isSound(id: number): boolean;
  /** Who says, this server included, where it is reached now. */
  announced(): Iterable<Founder>;
  /** Proposes a configuration; why not, where it cannot be now. */
  change(configuration: Omit<Configuration, "votersOutgoing">): string | undefined;
  /** Marks the next entry as a checkpoint; its index, once it is committed, is the answer. */
  checkpoint(done: (index: number) => void): void;
  answer(to: number, answer: Omit<MembershipAnswer, "$typeName">): void;
  note(message: string, fields: Readonly<Record<string, string | number | boolean>>): void;
}

/** A wish that is being fulfilled. */
interface Accepted extends Wish {
  /** It was not under way before. */
  readonly isChange: boolean;
  /** When it was put last: whoever wishes repeats it. */
  heardAtMs: number;
}

/** A wish that has come. */
interface Wish {
  readonly from: number;
  readonly requestId: number;
  readonly change: WishedChange;
}

/** What is to be done next for a wish. */
type Step =
  | { readonly kind: "done"; readonly replicaId: number }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "propose"; readonly configuration: Omit<Configuration, "votersOutgoing"> }
  | { readonly kind: "wait" };

const underWay = "another change of members is under way; try again when it is done";

/** Made anew with each term of leadership. */
export class Membership {
  readonly #hooks: MembershipHooks;
  #accepted: Accepted[] = [];
  /**
   * Who said that it is about to stop, and until when that is believed: it gets no vote, and nobody
   * counts on it. Kept by this leader only; the next one takes the members that are away and still
   * there for such, for a moment.
   */
  readonly #leaving = new Map<number, number>();

  constructor(hooks: MembershipHooks) {
    this.#hooks = hooks;
    for (const { replicaId, away } of this.#table.members) {
      if (away && hooks.isConnected(replicaId)) this.#noteLeaving(replicaId);
    }
  }

  get #table(): Members {
    return membersOf(this.#hooks.configuration());
  }

  /** A wish has come, perhaps again. */
  handleRequest(wish: Wish): void {
    if (wish.change.case === "checkpoint") {
      const { from, requestId } = wish;
      this.#hooks.checkpoint((index) =>
        this.#hooks.answer(from, { requestId, index: BigInt(index), refusal: "", replicaId: 0 }),
      );
      return;
    }
    const known = this.#accepted.find(
      ({ from, requestId }) => from === wish.from && requestId === wish.requestId,
    );
    const heardAtMs = this.#hooks.nowMs();
    if (known !== undefined) {
      known.heardAtMs = heardAtMs;
      return;
    }
    if (this.#accepted.length >= acceptedWishesMax) {
      this.#refuse(wish, "too many wishes are open; try again later");
      return;
    }
    const isStop = wish.change.case === "stepAside";
    if (isStop) this.#noteLeaving(wish.from);
    const step = this.#judge(wish.change);
    // What waits is under way already, wished by somebody before.
    const isBusy = this.#hooks.isChanging() || this.#accepted.some(({ isChange }) => isChange);
    // Who is about to stop waits for its turn, and goes anyway when it takes too long.
    if (step.kind === "propose" && isBusy && !isStop) this.#refuse(wish, underWay);
    else if (step.kind === "refused") this.#refuse(wish, step.reason);
    else this.#accepted.push({ ...wish, isChange: step.kind === "propose", heardAtMs });
  }

  /** A server with a new folder under a known id has called. */
  handleClaim(claim: MemberInfo): void {
    const table = this.#table;
    if (this.#hooks.isChanging() || this.#hooks.isConnected(claim.replicaId)) return;
    const known = memberOf(table, claim.replicaId);
    if (known === undefined || known.birthNonce === claim.birthNonce) return;
    if (claim.birthNonce === 0n || refuseAddresses([], claim) !== undefined) return;
    const successor = { ...claim, reader: known.reader };
    const configuration = without(this.#hooks.configuration(), {
      ids: [claim.replicaId],
      table: withoutMember(table, claim.replicaId, successor),
    });
    if (configuration.voters.length === 0) return;
    const refusal = this.#hooks.change(configuration);
    if (refusal !== undefined) return;
    this.#hooks.note("a server came back with a new data folder", { server: claim.replicaId });
  }

  /** Whoever has come back does not leave any more. */
  handleConnected(peer: number): void {
    this.#leaving.delete(peer);
  }

  #noteLeaving(id: number): void {
    this.#leaving.set(id, this.#hooks.nowMs() + leavingMs);
  }

  #isLeaving(id: number): boolean {
    return (this.#leaving.get(id) ?? Number.NEGATIVE_INFINITY) > this.#hooks.nowMs();
  }

  /** Called on every tick and after every change: does the next thing, one at a time. */
  advance(): void {
    this.#answerDone();
    if (this.#hooks.isChanging()) return;
    if (this.#takeInSuccessor() || this.#proposeAccepted() || this.#promote()) return;
    this.#learnAddresses();
  }

  /** What a wish comes to, by the newest configuration. */
  #judge(change: WishedChange): Step {
    switch (change.case) {
      case "add":
        return this.#judgeAdd(memberFromWire(change.value));
      case "remove":
        return this.#judgeRemove(change.value);
      case "promote":
        return this.#judgePromote(change.value);
      case "stepAside":
        return this.#judgeStepAside(change.value.replicaIds);
      default:
        return { kind: "refused", reason: "this version does not know such a change" };
    }
  }

  #judgeAdd(wished: MemberInfo): Step {
    const table = this.#table;
    const same = table.members.find(({ birthNonce }) => birthNonce === wished.birthNonce);
    if (same !== undefined) {
      const isCommitted = !this.#hooks.isChanging();
      return isCommitted ? { kind: "done", replicaId: same.replicaId } : { kind: "wait" };
    }
    const refusal = refuseAdd(table, wished);
    if (refusal !== undefined) return { kind: "refused", reason: refusal };
    const replicaId = wished.replicaId === 0 ? table.nextId : wished.replicaId;
    const { voters, learners } = this.#hooks.configuration();
    const context = encodeMembers(withMember(table, { ...wished, replicaId, away: false }));
    const configuration = { voters, learners: [...learners, replicaId], context };
    return { kind: "propose", configuration };
  }

  #judgeRemove(replicaId: number): Step {
    const table = this.#table;
    if (memberOf(table, replicaId) === undefined) {
      const isAwaited = table.removed.some(({ successor }) => successor?.replicaId === replicaId);
      if (isAwaited) {
        const { voters, learners } = this.#hooks.configuration();
        const context = encodeMembers(withoutSuccessor(table, replicaId));
        return { kind: "propose", configuration: { voters, learners, context } };
      }
      const isGone = table.removed.some((gone) => gone.replicaId === replicaId);
      if (isGone && !this.#hooks.isChanging()) return { kind: "done", replicaId };
      if (isGone) return { kind: "wait" };
      return { kind: "refused", reason: `server ${replicaId} is no member of this cluster` };
    }
    const now = this.#hooks.configuration();
    const configuration = without(now, {
      ids: [replicaId],
      table: withoutMember(table, replicaId, undefined),
    });
    const refusal = this.#refuseVoters(now.voters, configuration.voters);
    if (refusal !== undefined) return { kind: "refused", reason: refusal };
    return { kind: "propose", configuration };
  }

  #judgePromote(replicaId: number): Step {
    const table = this.#table;
    const member = memberOf(table, replicaId);
    if (member === undefined) {
      return { kind: "refused", reason: `server ${replicaId} is no member of this cluster` };
    }
    const { voters, learners } = this.#hooks.configuration();
    if (voters.includes(replicaId)) {
      return this.#hooks.isChanging() ? { kind: "wait" } : { kind: "done", replicaId };
    }
    if (!member.reader) return { kind: "wait" };
    const context = encodeMembers(withChanged(table, [replicaId], { reader: false }));
    return { kind: "propose", configuration: { voters, learners, context } };
  }

  /**
   * Servers are about to stop. Where those who stay are no majority, they alone have the votes from
   * then on, until the others return; else the votes stay as they are.
   */
  #judgeStepAside(replicaIds: readonly number[]): Step {
    const now = this.#hooks.configuration();
    const done = { kind: "done", replicaId: replicaIds[0] ?? 0 } as const;
    if (!replicaIds.some((id) => now.voters.includes(id))) {
      return this.#hooks.isChanging() ? { kind: "wait" } : done;
    }
    const staying = now.voters.filter((id) => this.#mayDecide(id) && !this.#isLeaving(id));
    if (staying.length > now.voters.length / 2) return done;
    if (staying.length === 0) return { kind: "refused", reason: "nobody would be left to decide" };
    const ids = now.voters.filter((id) => !staying.includes(id));
    const context = encodeMembers(withChanged(this.#table, ids, { away: true }));
    const learners = [...now.learners, ...ids];
    return { kind: "propose", configuration: { voters: staying, learners, context } };
  }

  /** Why these voters would not do: too few of them are there to decide anything. */
  #refuseVoters(now: readonly number[], next: readonly number[]): string | undefined {
    if (next.length === now.length) return undefined;
    if (next.length === 0) return "the last server with a vote cannot be removed";
    const here = next.filter((id) => this.#mayDecide(id));
    const needed = Math.floor(next.length / 2) + 1;
    if (here.length >= needed) return undefined;
    const missing = next.filter((id) => !here.includes(id)).join(" and ");
    return (
      `of the ${next.length} servers with a vote that would be left, ${needed} must be there, ` +
      `but server ${missing} cannot be reached or does not vote now: ` +
      "bring it back first, or remove it instead"
    );
  }

  #isHere(id: number): boolean {
    if (id === this.#hooks.ownId) return true;
    return this.#hooks.isConnected(id) && this.#hooks.progress().get(id)?.recentActive === true;
  }

  /** It is here, and could vote: one that abstains would do so for good as the only one. */
  #mayDecide(id: number): boolean {
    return this.#isHere(id) && this.#hooks.isSound(id);
  }

  #refuse({ from, requestId }: Wish, refusal: string): void {
    this.#hooks.answer(from, { requestId, index: 0n, refusal, replicaId: 0 });
  }

  #answerDone(): void {
    const oldestMs = this.#hooks.nowMs() - membershipTimeoutMs;
    this.#accepted = this.#accepted.filter((wish) => {
      // Nobody waits for it any more.
      if (wish.heardAtMs < oldestMs) return false;
      const step = this.#judge(wish.change);
      if (step.kind !== "done") return true;
      const { from, requestId } = wish;
      const index = BigInt(this.#hooks.committed().index);
      this.#hooks.answer(from, { requestId, index, refusal: "", replicaId: step.replicaId });
      return false;
    });
  }

  /** The removal of an old folder is committed; its new one follows. */
  #takeInSuccessor(): boolean {
    const table = this.#table;
    for (const { successor } of table.removed) {
      if (successor === undefined || memberOf(table, successor.replicaId) !== undefined) continue;
      const { voters, learners } = this.#hooks.configuration();
      const context = encodeMembers(withMember(table, successor));
      const next = { voters, learners: [...learners, successor.replicaId], context };
      return this.#hooks.change(next) === undefined;
    }
    return false;
  }

  #proposeAccepted(): boolean {
    for (const wish of this.#accepted) {
      const step = this.#judge(wish.change);
      if (step.kind === "propose" && this.#hooks.change(step.configuration) === undefined) {
        return true;
      }
      if (step.kind !== "refused") continue;
      this.#accepted = this.#accepted.filter((other) => other !== wish);
      this.#refuse(wish, step.reason);
    }
    return false;
  }

  /** Learners that have caught up get their votes, all that are ready at once. */
  #promote(): boolean {
    const table = this.#table;
    const { voters, learners } = this.#hooks.configuration();
    const ready = learners.filter((id) => this.#isReady(id, memberOf(table, id)));
    if (ready.length === 0) return false;
    const context = encodeMembers(withChanged(table, ready, { away: false }));
    const rest = learners.filter((id) => !ready.includes(id));
    const refusal = this.#hooks.change({ voters: [...voters, ...ready], learners: rest, context });
    if (refusal !== undefined) return false;
    this.#hooks.note("servers have caught up and get a vote", { servers: ready.join(", ") });
    return true;
  }

  /** A member has moved: the table says where to. */
  #learnAddresses(): void {
    const table = this.#table;
    for (const { replicaId, birthNonce, peerAddress, clientAddress } of this.#hooks.announced()) {
      const known = memberOf(table, replicaId);
      if (known === undefined || known.birthNonce !== birthNonce) continue;
      if (known.peerAddress === peerAddress && known.clientAddress === clientAddress) continue;
      const place = { ...known, peerAddress, clientAddress };
      const others = table.members.filter((other) => other !== known);
      if (refuseAddresses(others, place) !== undefined) continue;
      const changed = withChanged(table, [replicaId], { peerAddress, clientAddress });
      const { voters, learners } = this.#hooks.configuration();
      const context = encodeMembers(changed);
      if (this.#hooks.change({ voters, learners, context }) !== undefined) return;
      this.#hooks.note("a server is reached elsewhere now", { server: replicaId, peerAddress });
      return;
    }
  }

  #isReady(id: number, member: MemberInfo | undefined): boolean {
    if (member === undefined || member.reader || this.#isLeaving(id)) return false;
    const progress = this.#hooks.progress().get(id);
    if (progress === undefined || !this.#mayDecide(id) || progress.state !== "replicate")
      return false;
    // Before it has the entry that added it, it may not vote: with a vote that counts it could then
    // keep everybody from leading, itself from getting that entry included.
    if (progress.matchIndex < this.#hooks.committed().index) return false;
    return progress.matchIndex + promotionLagMax >= this.#hooks.lastIndex();
  }
}

/** A configuration without some servers. */
function without(
  now: Configuration,
  { ids, table }: { readonly ids: readonly number[]; readonly table: Members },
): Omit<Configuration, "votersOutgoing"> {
  return {
    voters: now.voters.filter((id) => !ids.includes(id)),
    learners: now.learners.filter((id) => !ids.includes(id)),
    context: encodeMembers(table),
  };
}

function refuseAdd(table: Members, wished: MemberInfo): string | undefined {
  const { replicaId, birthNonce, tokenNonce } = wished;
  if (birthNonce === 0n) return "a data folder has a birth number that is not 0";
  if ((replicaId === 0 ? table.nextId : replicaId) > replicaIdMax) {
    return `ids go up to ${replicaIdMax}; give a lower one that is free`;
  }
  const holder = memberOf(table, replicaId);
  if (holder !== undefined) {
    const free = table.nextId;
    return `id ${replicaId} is in use; the next free one is ${free}, or give none`;
  }
  const users = [...table.members, ...table.removed];
  const user = users.find((other) => tokenNonce !== 0n && other.tokenNonce === tokenNonce);
  if (user !== undefined) {
    return (
      `this join token was used by server ${user.replicaId}; ` +
      "make a new one with holdfast member add"
    );
  }
  const refusal = refuseAddresses(table.members, wished);
  if (refusal !== undefined) return refusal;
  if (table.members.length < membersMax) return undefined;
  return `a cluster has at most ${membersMax} members`;
}

function refuseAddresses(
  others: readonly MemberInfo[],
  { peerAddress, clientAddress }: Pick<MemberInfo, "peerAddress" | "clientAddress">,
): string | undefined {
  const fits = (address: string) => address.length > 0 && address.length <= addressLengthMax;
  if (!fits(peerAddress) || !fits(clientAddress)) {
    return `an address has 1 to ${addressLengthMax} characters`;
  }
  const neighbour = others.find(
    (other) => other.peerAddress === peerAddress || other.clientAddress === clientAddress,
  );
  if (neighbour === undefined) return undefined;
  const address = neighbour.peerAddress === peerAddress ? peerAddress : clientAddress;
  return `the address ${address} is server ${neighbour.replicaId}'s; give this server its own`;
}
