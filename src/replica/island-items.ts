// The set of held items of one server (docs/decisions/0013): by island and sequence, as they are
// copied; by (author, command id), as they are merged; in the order of hybrid time, as they are
// shown. It only grows until everything in it is merged. Not here: disks, peers, modes.
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { equalBytes, toHex64 } from "../base/bytes.ts";
import { type HeldItem, HeldItemSchema, type IslandId } from "../proto/gen/cluster/v1/peer_pb.js";
import { heldBytesMax, heldItemsMax, hybridDriftMaxMs, islandsMax } from "./island-limits.ts";
import { commandBytesMax } from "./limits.ts";

/** The island log on disk: encoded `HeldItem`s; `storage` fits it. */
export interface IslandLogPort {
  /** What was durable when it was opened, and was appended since, in order. */
  items(): readonly Uint8Array[];
  /**
   * Appends and calls back, in the order of the calls, when it is durable. An error is final. It
   * may call back before it returns where it has failed before.
   */
  append(items: readonly Uint8Array[], done: (error?: Error) => void): void;
  /** Forgets everything, durably, before it returns. Only called while no append is under way. */
  erase(): void;
  /** Bytes that it takes on disk. */
  bytes(): number;
}

/** One item as it is held here. */
export interface Copy {
  readonly item: HeldItem;
  /** As it stands in the island log. */
  readonly bytes: Uint8Array;
  /** Of which island; see `islandName`. */
  readonly island: string;
  readonly entry: HeldEntry;
}

/**
 * One held command, by author and command id. Several islands may have taken it: the log's tail
 * stands on several servers, and a client that asks twice may ask two of them.
 */
export interface HeldEntry {
  readonly key: string;
  /** All known copies, durable here or not. */
  readonly copies: Copy[];
  /** The copy that was durable here first: it is shown and proposed. Undefined while none is. */
  shown: Copy | undefined;
  /** What it stands for is in the state here. */
  isMerged: boolean;
  /** It is on its way to the leader. */
  isProposed: boolean;
}

/** What is known here of one island. */
export interface KnownIsland {
  readonly id: IslandId;
  /** `islandName`, but where it is detached. */
  readonly name: string;
  /**
   * The part of an island's items behind some that this disk has lost: shown and merged as all
   * others, but copied to nobody, since peers are told of items up to where there is no gap.
   */
  readonly isDetached: boolean;
  /** The items up to here were merged and erased. */
  base: number;
  /** Without a gap; the one at i has the sequence base + 1 + i. */
  readonly copies: Copy[];
  /** Durable here up to this sequence. Invariant: base <= durable <= base + copies.length. */
  durable: number;
  /** How many of the copies are not merged. */
  unmergedCount: number;
}

/** What an item from outside comes to. */
export type ItemVerdict =
  | { readonly kind: "next" }
  | { readonly kind: "known" }
  | { readonly kind: "ignored"; readonly reason: string };

/** All items that one server holds. */
export class IslandItems {
  readonly #keyOf: (command: Uint8Array) => string | undefined;
  readonly #islands = new Map<string, KnownIsland>();
  readonly #entries = new Map<string, HeldEntry>();
  /**
   * Entries that are shown, in the order of hybrid time. Merged ones leave it from the front, where
   * merging goes on, so that each costs little; others stay until the front reaches them.
   */
  #shown: HeldEntry[] = [];
  /** Invariant: everything before it in #shown is merged. */
  #front = 0;
  /** How many in #shown are not merged. */
  #shownCount = 0;
  #count = 0;
  #bytes = 0;
  /** Entries that are not merged, shown or not. */
  #unmergedCount = 0;
  readonly clock = new HybridClock();

  constructor(keyOf: (command: Uint8Array) => string | undefined) {
    this.#keyOf = keyOf;
  }

  /** Items in memory, merged ones included. */
  get count(): number {
    return this.#count;
  }

  /** Whether anything is held, or about to be, that is not merged. */
  get hasUnmerged(): boolean {
    return this.#unmergedCount > 0;
  }

  /** Those that are copied between servers. */
  *islands(): Generator<KnownIsland> {
    for (const island of this.#islands.values()) if (!island.isDetached) yield island;
  }

  island(name: string): KnownIsland | undefined {
    return this.#islands.get(name);
  }

  entry(key: string): HeldEntry | undefined {
    return this.#entries.get(key);
  }

  /** How many are durable here and not merged. */
  get shownCount(): number {
    return this.#shownCount;
  }

  /** What is durable here and not merged, oldest first. */
  *unmerged(): Generator<HeldEntry> {
    for (let at = this.#front; at < this.#shown.length; at++) {
      const entry = this.#shown[at]!;
      if (!entry.isMerged) yield entry;
    }
  }

  /** Whether one more item of this length may be held, of an island that is or is not known yet. */
  hasRoom(bytes: number, island: string | undefined): boolean {
    if (this.#count >= heldItemsMax || this.#bytes + bytes > heldBytesMax) return false;
    if (island !== undefined && this.#islands.has(island)) return true;
    return this.#islands.size < islandsMax;
  }

  /** Judges an item that a peer has sent. */
  judge(item: HeldItem): ItemVerdict {
    const { island: id, sequence } = item;
    if (id === undefined) return ignored("an item without an island");
    if (!isPlausible(item)) return ignored("an item that no server makes");
    const name = islandName(id);
    const island = this.#islands.get(name);
    const last = island === undefined ? 0 : lastOf(island);
    if (sequence <= last) {
      const copy = island?.copies[sequence - island.base - 1];
      const isSame = copy === undefined || equalBytes(copy.bytes, encodeItem(item));
      return isSame ? { kind: "known" } : ignored("another item under a known number");
    }
    if (sequence > last + 1) return ignored("an item after a gap");
    if (this.#keyOf(item.command) === undefined) return ignored("an item of an unknown kind");
    const hasRoom = this.hasRoom(item.command.length, name);
    return hasRoom ? { kind: "next" } : ignored("no more room for held items");
  }

  /** Takes an item that is the next of its island and can be held. Not durable yet. */
  add(item: HeldItem, bytes = encodeItem(item)): Copy {
    return this.#addTo(this.#islandOf(item), item, bytes);
  }

  #addTo(island: KnownIsland, item: HeldItem, bytes: Uint8Array): Copy {
    const key = this.#keyOf(item.command);
    if (key === undefined || item.sequence !== lastOf(island) + 1) {
      throw new Error(`item ${item.sequence} of island ${island.name} is not the next one`);
    }
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { key, copies: [], shown: undefined, isMerged: false, isProposed: false };
      this.#entries.set(key, entry);
      this.#unmergedCount += 1;
    }
    const copy: Copy = { item, bytes, island: island.name, entry };
    entry.copies.push(copy);
    island.copies.push(copy);
    if (!entry.isMerged) island.unmergedCount += 1;
    this.#count += 1;
    this.#bytes += bytes.length;
    return copy;
  }

  /**
   * What stands in the island log already. Items before it may be missing: that disk was damaged.
   * Throws where it is not what was written there.
   */
  load(bytes: Uint8Array): Copy {
    const item = fromBinary(HeldItemSchema, bytes);
    let island = this.#islandOf(item);
    if (island.copies.length > 0 && item.sequence !== lastOf(island) + 1) {
      island = this.#detachedPart(item);
    }
    if (island.copies.length === 0) {
      // What came before was erased when it was merged.
      island.base = item.sequence - 1;
      island.durable = island.base;
    }
    return this.#addTo(island, item, bytes);
  }

  /** What is written from now on comes after everything that is here, as far as it may push. */
  observeAll(timeMs: number): void {
    for (const { copies } of this.#islands.values()) {
      for (const { item } of copies) this.clock.observe(item.hybridTime, timeMs);
    }
  }

  /** These are durable now, in the order in which they were added. Answers what is shown by it. */
  markDurable(copies: readonly Copy[]): Copy[] {
    const shown: Copy[] = [];
    for (const copy of copies) {
      this.#islands.get(copy.island)!.durable = copy.item.sequence;
      const { entry } = copy;
      if (entry.shown !== undefined) continue;
      entry.shown = copy;
      if (entry.isMerged) continue;
      this.#shown.splice(this.#placeOf(copy), 0, entry);
      this.#shownCount += 1;
      shown.push(copy);
    }
    return shown;
  }

  /** The state here has what this entry stands for. */
  markMerged(entry: HeldEntry): void {
    if (entry.isMerged) return;
    entry.isMerged = true;
    this.#unmergedCount -= 1;
    for (const { island } of entry.copies) this.#islands.get(island)!.unmergedCount -= 1;
    if (entry.shown === undefined) return;
    this.#shownCount -= 1;
    while (this.#shown[this.#front]?.isMerged === true) this.#front += 1;
    if (this.#front <= this.#shown.length / 2) return;
    this.#shown = this.#shown.slice(this.#front);
    this.#front = 0;
  }

  /** Forgets all items; what the islands were is remembered, so that they are not taken again. */
  erase(): void {
    this.#entries.clear();
    this.#shown = [];
    this.#front = 0;
    this.#count = 0;
    this.#bytes = 0;
    for (const [name, island] of this.#islands) {
      island.base = lastOf(island);
      island.copies.length = 0;
      if (island.isDetached) this.#islands.delete(name);
    }
    // The oldest go first. A peer may then offer theirs once more, which merging them ignores.
    for (const name of this.#islands.keys()) {
      if (this.#islands.size <= islandsMax / 2) break;
      this.#islands.delete(name);
    }
  }

  #islandOf(item: HeldItem): KnownIsland {
    const id = item.island;
    if (id === undefined) throw new Error("a held item names its island");
    const name = islandName(id);
    return this.#islands.get(name) ?? this.#create(id, name);
  }

  /** The part that goes on with this item, or a new one that begins with it. */
  #detachedPart(item: HeldItem): KnownIsland {
    const id = item.island!;
    for (const island of this.#islands.values()) {
      const isOfId = island.isDetached && islandName(island.id) === islandName(id);
      if (isOfId && item.sequence === lastOf(island) + 1) return island;
    }
    return this.#create(id, `${islandName(id)}+${item.sequence}`);
  }

  #create(id: IslandId, name: string): KnownIsland {
    const isDetached = name !== islandName(id);
    const island = { id, name, isDetached, base: 0, copies: [], durable: 0, unmergedCount: 0 };
    this.#islands.set(name, island);
    return island;
  }

  /** Where it would stand among the shown. */
  #placeOf(copy: Copy): number {
    let start = this.#front;
    let end = this.#shown.length;
    while (start < end) {
      const middle = (start + end) >>> 1;
      if (isBefore(this.#shown[middle]!.shown!.item, copy.item)) start = middle + 1;
      else end = middle;
    }
    return start;
  }
}

/**
 * Hybrid logical time (Kulkarni et al., "Logical Physical Clocks", 2014): milliseconds × 2^16 and a
 * counter; whatever is written after an item was seen here comes after it.
 */
export class HybridClock {
  #last = 0n;

  /** The time of something written now, or then where the log has stamped it. */
  next(timeMs: number): bigint {
    const physical = toHybrid(timeMs);
    this.#last = physical > this.#last ? physical : this.#last + 1n;
    return this.#last;
  }

  /** An item with this time has been seen; `timeMs` is cluster time here. */
  observe(hybrid: bigint, timeMs: number): void {
    const limit = toHybrid(timeMs + hybridDriftMaxMs);
    const bounded = hybrid < limit ? hybrid : limit;
    if (bounded > this.#last) this.#last = bounded;
  }
}

/** One name for each island. */
export function islandName(id: Pick<IslandId, "replicaId" | "nonce">): string {
  return `${id.replicaId}:${toHex64(id.nonce)}`;
}

/** The sequence of the last item that is known of an island, durable or not. */
export function lastOf(island: KnownIsland): number {
  return island.base + island.copies.length;
}

/** Makes an item. */
export function createItem(fields: MessageInitShape<typeof HeldItemSchema>): HeldItem {
  return create(HeldItemSchema, fields);
}

/** The bytes of an item, as island logs hold them. */
export function encodeItem(item: HeldItem): Uint8Array {
  return toBinary(HeldItemSchema, item);
}

function toHybrid(timeMs: number): bigint {
  return BigInt(Math.max(0, Math.floor(timeMs))) << 16n;
}

/** Total: items of one time are told apart by island and sequence, the same on every server. */
function isBefore(a: HeldItem, b: HeldItem): boolean {
  if (a.hybridTime !== b.hybridTime) return a.hybridTime < b.hybridTime;
  const [left, right] = [islandName(a.island!), islandName(b.island!)];
  return left === right ? a.sequence < b.sequence : left < right;
}

function isPlausible(item: HeldItem): boolean {
  const { sequence, command, timestampMs, commitIndex } = item;
  const numberMax = BigInt(Number.MAX_SAFE_INTEGER);
  return (
    sequence >= 1 &&
    command.length <= commandBytesMax &&
    timestampMs >= 0n &&
    timestampMs <= numberMax &&
    commitIndex <= numberMax
  );
}

function ignored(reason: string): ItemVerdict {
  return { kind: "ignored", reason };
}
