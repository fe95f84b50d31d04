// The vote: term and votedFor, durable before it is given (Raft §5.2, product row S4). Two fsyncs a
// change.
import { assert } from "../base/assert.ts";
import type { Disk } from "../io/disk.ts";
import { DamageError } from "./damage-error.ts";
import { voteSlotBytes } from "./limits.ts";
import { TwinStore } from "./twin-store.ts";
import type { HardState } from "./types.ts";

const voteBytes = 16;
const twoTo32 = 0x1_0000_0000;

/** What the vote's store is told. */
export interface VoteStoreOptions {
  /** File name relative to the data folder ("vote"). */
  readonly name?: string;
  /**
   * True where this data folder is known to have been in use: then a missing vote is damage, not a
   * first start.
   */
  readonly required: boolean;
  /** Hears of a copy that was not intact and was mended from the other one. */
  readonly onMended?: (damage: DamageError) => void;
}

/** Keeps the hard state. */
export class VoteStore {
  readonly #twin: TwinStore;
  #current: HardState = { term: 0, votedFor: 0 };

  /**
   * Reads it, or begins with term 0. Throws a DamageError where it cannot be read: a forgotten vote
   * is a double vote.
   */
  constructor(disk: Disk, options: VoteStoreOptions) {
    const { name = "vote" } = options;
    this.#twin = new TwinStore(disk, { ...options, name, slotBytes: voteSlotBytes });
    const bytes = this.#twin.current();
    if (bytes === undefined) {
      this.save({ term: 0, votedFor: 0 });
      return;
    }
    if (bytes.length !== voteBytes) {
      throw new DamageError({ file: name, offset: 0, reason: `a vote of ${bytes.length} bytes` });
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#current = { term: getUint53(view, 0), votedFor: getUint53(view, 8) };
  }

  current(): HardState {
    return this.#current;
  }

  /**
   * Makes a new hard state durable before it returns. Terms never fall, and a vote is not changed
   * within its term. Throws the disk's error, which is final.
   */
  save(next: HardState): void {
    const { term, votedFor } = this.#current;
    assert(next.term >= term, "a term falls");
    const kept = next.term > term || votedFor === 0 || next.votedFor === votedFor;
    assert(kept, `a second vote in term ${term}`);
    const bytes = new Uint8Array(voteBytes);
    const view = new DataView(bytes.buffer);
    setUint53(view, 0, next.term);
    setUint53(view, 8, next.votedFor);
    this.#twin.save(bytes);
    this.#current = { term: next.term, votedFor: next.votedFor };
  }

  close(): void {
    this.#twin.close();
  }
}

function setUint53(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % twoTo32, true);
  view.setUint32(at + 4, Math.floor(value / twoTo32), true);
}

function getUint53(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * twoTo32;
}
