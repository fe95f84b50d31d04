// Island mode of one replica (docs/decisions/0013): opens without a leader and a majority, takes
// commands and holds them on the disks of the servers that are together, closes with a leader and
// has everything merged. Called inside the replica's turns; time is that of the last tick. Not
// here: the set of items, its copies on other servers, the proposing (island-*.ts); the Raft log,
// which is never touched.
import { assert } from "../base/assert.ts";
import type {
  HeldItem,
  IslandHoldings,
  IslandItems as WireItems,
} from "../proto/gen/cluster/v1/peer_pb.js";
import { IslandExchange } from "./island-exchange.ts";
import { IslandHealing } from "./island-healing.ts";
import type { IslandHooks, IslandTick, TakeAnswer } from "./island-hooks.ts";
import {
  type Copy,
  createItem,
  type HeldEntry,
  IslandItems,
  type ItemVerdict,
  islandName,
  lastOf,
} from "./island-items.ts";
import { islandNotesMax, takeTimeoutMs } from "./island-limits.ts";
import type { IslandChange, IslandService } from "./island-service.ts";
import { IslandWaiters } from "./island-waiters.ts";
import { commandBytesMax } from "./limits.ts";

export type {
  IslandHooks,
  IslandStateMachine,
  IslandTick,
  TailCommand,
  TakeAnswer,
} from "./island-hooks.ts";
export type { IslandLogPort } from "./island-items.ts";

/** The island side of one replica; made once, before its first turn. */
export class Island<Outcome> implements IslandService {
  readonly #hooks: IslandHooks<Outcome>;
  readonly #items: IslandItems;
  readonly #exchange: IslandExchange;
  readonly #healing: IslandHealing;
  readonly #waiters = new IslandWaiters<TakeAnswer<Outcome>>();
  readonly #listeners = new Set<(change: IslandChange) => void>();
  #mode: "closed" | "opening" | "open" = "closed";
  /** This separation's. Undefined while closed. */
  #own: { readonly replicaId: number; readonly nonce: bigint } | undefined;
  #nowMs = 0;
  #leaderlessSinceMs: number | undefined;
  /** Ticks in a row with a leader. */
  #leaderTicks = 0;
  /** Items that wait for the write under way. */
  #unwritten: Copy[] = [];
  #isWriting = false;
  #serversTold = 0;
  /** The newest entry that has merged an item, as far as is known. */
  #lastMergeIndex = 0;
  #safeIndex = 0;
  readonly #notes = new Map<number, number>();

  constructor(hooks: IslandHooks<Outcome>) {
    this.#hooks = hooks;
    const { stateMachine, liveTimeoutMs } = hooks;
    this.#items = new IslandItems((command) => stateMachine.heldKey(command));
    this.#exchange = new IslandExchange({
      items: this.#items,
      liveTimeoutMs,
      send: (peer, extras) => hooks.send(peer, extras),
    });
    this.#healing = new IslandHealing({
      items: this.#items,
      propose: (entry, done) => hooks.propose(this.#mergeCommand(entry.shown!.item), done),
    });
    this.#load();
  }

  // ---- Service ----------------------------------------------------------------------------------

  islandState(): { readonly open: boolean; readonly servers: number } {
    const { open } = this;
    return { open, servers: open ? this.#exchange.servers : 0 };
  }

  heldItems(): readonly HeldItem[] {
    return Array.from(this.#items.unmerged(), (entry) => entry.shown!.item);
  }

  subscribeIsland(listener: (change: IslandChange) => void): () => void {
    // A listener that is given twice is heard twice.
    const own = (change: IslandChange): void => listener(change);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** Whether this server is in island mode: commands are to be given to `take`. */
  get open(): boolean {
    return this.#mode === "open";
  }

  /** How many items are held here and not merged. */
  get heldCount(): number {
    return this.#items.shownCount;
  }

  /** Whether `handleApplied` has anything to look for. */
  get hasHeld(): boolean {
    return this.#items.hasUnmerged;
  }

  // ---- Inputs -----------------------------------------------------------------------------------

  /** Called on every tick from the moment on at which this server takes part in consensus. */
  tick(now: IslandTick): void {
    this.#nowMs = now.nowMs;
    if (now.leader !== 0) {
      this.#leaderlessSinceMs = undefined;
      this.#leaderTicks += 1;
    } else {
      this.#leaderTicks = 0;
      this.#leaderlessSinceMs ??= now.nowMs;
    }
    const overdue = this.#waiters.since(now.nowMs - this.#hooks.liveTimeoutMs);
    this.#exchange.tick(now.nowMs, overdue.filter(isDurable));
    if (this.#mode === "closed" && this.#mayOpen(now)) this.#startOpening();
    else if (this.#mode !== "closed" && this.#leaderTicks >= 2) this.#close();
    for (const entry of this.#healing.takeMerged()) {
      this.#markMerged(entry, this.#hooks.stateMachine.appliedIndex());
    }
    if (this.#mode === "closed" && this.#leaderTicks >= 2) this.#healing.run();
    this.#settle();
    // This disk hangs. What it holds in the end is merged none the less: the id is the same.
    for (const entry of this.#waiters.since(now.nowMs - takeTimeoutMs)) {
      this.#waiters.release(entry, { kind: "released" });
    }
    this.#maybeErase();
  }

  /** The replica ends: all who wait are released, and nothing is taken any more. */
  stop(): void {
    this.#mode = "closed";
    this.#waiters.releaseAll({ kind: "released" });
  }

  /**
   * Takes a command, new or given before, here or at another server of the island. Calls back once,
   * also from inside the call.
   */
  take(command: Uint8Array, done: (answer: TakeAnswer<Outcome>) => void): void {
    const found = this.#findOrHold(command);
    if (found.kind !== "entry") {
      done(found);
      return;
    }
    this.#waiters.add(found.entry, { nowMs: this.#nowMs, done });
    this.#write();
    this.#maybeAnswer(found.entry);
  }

  #findOrHold(
    command: Uint8Array,
  ): TakeAnswer<Outcome> | { readonly kind: "entry"; readonly entry: HeldEntry } {
    if (!this.open) return { kind: "released" };
    const { stateMachine } = this.#hooks;
    const key = stateMachine.heldKey(command);
    const known = key === undefined ? undefined : this.#items.entry(key);
    if (known !== undefined && !known.isMerged) return { kind: "entry", entry: known };
    const outcome = stateMachine.judgeHeld(command);
    if (outcome !== undefined) return { kind: "notHeld", outcome };
    if (known !== undefined) return { kind: "released" };
    const copy = this.#hold(command, this.#hooks.clusterTimeMs());
    return copy === undefined ? { kind: "overloaded" } : { kind: "entry", entry: copy.entry };
  }

  handleConnected(peer: number): void {
    this.#notes.delete(peer);
    this.#exchange.handleConnected(peer);
  }

  handleDisconnected(peer: number): void {
    this.#exchange.handleDisconnected(peer);
    this.#settle();
  }

  /** A peer tells what it has. */
  handleHoldings(peer: number, holdings: IslandHoldings): void {
    const problem = this.#exchange.handleHoldings(peer, holdings);
    if (problem !== undefined) this.#complain(peer, problem);
    this.#settle();
  }

  /** A peer has sent items that it believes to be lacking here. */
  handleItems(peer: number, { items }: WireItems): void {
    const known = new Set<string>();
    const problems = new Set<string>();
    for (const item of items) {
      const verdict = this.#judge(item);
      if (verdict.kind === "next") this.#takeCopy(item);
      else if (verdict.kind === "known") known.add(islandName(item.island!));
      else problems.add(verdict.reason);
    }
    // What is known here is told again: the first word of it may have been lost on the way.
    if (known.size > 0) this.#exchange.acknowledge(peer, known);
    for (const problem of problems) this.#complain(peer, problem);
    this.#write();
  }

  /** These commands have been applied to the state here, up to this entry. */
  handleApplied(commands: readonly Uint8Array[], index: number): void {
    if (!this.#items.hasUnmerged) return;
    const { stateMachine } = this.#hooks;
    for (const command of commands) {
      const key = stateMachine.heldKey(command);
      const entry = key === undefined ? undefined : this.#items.entry(key);
      if (entry === undefined || entry.isMerged) continue;
      if (stateMachine.isMerged(entry.copies[0]!.item.command)) this.#markMerged(entry, index);
    }
    this.#maybeErase();
  }

  /**
   * A snapshot at this index or a later one is on the disks of a majority of the voters: what was
   * merged before it needs no island log any more.
   */
  handleSnapshotsSafeUpTo(index: number): void {
    this.#safeIndex = Math.max(this.#safeIndex, index);
    this.#maybeErase();
  }

  /** The state here comes from a snapshot: it may have what is held. */
  handleStateReplaced(): void {
    const { stateMachine } = this.#hooks;
    for (const entry of [...this.#items.unmerged()]) {
      if (!stateMachine.isMerged(entry.copies[0]!.item.command)) continue;
      this.#markMerged(entry, stateMachine.appliedIndex());
    }
    this.#maybeErase();
  }

  // ---- Mode -------------------------------------------------------------------------------------

  #mayOpen(now: IslandTick): boolean {
    const { survival, islandAfterMs } = this.#hooks;
    if (survival !== "island" || now.isMajorityConnected) return false;
    if (now.nowMs - (this.#leaderlessSinceMs ?? now.nowMs) < islandAfterMs) return false;
    // Only a voter begins an island, so one that is open has a voter in it, or had one.
    return now.leader === 0 && (now.isVoter || this.#exchange.openPeers > 0);
  }

  /** Takes the log's tail first; when that is durable the mode is open. */
  #startOpening(): void {
    const { ownId } = this.#hooks;
    this.#mode = "opening";
    do {
      this.#own = { replicaId: ownId, nonce: this.#hooks.drawNonce() };
    } while (this.#items.island(islandName(this.#own)) !== undefined);
    this.#items.observeAll(this.#hooks.clusterTimeMs());
    this.#takeTail();
    this.#write();
    this.#maybeFinishOpening();
  }

  #takeTail(): void {
    const { stateMachine } = this.#hooks;
    for (const { command, timestampMs } of this.#hooks.tail()) {
      if (!stateMachine.isHoldable(command)) continue;
      const key = stateMachine.heldKey(command);
      if (key === undefined || this.#items.entry(key) !== undefined) continue;
      if (stateMachine.isMerged(command)) continue;
      if (this.#hold(command, timestampMs) === undefined) {
        this.#hooks.note("warn", "the island has no room for all of the log's tail", {});
        return;
      }
    }
  }

  #maybeFinishOpening(): void {
    if (this.#mode !== "opening") return;
    const own = this.#items.island(islandName(this.#own!));
    if (own !== undefined && own.durable < lastOf(own)) return;
    this.#mode = "open";
    this.#exchange.setOpen(true);
    this.#serversTold = this.#exchange.servers;
    const servers = this.#serversTold;
    this.#hooks.note("warn", "island mode has begun: no leader and no majority", { servers });
    this.#tell({ kind: "opened", servers });
    this.#hooks.handleOpened();
  }

  #close(): void {
    const wasOpen = this.open;
    this.#mode = "closed";
    this.#own = undefined;
    if (!wasOpen) return;
    this.#exchange.setOpen(false);
    const held = this.heldCount;
    this.#hooks.note("info", "island mode has ended: there is a leader", { held });
    this.#tell({ kind: "closed" });
    this.#waiters.releaseAll({ kind: "released" });
  }

  // ---- Items ------------------------------------------------------------------------------------

  #load(): void {
    const copies = this.#hooks.log.items().map((bytes) => this.#items.load(bytes));
    this.#items.markDurable(copies);
    this.handleStateReplaced();
  }

  /** A new item of this server; undefined where there is no room. */
  #hold(command: Uint8Array, timeMs: number): Copy | undefined {
    const island = this.#own;
    assert(island !== undefined, "an island that takes something has a name");
    assert(command.length <= commandBytesMax, "a command is within its limit");
    const name = islandName(island);
    if (!this.#items.hasRoom(command.length, name)) return undefined;
    const timestampMs = Math.max(0, Math.floor(timeMs));
    const item = createItem({
      island,
      sequence: (this.#items.island(name)?.copies.length ?? 0) + 1,
      hybridTime: this.#items.clock.next(timestampMs),
      commitIndex: BigInt(this.#hooks.commitIndex()),
      timestampMs: BigInt(timestampMs),
      command,
      configurationIndex: BigInt(this.#hooks.configurationIndex()),
    });
    const copy = this.#items.add(item);
    this.#unwritten.push(copy);
    return copy;
  }

  #judge(item: HeldItem): ItemVerdict {
    const { island } = item;
    const verdict = this.#items.judge(item);
    if (verdict.kind !== "next") return verdict;
    const isOwn = this.#own?.replicaId === island?.replicaId && this.#own?.nonce === island?.nonce;
    if (isOwn) return { kind: "ignored", reason: "an item under this server's own number" };
    try {
      this.#mergeCommand(item);
    } catch {
      // Nothing may be held that would stop this server when it is merged.
      return { kind: "ignored", reason: "an item that cannot be merged" };
    }
    return verdict;
  }

  #takeCopy(item: HeldItem): void {
    const { stateMachine } = this.#hooks;
    const copy = this.#items.add(item);
    this.#items.clock.observe(item.hybridTime, this.#hooks.clusterTimeMs());
    this.#unwritten.push(copy);
    if (!copy.entry.isMerged && stateMachine.isMerged(item.command)) {
      this.#markMerged(copy.entry, stateMachine.appliedIndex());
    }
  }

  #mergeCommand({ command, timestampMs, commitIndex }: HeldItem): Uint8Array {
    const numbers = { timestampMs: Number(timestampMs), commitIndex: Number(commitIndex) };
    return this.#hooks.stateMachine.mergeCommand({ command, ...numbers });
  }

  #markMerged(entry: HeldEntry, index: number): void {
    this.#items.markMerged(entry);
    this.#lastMergeIndex = Math.max(this.#lastMergeIndex, index);
    // The ordinary way has its outcome.
    this.#waiters.release(entry, { kind: "released" });
  }

  /** Begins the next write, unless one is under way: many items share one fsync. */
  #write(): void {
    if (this.#isWriting || this.#unwritten.length === 0) return;
    const copies = this.#unwritten;
    this.#unwritten = [];
    this.#isWriting = true;
    // The others get them meanwhile; each tells only what is on its own disk.
    this.#exchange.sendMissing();
    let isInside = true;
    const handleDone = (error?: Error): void => {
      if (error !== undefined) throw error;
      this.#handleWritten(copies);
    };
    this.#hooks.log.append(
      copies.map(({ bytes }) => bytes),
      (error) => (isInside ? handleDone(error) : this.#hooks.turn(() => handleDone(error))),
    );
    isInside = false;
  }

  #handleWritten(copies: readonly Copy[]): void {
    this.#isWriting = false;
    const shown = this.#items.markDurable(copies);
    this.#exchange.tellDurable(new Set(copies.map(({ island }) => island)));
    this.#write();
    this.#maybeFinishOpening();
    if (shown.length > 0) this.#tell({ kind: "held", items: shown.map(({ item }) => item) });
    this.#settle();
    this.#maybeErase();
  }

  /** Answers those whose item is on every disk that they wait for; tells how many are together. */
  #settle(): void {
    for (const entry of this.#waiters.entries()) this.#maybeAnswer(entry);
    const { servers } = this.#exchange;
    if (!this.open || servers === this.#serversTold) return;
    this.#serversTold = servers;
    this.#tell({ kind: "opened", servers });
  }

  #maybeAnswer(entry: HeldEntry): void {
    if (entry.shown === undefined || !this.#exchange.isComplete(entry)) return;
    const disks = 1 + this.#exchange.disksWith(entry);
    const timestampMs = Number(entry.shown.item.timestampMs);
    this.#waiters.release(entry, { kind: "held", disks, timestampMs });
  }

  #maybeErase(): void {
    const isIdle = this.#mode === "closed" && !this.#isWriting && this.#unwritten.length === 0;
    if (!isIdle || this.#items.count === 0 || this.#items.hasUnmerged) return;
    if (this.#safeIndex < this.#lastMergeIndex) return;
    const items = this.#items.count;
    this.#hooks.log.erase();
    this.#items.erase();
    this.#hooks.note("info", "everything that was held is merged and erased", { items });
  }

  #tell(change: IslandChange): void {
    for (const listener of this.#listeners) listener(change);
  }

  /** Bounded, since a peer that is wrong is wrong again and again. */
  #complain(peer: number, problem: string): void {
    const count = (this.#notes.get(peer) ?? 0) + 1;
    this.#notes.set(peer, count);
    if (count > islandNotesMax) return;
    this.#hooks.note("warn", "ignored what a peer says of its island", { peer, problem });
  }
}

function isDurable(entry: HeldEntry): boolean {
  return entry.shown !== undefined;
}
