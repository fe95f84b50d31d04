// Which copies the fault plan may take from a cluster, so that nothing acknowledged is lost by
// right: if something is lost within this budget, the product has lost it. Only decides; the kinds
// of faults ask before they strike and tell what they did.
import { assert } from "../base/assert.ts";
import type { ServerId } from "./cluster-event.ts";
import type { ServerCondition } from "./fault-target.ts";

/**
 * How many copies of a cluster of this size may be destroyed for good in a whole run: an empty
 * disk, a bit flip at rest, a misdirected write. Call it f; the other n - f are a majority.
 *
 * What is acknowledged was durable on a majority, hence on at least one of the others; and the
 * others are a majority, so they can go on, and the votes of those who lack it are not enough
 * without one that has it. This holds as long as a server whose copy is destroyed never votes or
 * acknowledges on what is left: that is for the product to see, by checksums (decision 0008) and
 * birth numbers (decision 0003). Where it cannot see it (stray-write.ts says when), the plan keeps
 * the server from starting on that folder.
 */
export function destroyedMax(servers: number): number {
  return Math.floor((servers - 1) / 2);
}

/**
 * The copies of one run. A server that was struck stays struck until the run's end, even where
 * nothing came of it, and may be struck again.
 */
export class FaultBudget {
  readonly #servers: readonly ServerId[];
  readonly #condition: (server: ServerId) => ServerCondition;
  readonly #destroyed = new Set<ServerId>();
  /** Servers that got an older disk, with the highest term that they have forgotten. */
  readonly #behind = new Map<ServerId, number>();

  constructor(servers: readonly ServerId[], condition: (server: ServerId) => ServerCondition) {
    this.#servers = servers;
    this.#condition = condition;
  }

  /** Servers whose copy was struck. */
  get destroyed(): readonly ServerId[] {
    return this.#servers.filter((server) => this.#destroyed.has(server));
  }

  /** Servers whose copy is whole: they must have everything in the end. */
  get good(): readonly ServerId[] {
    return this.#servers.filter((server) => !this.#destroyed.has(server));
  }

  isDestroyed(server: ServerId): boolean {
    return this.#destroyed.has(server);
  }

  /** Whether this copy may be destroyed; whoever does so tells it by `destroy`. */
  mayDestroy(server: ServerId): boolean {
    if (this.#destroyed.has(server)) return true;
    if (this.#destroyed.size >= destroyedMax(this.#servers.length)) return false;
    return !this.#isAnyBehind();
  }

  destroy(server: ServerId): void {
    assert(this.mayDestroy(server), `the copy of server ${server} must not be destroyed`);
    this.#destroyed.add(server);
  }

  /**
   * Whether this server, S, which is down, may get an older disk now, and so forget votes and
   * entries that it acknowledged. `areLinked`: no link is cut.
   *
   * Let t be the highest term that S ever made durable. All others must be up, each with a last
   * durable entry of a term above t. Then
   * - such an entry comes from a leader of a term above t, elected without S, whose own term was
   *   at most t. By leader completeness (Raft §5.4.3) that leader had everything committed up to
   *   then, and by log matching (§5.3) so has each of the others, durably. So nothing committed is
   *   lost with what S forgets, nor can it be voted away: every majority has one of the others in
   *   it, who refuses candidates that lack it;
   * - what S acknowledged and what is not committed yet is never committed by counting S: the
   *   leader of S's term has stepped down, and later leaders know nothing of S (one that believed
   *   in an older match index of S would never bring it up again);
   * - the others' terms are above t, so nobody asks for a vote in a term up to t any more, and S's
   *   own candidacies in such terms are refused. So none of S's forgotten votes is given twice.
   *
   * Equal terms are not enough: the others could elect S twice in one term. Equal indexes are not
   * enough: they may be a tail that no majority has. That others are reachable is not part of the
   * proof; it is asked for all the same, as is that no copy is destroyed and nobody behind, so that
   * faults of copies do not overlap. Two servers or one never forget.
   */
  mayForget(server: ServerId, areLinked: boolean): boolean {
    const { up, term } = this.#condition(server);
    const others = this.#servers.filter((other) => other !== server);
    if (up || term === undefined || others.length < 2 || !areLinked) return false;
    if (this.#destroyed.size > 0 || this.#isAnyBehind()) return false;
    return others.every((other) => {
      const { up: isUp, paused, durableTerm } = this.#condition(other);
      return isUp && !paused && durableTerm !== undefined && durableTerm > term;
    });
  }

  /** The server has got an older disk. */
  forget(server: ServerId): void {
    this.#behind.set(server, this.#condition(server).term ?? 0);
  }

  /** A server is behind until its log ends in a later term than all that it has forgotten. */
  #isAnyBehind(): boolean {
    for (const [server, term] of this.#behind) {
      const { durableTerm } = this.#condition(server);
      if (durableTerm !== undefined && durableTerm > term) this.#behind.delete(server);
    }
    return this.#behind.size > 0;
  }
}
