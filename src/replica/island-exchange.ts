// Copies held items between servers, and knows on whose disks they are: each tells what it has of
// which island, and gets the rest. Also judges which servers of the island writes wait for: those
// that are connected, in island mode, and answer. Pure bookkeeping: time is that of the last tick.
// Not here: this server's own disk and mode.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  HeldItem,
  IslandHoldings,
  IslandHoldingsSchema,
  IslandItemsSchema,
} from "../proto/gen/cluster/v1/peer_pb.js";
import {
  type Copy,
  type HeldEntry,
  type IslandItems,
  islandName,
  type KnownIsland,
  lastOf,
} from "./island-items.ts";
import {
  holdingsIntervalMs,
  islandBytesInFlightMax,
  islandFrameBytesMax,
  islandNearItems,
  islandResendMs,
  islandResendMsMax,
  islandsMax,
} from "./island-limits.ts";

/** What servers say to each other of their islands; each in a frame of its own. */
export interface IslandExtras {
  readonly islandHoldings?: MessageInitShape<typeof IslandHoldingsSchema>;
  readonly islandItems?: MessageInitShape<typeof IslandItemsSchema>;
}

/** What a connected peer has, as far as it has told on this connection. */
interface IslandPeer {
  readonly peer: number;
  /** It has told what it has. */
  hasTold: boolean;
  /** In island mode, as it last said. */
  open: boolean;
  /** When it last told what it has. */
  toldAtMs: number;
  /** That is too long ago. */
  isSilent: boolean;
  /** By island: durable there up to here. Never falls. */
  readonly has: Map<string, number>;
  /** By island: sent up to here. */
  sent: Map<string, number>;
  /** What was sent and not told of yet, oldest first. */
  inFlight: { readonly island: string; readonly last: number; readonly bytes: number }[];
  /** When anything in flight was last told of, or sent while nothing was. */
  progressAtMs: number;
  resendMs: number;
  /** Writes do not wait for it before it has this: what was known when it was left behind. */
  mark: ReadonlyMap<string, number> | undefined;
  /** When it was last told everything that is here. */
  answeredAtMs: number;
}

/** The exchange with all peers. */
export class IslandExchange {
  readonly #items: IslandItems;
  readonly #send: (peer: number, extras: IslandExtras) => void;
  readonly #liveTimeoutMs: number;
  readonly #holdingsIntervalMs: number;
  readonly #peers = new Map<number, IslandPeer>();
  #nowMs = 0;
  #toldAllAtMs = Number.NEGATIVE_INFINITY;
  /** This server is in island mode. */
  #open = false;

  constructor(options: {
    readonly items: IslandItems;
    readonly liveTimeoutMs: number;
    readonly send: (peer: number, extras: IslandExtras) => void;
  }) {
    this.#items = options.items;
    this.#liveTimeoutMs = options.liveTimeoutMs;
    this.#holdingsIntervalMs = Math.min(holdingsIntervalMs, options.liveTimeoutMs / 4);
    this.#send = options.send;
  }

  /** Servers that are together in island mode, this one included. */
  get servers(): number {
    return this.openPeers + 1;
  }

  /** Connected peers that are in island mode and answer. */
  get openPeers(): number {
    let count = 0;
    for (const { open, isSilent } of this.#peers.values()) if (open && !isSilent) count += 1;
    return count;
  }

  /** The mode has changed: all are told. */
  setOpen(open: boolean): void {
    this.#open = open;
    this.#tellAll();
  }

  handleConnected(peer: number): void {
    const state: IslandPeer = {
      peer,
      hasTold: false,
      open: false,
      toldAtMs: this.#nowMs,
      isSilent: false,
      has: new Map(),
      sent: new Map(),
      inFlight: [],
      progressAtMs: this.#nowMs,
      resendMs: islandResendMs,
      mark: this.#known(),
      answeredAtMs: this.#nowMs,
    };
    this.#peers.set(peer, state);
    this.#tell(peer, this.#items.islands());
  }

  /** A broken connection counts at once: nobody waits for it, and its disk is not counted. */
  handleDisconnected(peer: number): void {
    this.#peers.delete(peer);
  }

  /** A peer tells what it has. Answers what was wrong with it. */
  handleHoldings(from: number, holdings: IslandHoldings): string | undefined {
    const peer = this.#peers.get(from);
    if (peer === undefined) return undefined;
    if (holdings.holdings.length > islandsMax) return "it tells of too many islands";
    peer.hasTold = true;
    peer.toldAtMs = this.#nowMs;
    peer.isSilent = false;
    peer.open = holdings.open;
    let lacks = false;
    for (const { island: id, lastSequence } of holdings.holdings) {
      if (id === undefined) return "it tells of an island without a name";
      const name = islandName(id);
      const known = this.#items.island(name);
      if (known === undefined || lastOf(known) < lastSequence) lacks = true;
      peer.has.set(name, Math.max(peer.has.get(name) ?? 0, lastSequence));
    }
    this.#takeOutOfFlight(peer);
    this.#maybeTakeBack(peer);
    this.#sendMissing(peer);
    // What it was told first may have been lost on the way.
    if (lacks && this.#nowMs - peer.answeredAtMs >= this.#holdingsIntervalMs) this.#answer(peer);
    return undefined;
  }

  /** Tells a peer everything that is durable here. */
  #answer(peer: IslandPeer): void {
    peer.answeredAtMs = this.#nowMs;
    this.#tell(peer.peer, this.#items.islands());
  }

  /** Called on every tick. `overdue`: what some write has waited for too long. */
  tick(nowMs: number, overdue: readonly HeldEntry[]): void {
    this.#nowMs = nowMs;
    for (const peer of this.#peers.values()) {
      peer.isSilent = nowMs - peer.toldAtMs >= this.#liveTimeoutMs;
      const isLate = overdue.some((entry) => !hasEntry(peer, entry));
      if (peer.mark === undefined && (peer.isSilent || isLate)) peer.mark = this.#known();
      else if (!peer.isSilent && !isLate) this.#maybeTakeBack(peer);
      const isStuck = peer.inFlight.length > 0 && nowMs - peer.progressAtMs >= peer.resendMs;
      if (isStuck) {
        peer.resendMs = Math.min(2 * peer.resendMs, islandResendMsMax);
        peer.inFlight = [];
        peer.sent = new Map();
      }
      this.#sendMissing(peer);
    }
    const isUseful = this.#open || this.#items.hasUnmerged;
    if (isUseful && nowMs - this.#toldAllAtMs >= this.#holdingsIntervalMs) this.#tellAll();
  }

  /** Something new is here, durable or on its way to the disk: all who lack it get it. */
  sendMissing(): void {
    for (const peer of this.#peers.values()) this.#sendMissing(peer);
  }

  /** These islands' items are durable here, up to where they say. */
  tellDurable(names: ReadonlySet<string>): void {
    const islands = [...names].map((name) => this.#items.island(name)!);
    for (const peer of this.#peers.keys()) this.#tell(peer, islands);
  }

  /** A peer has sent again what is here. */
  acknowledge(peer: number, names: ReadonlySet<string>): void {
    this.#tell(
      peer,
      [...names].map((name) => this.#items.island(name)!),
    );
  }

  /** Whether every server that writes wait for has it. */
  isComplete(entry: HeldEntry): boolean {
    for (const peer of this.#peers.values()) {
      if (peer.open && peer.mark === undefined && !hasEntry(peer, entry)) return false;
    }
    return true;
  }

  /** On how many disks of connected peers it is. */
  disksWith(entry: HeldEntry): number {
    let count = 0;
    for (const peer of this.#peers.values()) if (hasEntry(peer, entry)) count += 1;
    return count;
  }

  #tellAll(): void {
    this.#toldAllAtMs = this.#nowMs;
    for (const peer of this.#peers.values()) this.#answer(peer);
  }

  #tell(peer: number, islands: Iterable<KnownIsland>): void {
    const holdings: { island: { replicaId: number; nonce: bigint }; lastSequence: number }[] = [];
    for (const { id, durable } of islands) {
      const { replicaId, nonce } = id;
      if (durable > 0) holdings.push({ island: { replicaId, nonce }, lastSequence: durable });
    }
    this.#send(peer, { islandHoldings: { holdings, open: this.#open } });
  }

  /** The islands with their ends, where anything is not merged. */
  #known(): Map<string, number> {
    const known = new Map<string, number>();
    for (const island of this.#items.islands()) {
      if (island.unmergedCount > 0) known.set(island.name, lastOf(island));
    }
    return known;
  }

  #takeOutOfFlight(peer: IslandPeer): void {
    let told = 0;
    while (told < peer.inFlight.length) {
      const { island, last } = peer.inFlight[told]!;
      if ((peer.has.get(island) ?? 0) < last) break;
      told += 1;
    }
    if (told === 0) return;
    peer.inFlight.splice(0, told);
    peer.progressAtMs = this.#nowMs;
    peer.resendMs = islandResendMs;
  }

  /** Writes wait for a peer again when it has caught up with what is written meanwhile. */
  #maybeTakeBack(peer: IslandPeer): void {
    if (peer.mark === undefined || !peer.hasTold) return;
    for (const [name, last] of peer.mark) {
      const island = this.#items.island(name);
      if (island !== undefined && canFollow(peer, island) && (peer.has.get(name) ?? 0) < last)
        return;
    }
    peer.mark = this.#lackCount(peer) <= islandNearItems ? undefined : this.#known();
  }

  #lackCount(peer: IslandPeer): number {
    let count = 0;
    for (const island of this.#items.islands()) {
      if (island.unmergedCount === 0 || !canFollow(peer, island)) continue;
      count += Math.max(0, lastOf(island) - (peer.has.get(island.name) ?? 0));
    }
    return count;
  }

  /** Sends what a peer lacks, island by island from its oldest item on, so much at a time. */
  #sendMissing(peer: IslandPeer): void {
    if (!peer.hasTold) return;
    let inFlight = 0;
    for (const { bytes } of peer.inFlight) inFlight += bytes;
    let frame: HeldItem[] = [];
    let frameBytes = 0;
    const flush = (): void => {
      if (frame.length > 0) this.#send(peer.peer, { islandItems: { items: frame } });
      frame = [];
      frameBytes = 0;
    };
    if (peer.inFlight.length === 0) peer.progressAtMs = this.#nowMs;
    for (const island of this.#items.islands()) {
      const part = this.#nextFor(peer, island, islandBytesInFlightMax - inFlight);
      if (part.length === 0) continue;
      let bytes = 0;
      for (const copy of part) {
        if (frameBytes > 0 && frameBytes + copy.bytes.length > islandFrameBytesMax) flush();
        frame.push(copy.item);
        frameBytes += copy.bytes.length;
        bytes += copy.bytes.length;
      }
      const last = part.at(-1)!.item.sequence;
      peer.sent.set(island.name, last);
      peer.inFlight.push({ island: island.name, last, bytes });
      inFlight += bytes;
    }
    flush();
  }

  /** What comes next for a peer of one island, up to so many bytes. */
  #nextFor(peer: IslandPeer, island: KnownIsland, bytesMax: number): Copy[] {
    if (island.unmergedCount === 0 || !canFollow(peer, island)) return [];
    const { has, sent } = peer;
    const from = Math.max(has.get(island.name) ?? 0, sent.get(island.name) ?? 0);
    const part: Copy[] = [];
    let bytes = 0;
    for (let at = from - island.base; at < island.copies.length; at++) {
      const copy = island.copies[at]!;
      bytes += copy.bytes.length;
      if (bytes > bytesMax) break;
      part.push(copy);
    }
    return part;
  }
}

/** Where the peer lacks items that were erased here when they were merged, it cannot go on. */
function canFollow(peer: IslandPeer, island: KnownIsland): boolean {
  return (peer.has.get(island.name) ?? 0) >= island.base;
}

/** Whether a peer has told that it has this, in whatever copy. */
function hasEntry(peer: IslandPeer, entry: HeldEntry): boolean {
  return entry.copies.some(({ island, item }) => (peer.has.get(island) ?? 0) >= item.sequence);
}
