// Taking snapshots of the own state at checkpoints, and cutting the log behind them
// (docs/decisions/0012). Not here: who decides that an entry is a checkpoint, the copying itself,
// and states of other servers (state-transfer.ts).
import { isCorruption } from "../base/sql-error.ts";
import type { StateCopy, StateStore } from "../io/state-store.ts";
import type { Entry } from "../raft/index.ts";
import type { SnapshotReader } from "./admin-service.ts";
import { logMarkBytes, logWaitCheckpoints } from "./limits.ts";
import type { ReplicaLog, ReplicaSizes } from "./options.ts";
import type { SnapshotFolder } from "./snapshot-port.ts";

/** What it needs of the replica. */
export interface SnapshotHooks {
  readonly folder: SnapshotFolder;
  readonly state: StateStore;
  readonly log: ReplicaLog;
  readonly sizes: ReplicaSizes;
  /** A later callback's turn. */
  turn(body: () => void): void;
  /**
   * Others need what comes after this index soon: they are being given a snapshot of it, or are
   * that far in the log. Infinity where nobody does.
   */
  neededAfter(): number;
  /** The state is what it should be, as far as is known: else nobody is to have a copy of it. */
  isTrusted(): boolean;
  /** Somebody here waits for a checkpoint that was left out: there should be another. */
  again(): void;
  /** A snapshot is complete. */
  taken(index: number, digest: Uint8Array): void;
  /** The state cannot be copied since it is damaged. */
  damaged(error: Error): void;
  note(message: string, fields: Readonly<Record<string, string | number | boolean>>): void;
}

/** A configuration as in a log entry, and where it stands. */
export interface EncodedConfiguration {
  readonly index: number;
  readonly bytes: Uint8Array;
}

type CheckpointWaiter = {
  readonly index: number;
  readonly done: (reader: SnapshotReader | undefined) => void;
};

/** In so many steps the log of earlier lives can be cut. */
const estimatedMarks = 32;

/** One server's own snapshots. */
export class Snapshots {
  readonly #hooks: SnapshotHooks;
  #isBusy = false;
  /** A checkpoint was left out since the last copy began. */
  #hasMissed = false;
  #waiters: CheckpointWaiter[] = [];
  /** How many bytes of entries had been applied at which index, since the start; rising. */
  readonly #marks: { readonly index: number; readonly bytes: number }[] = [];
  #appliedBytes = 0;
  #bytesAtCheckpoint = 0;
  /** Those of the applied entries, rising; the first one counts before the others. */
  #configurations: EncodedConfiguration[];

  /** `configuration`: the newest of what is applied. */
  constructor(
    hooks: SnapshotHooks,
    applied: { readonly configuration: EncodedConfiguration; readonly index: number },
  ) {
    this.#hooks = hooks;
    this.#configurations = [applied.configuration];
    this.#estimate(applied.index);
  }

  /**
   * How much the log had grown before this start, taking all entries for equally long: else a
   * server that is started anew ever so often would never cut its log.
   */
  #estimate(appliedIndex: number): void {
    const { log, folder } = this.#hooks;
    const before = log.firstIndex() - 1;
    const count = appliedIndex - before;
    if (count <= 0) return;
    const bytesEach = log.bytes() / (log.lastIndex() - before);
    this.#appliedBytes = count * bytesEach;
    const snapshotIndex = folder.newest()?.index ?? 0;
    this.#bytesAtCheckpoint = Math.max(0, snapshotIndex - before) * bytesEach;
    for (let part = 1; part <= estimatedMarks; part++) {
      const behind = Math.ceil((count * part) / estimatedMarks);
      const index = before + behind;
      // What the configuration was before this one is not known here.
      if (index < this.#configurations[0]!.index || index === this.#marks.at(-1)?.index) continue;
      this.#marks.push({ index, bytes: behind * bytesEach });
    }
  }

  /** The log has grown so much since the last checkpoint that another is due. */
  get isDue(): boolean {
    return this.#appliedBytes - this.#bytesAtCheckpoint >= this.#hooks.sizes.checkpointBytes;
  }

  /** A copy is under way: a checkpoint that is applied meanwhile is left out here. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  /**
   * What the log lacks is in the state alone, since that was fetched: there is to be a copy at
   * once, as whoever is behind could have it of nobody else, should its source be lost.
   */
  get isLacking(): boolean {
    const { folder, log } = this.#hooks;
    return (folder.newest()?.index ?? 0) < log.base().index;
  }

  /** An entry has been applied. */
  handleApplied(entry: Entry): void {
    const { index, kind, payload } = entry;
    if (kind === "configuration") this.#configurations.push({ index, bytes: payload });
    this.#appliedBytes += payload.length;
    const last = this.#marks.at(-1)?.bytes ?? 0;
    const step = Math.min(logMarkBytes, this.#hooks.sizes.checkpointBytes / 8);
    if (this.#marks.length > 0 && this.#appliedBytes - last < step) return;
    this.#marks.push({ index, bytes: this.#appliedBytes });
  }

  /** Calls back when the snapshot of this checkpoint, or of a later one, is complete. */
  whenTaken(index: number, done: CheckpointWaiter["done"]): void {
    const newest = this.#hooks.folder.newest();
    if (newest !== undefined && newest.index >= index) {
      done(this.#hooks.folder.open(newest.index));
    } else {
      this.#waiters.push({ index, done });
    }
  }

  /**
   * A checkpoint entry has been applied; `resume` is called when the state may change again. While
   * an earlier copy is under way this one is left out.
   */
  take(index: number, resume: () => void): void {
    this.#bytesAtCheckpoint = this.#appliedBytes;
    if (this.#isBusy || !this.#hooks.isTrusted()) {
      this.#hasMissed = true;
      resume();
      return;
    }
    this.#isBusy = true;
    this.#hasMissed = false;
    const { folder, state, turn } = this.#hooks;
    state.copyTo(folder.copyName, {
      held: () => turn(resume),
      done: (copy) => turn(() => this.#handleCopied(index, copy)),
    });
  }

  #handleCopied(index: number, copy: StateCopy | Error): void {
    this.#isBusy = false;
    this.#keep(index, copy);
    if (this.#hasMissed && this.#waiters.length > 0) this.#hooks.again();
  }

  #keep(index: number, copy: StateCopy | Error): void {
    // It was found to be wrong meanwhile.
    if (!this.#hooks.isTrusted()) return;
    if (copy instanceof Error) {
      if (isCorruption(copy)) {
        this.#hooks.damaged(copy);
        return;
      }
      this.#hooks.note("no snapshot could be taken", { problem: copy.message });
      this.#tell(index, true);
      return;
    }
    const { folder, log } = this.#hooks;
    const configuration = this.#configurationAt(index);
    const term = log.term(index);
    // Compacted meanwhile, by a state that was fetched.
    if (term === undefined) return;
    folder.complete({ index, term, configuration, size: copy.size, digest: copy.digest });
    this.#hooks.taken(index, copy.digest);
    this.#tell(index, false);
    this.#compact(index);
  }

  /** The server stops, or gets another state: nobody waits for this one any more. */
  end(): void {
    for (const { done } of this.#waiters.splice(0)) done(undefined);
  }

  #configurationAt(index: number): Uint8Array {
    const at = this.#configurations.findLast((one) => one.index <= index);
    return (at ?? this.#configurations[0]!).bytes;
  }

  /** The newest noted index behind which so many bytes have been applied; 0 for none. */
  #indexBefore(bytes: number): number {
    const atMost = this.#appliedBytes - bytes;
    return this.#marks.findLast((mark) => mark.bytes <= atMost)?.index ?? 0;
  }

  #tell(index: number, hasFailed: boolean): void {
    const ready = this.#waiters.filter((waiter) => waiter.index <= index);
    this.#waiters = this.#waiters.filter((waiter) => waiter.index > index);
    for (const { done } of ready) done(hasFailed ? undefined : this.#hooks.folder.open(index));
  }

  /** Cuts the log behind the snapshot, but for what others may soon ask for. */
  #compact(index: number): void {
    const { log, sizes, turn, neededAfter } = this.#hooks;
    const { logKeepBytes, checkpointBytes } = sizes;
    const mayCut = this.#indexBefore(logKeepBytes);
    // A log that grows without end serves nobody: whoever is so far behind fetches a state.
    const mustCut = this.#indexBefore(logKeepBytes + logWaitCheckpoints * checkpointBytes);
    const base = Math.min(index, Math.max(mustCut, Math.min(mayCut, neededAfter())));
    if (base < log.firstIndex()) return;
    while ((this.#marks[0]?.index ?? base) < base) this.#marks.shift();
    const context = this.#configurationAt(base);
    const later = this.#configurations.filter((one) => one.index > base);
    this.#configurations = [{ index: base, bytes: context }, ...later];
    log.compact({ index: base, context }, (error) => {
      if (error !== undefined) turn(() => raise(error));
    });
  }
}

function raise(error: Error): never {
  throw error;
}
