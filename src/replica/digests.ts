// Comparing states (product row S5): each server tells the digest of its state at its newest
// checkpoint; one that differs from what a majority has is wrong. Pure bookkeeping. Not here: how a
// digest comes about, and how a wrong state is replaced.
import { equalBytes, toHex } from "../base/bytes.ts";
import { digestsKept } from "./limits.ts";

/** What the comparison came to. */
export interface Difference {
  readonly index: number;
  /** The digest that a majority has; this server has another. */
  readonly digest: Uint8Array;
}

/** Digests by checkpoint, newest last. */
export class Digests {
  readonly #byIndex = new Map<number, Map<number, Uint8Array>>();

  /** A server, this one or another, has this digest at this index. */
  hear(server: number, index: number, digest: Uint8Array): void {
    if (index === 0 || digest.length === 0) return;
    let servers = this.#byIndex.get(index);
    if (servers === undefined) {
      servers = new Map();
      this.#byIndex.set(index, servers);
      const oldest = [...this.#byIndex.keys()].sort((a, b) => a - b);
      for (const old of oldest.slice(0, -digestsKept)) this.#byIndex.delete(old);
    }
    servers.set(server, digest);
  }

  /**
   * Where a majority of the voters agrees on what this server has not, at the newest such index.
   */
  difference(ownId: number, voters: readonly number[]): Difference | undefined {
    const indexes = [...this.#byIndex.keys()].sort((a, b) => b - a);
    for (const index of indexes) {
      const own = this.#byIndex.get(index)!.get(ownId);
      const digest = this.agreed(index, voters);
      if (own === undefined || digest === undefined) continue;
      if (!equalBytes(digest, own)) return { index, digest };
    }
    return undefined;
  }

  /** What a majority of the voters has at this index; undefined where that is not known. */
  agreed(index: number, voters: readonly number[]): Uint8Array | undefined {
    const needed = Math.floor(voters.length / 2) + 1;
    const counts = countDigests(this.#byIndex.get(index) ?? new Map(), voters);
    return counts.find(([, count]) => count >= needed)?.[0];
  }

  /** Forgets what this server had: its state is being replaced. */
  forget(ownId: number): void {
    for (const servers of this.#byIndex.values()) servers.delete(ownId);
  }
}

function countDigests(
  servers: ReadonlyMap<number, Uint8Array>,
  voters: readonly number[],
): [Uint8Array, number][] {
  const counts = new Map<string, [Uint8Array, number]>();
  for (const [server, digest] of servers) {
    if (!voters.includes(server)) continue;
    const count = counts.get(toHex(digest)) ?? [digest, 0];
    counts.set(toHex(digest), [count[0], count[1] + 1]);
  }
  return [...counts.values()];
}
