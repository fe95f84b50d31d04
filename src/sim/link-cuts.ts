// Which links between servers are cut, by how many faults at once, and whether what is left lets a
// majority work. Not here: why a link is cut.
import type { ServerId } from "./cluster-event.ts";
import type { LinkFaults } from "./fault-target.ts";

/** One direction of a link. */
export interface Direction {
  readonly from: ServerId;
  readonly to: ServerId;
}

/** The cuts of one run. */
export class LinkCuts {
  readonly #voterSets: () => readonly (readonly ServerId[])[];
  readonly #links: Pick<LinkFaults, "cut" | "mend">;
  /** How many faults cut a direction; no entry where none does. */
  readonly #counts = new Map<string, number>();

  /** `voterSets`: who decides, each of these lists by majority. */
  constructor(
    voterSets: () => readonly (readonly ServerId[])[],
    links: Pick<LinkFaults, "cut" | "mend">,
  ) {
    this.#voterSets = voterSets;
    this.#links = links;
  }

  /** Whether nothing is cut. */
  get isWhole(): boolean {
    return this.#counts.size === 0;
  }

  cut(direction: Direction): void {
    const key = keyOf(direction);
    const count = this.#counts.get(key) ?? 0;
    this.#counts.set(key, count + 1);
    if (count === 0) this.#links.cut(direction.from, direction.to);
  }

  /** Undoes one `cut`; the link is mended with the last of them. */
  mend(direction: Direction): void {
    const key = keyOf(direction);
    const count = this.#counts.get(key) ?? 0;
    if (count > 1) {
      this.#counts.set(key, count - 1);
    } else {
      this.#counts.delete(key);
      this.#links.mend(direction.from, direction.to);
    }
  }

  /**
   * Whether one of the usable servers reaches, both ways, so many of them that they are a majority
   * of the voters, also with these directions cut. So Raft can work: that one can lead.
   */
  leavesMajority(usable: readonly ServerId[], more: readonly Direction[]): boolean {
    const cut = new Set([...this.#counts.keys(), ...more.map(keyOf)]);
    const isOpen = (from: ServerId, to: ServerId) => !cut.has(keyOf({ from, to }));
    const sets = this.#voterSets();
    return usable.some((one) => {
      const linked = usable.filter(
        (other) => other === one || (isOpen(one, other) && isOpen(other, one)),
      );
      return sets.every(
        (voters) => voters.filter((id) => linked.includes(id)).length > voters.length / 2,
      );
    });
  }
}

function keyOf({ from, to }: Direction): string {
  return `${from}-${to}`;
}
