// Which copies the fault plan may take from a cluster, so that nothing acknowledged is lost by
// right: if something is lost within this budget, the product has lost it. Only decides; the kinds
// of faults ask before they strike and tell what they did.
import { assert } from "../base/assert.ts";
import type { ServerId } from "./cluster-event.ts";
import type { ServerCondition } from "./fault-target.ts";

/** What the budget goes by. */
export interface BudgetView {
  readonly servers: readonly ServerId[];
  /** Who decides, now or soon: each of these lists by majority. */
  voterSets(): readonly (readonly ServerId[])[];
  condition(server: ServerId): ServerCondition;
  /** A removal or a planned stop is under way, after which there may be fewer voters. */
  isShrinking(): boolean;
}

/**
 * How many copies of so many voters may be destroyed at a time: an empty disk, a bit flip at rest,
 * a misdirected write, a state that has rotted. Call it f; the other n - f are a majority.
 *
 * What is acknowledged was durable on a majority, hence on at least one of the others; and the
 * others are a majority, so they can go on, and the votes of those who lack it are not enough
 * without one that has it. This holds as long as a server whose copy is destroyed never votes or
 * acknowledges on what is left: that is for the product to see, by checksums (decision 0008), birth
 * numbers (decision 0003), entries by which members joined and abstention (decisions 0011, 0012).
 * Where it cannot see it (stray-write.ts says when), the plan keeps the server from starting on
 * that folder.
 *
 * A server that takes full part again counts as destroyed no longer. It votes, so its log has
 * reached the entry that made it a voter or, where it had lost entries, everything that was
 * committed when it came back; a majority without it has had all of that before. What is committed
 * later counts it by what it holds now.
 */
export function destroyedMax(voters: number): number {
  return Math.floor((voters - 1) / 2);
}

/** The copies of one run. */
export class FaultBudget {
  readonly #view: BudgetView;
  /** Servers that were struck, with the number of the life in which that was. */
  readonly #destroyed = new Map<ServerId, number>();
  /** Servers that got an older disk, with the highest term that they have forgotten. */
  readonly #behind = new Map<ServerId, number>();

  constructor(view: BudgetView) {
    this.#view = view;
  }

  /** Servers whose copy was struck and is not whole again. */
  get destroyed(): readonly ServerId[] {
    return this.#view.servers.filter((server) => this.isDestroyed(server));
  }

  /** Servers whose copy is whole. */
  get good(): readonly ServerId[] {
    return this.#view.servers.filter((server) => !this.isDestroyed(server));
  }

  isDestroyed(server: ServerId): boolean {
    const life = this.#destroyed.get(server);
    if (life === undefined) return false;
    const { isWhole, lives } = this.#view.condition(server);
    // What is armed may still strike, and what has struck is met by a start.
    if (!isWhole || lives <= life) return true;
    this.#destroyed.delete(server);
    return false;
  }

  /**
   * Whether there may be fewer voters: not while a copy is destroyed, since of fewer voters fewer
   * copies may be.
   */
  get mayShrink(): boolean {
    return this.destroyed.length === 0;
  }

  /** Whether this copy may be destroyed; whoever does so tells it by `destroy`. */
  mayDestroy(server: ServerId): boolean {
    if (this.isDestroyed(server)) return true;
    if (this.#isAnyBehind() || this.#view.isShrinking()) return false;
    const gone = new Set([...this.#destroyed.keys()].filter((other) => this.isDestroyed(other)));
    gone.add(server);
    return this.#view
      .voterSets()
      .every((voters) => voters.filter((id) => gone.has(id)).length <= destroyedMax(voters.length));
  }

  destroy(server: ServerId): void {
    assert(this.mayDestroy(server), `the copy of server ${server} must not be destroyed`);
    this.#destroyed.set(server, this.#view.condition(server).lives);
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
    const { up, term } = this.#view.condition(server);
    const others = this.#view.servers.filter((other) => other !== server);
    if (up || term === undefined || others.length < 2 || !areLinked) return false;
    if (this.destroyed.length > 0 || this.#isAnyBehind()) return false;
    return others.every((other) => {
      const { up: isUp, paused, durableTerm } = this.#view.condition(other);
      return isUp && !paused && durableTerm !== undefined && durableTerm > term;
    });
  }

  /** The server has got an older disk. */
  forget(server: ServerId): void {
    this.#behind.set(server, this.#view.condition(server).term ?? 0);
  }

  /** A server is behind until its log ends in a later term than all that it has forgotten. */
  #isAnyBehind(): boolean {
    for (const [server, term] of this.#behind) {
      const { durableTerm } = this.#view.condition(server);
      if (durableTerm !== undefined && durableTerm > term) this.#behind.delete(server);
    }
    return this.#behind.size > 0;
  }
}
