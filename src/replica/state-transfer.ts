// Fetching a state from whichever server has it, and giving it to those who ask
// (docs/decisions/0012): pieces with checksums, asked for one after the other, on from what is on
// the disk after a break. Not here: why a state is needed, and its installation.
import { equalBytes } from "../base/bytes.ts";
import type { StateStore } from "../io/state-store.ts";
import type { SnapshotPiece, SnapshotRequest } from "../proto/gen/cluster/v1/peer_pb.js";
import { decodeConfiguration } from "../raft/index.ts";
import { crc32c } from "../storage/index.ts";
import type { SnapshotReader } from "./admin-service.ts";
import {
  agreementWaitMs,
  snapshotMissesMax,
  snapshotPieceBytes,
  snapshotPiecesAhead,
  snapshotReaderIdleMs,
  snapshotRetryMs,
} from "./limits.ts";
import type { Extras } from "./peers.ts";
import type { IncomingFile, SnapshotFacts, SnapshotFolder } from "./snapshot-port.ts";

/** What state is needed. */
export interface StateWish {
  /** Of at least this index. */
  readonly minIndex: number;
  /** Undefined: any digest. */
  readonly digest?: Uint8Array;
  /** Why, for the operator. */
  readonly reason: string;
}

/** A server that can be asked. */
export interface StateSource {
  readonly peerId: number;
  /** Index of its newest snapshot, 0 for none, and its digest. */
  readonly snapshotIndex: number;
  readonly snapshotDigest: Uint8Array;
  readonly leads: boolean;
}

/** What it needs of the replica. */
export interface StateTransferHooks {
  readonly folder: SnapshotFolder;
  readonly state: StateStore;
  send(peer: number, extras: Extras): void;
  sources(): readonly StateSource[];
  /** The digest that a majority has at this index, where that is known. */
  agreedAt(index: number): Uint8Array | undefined;
  /** Enough others with a vote are connected for their digests to make a majority. */
  mayAgree(): boolean;
  /** Nobody has a snapshot that would do: have one taken. */
  askForCheckpoint(): void;
  /** A later callback's turn. */
  turn(body: () => void): void;
  /** The state is whole, checked, and marked ready: the server starts anew. */
  ready(facts: SnapshotFacts): void;
  note(message: string, fields: Readonly<Record<string, string | number | boolean>>): void;
}

interface Fetch {
  readonly facts: SnapshotFacts;
  readonly file: IncomingFile;
  /** The next offset to ask for. */
  askedTo: number;
}

/** One server's fetching and giving. */
export class StateTransfer {
  readonly #hooks: StateTransferHooks;
  #wish: StateWish | undefined;
  #fetch: Fetch | undefined;
  /** Whom all is asked of, 0 for nobody, and how often it has not answered as it should. */
  #asked = 0;
  #misses = 0;
  #wishedAtMs = Number.NEGATIVE_INFINITY;
  #heardAtMs = Number.NEGATIVE_INFINITY;
  #checkpointAskedAtMs = Number.NEGATIVE_INFINITY;
  #isFinishing = false;
  /** Snapshots that others read from, by index. */
  readonly #readers = new Map<number, { reader: SnapshotReader; usedAtMs: number }>();

  constructor(hooks: StateTransferHooks) {
    this.#hooks = hooks;
  }

  /** What is being fetched, and how far; undefined where nothing is needed. */
  get progress(): { readonly reason: string; readonly percent: number } | undefined {
    if (this.#wish === undefined) return undefined;
    const { facts, file } = this.#fetch ?? {};
    const percent = facts === undefined ? 0 : Math.floor((100 * file!.nextOffset) / facts.size);
    return { reason: this.#wish.reason, percent };
  }

  /** Oldest index that is being read by somebody; Infinity where none is. */
  get oldestGiven(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.#readers.keys());
  }

  /**
   * A state is needed; the wish of the higher index counts, and one with a digest before one
   * without.
   */
  want(wish: StateWish): void {
    const now = this.#wish;
    if (now !== undefined && now.minIndex >= wish.minIndex && wish.digest === undefined) return;
    if (now?.digest !== undefined && wish.digest === undefined) return;
    if (now?.minIndex === wish.minIndex && now.digest !== undefined) return;
    if (now === undefined)
      this.#hooks.note("a state is fetched from another server", { ...plain(wish) });
    this.#wish = wish;
    if (this.#fetch !== undefined && this.#fits(this.#fetch.facts)) return;
    this.#fetch = undefined;
    this.#asked = 0;
  }

  tick(nowMs: number): void {
    this.#closeIdle(nowMs);
    if (this.#wish === undefined || this.#isFinishing) return;
    if (nowMs - this.#heardAtMs < snapshotRetryMs && this.#asked !== 0) return;
    if (this.#wishedAtMs === Number.NEGATIVE_INFINITY) this.#wishedAtMs = nowMs;
    this.#heardAtMs = nowMs;
    this.#misses += 1;
    this.#askAgain(nowMs);
  }

  /** Asks from what is here on, of the same server unless that has failed too often. */
  #askAgain(nowMs: number): void {
    const source = this.#chooseSource(nowMs);
    if (source === "wait") return;
    if (source === undefined) {
      this.#asked = 0;
      if (nowMs - this.#checkpointAskedAtMs < 5 * snapshotRetryMs) return;
      this.#checkpointAskedAtMs = nowMs;
      this.#hooks.askForCheckpoint();
      return;
    }
    if (source.peerId !== this.#asked) {
      this.#misses = 0;
      // Copies of one index on two servers are different files. What an earlier life has left on
      // the disk goes on, should it be of this server; the check at the end tells.
      if (this.#fetch !== undefined) this.#hooks.folder.clearIncoming();
      this.#fetch = undefined;
    }
    this.#asked = source.peerId;
    const offset = this.#fetch?.file.nextOffset ?? 0;
    this.#ask(source.peerId, this.#fetch?.facts.index ?? 0, offset);
    this.#askAhead();
  }

  /**
   * One that has what a majority has, followers first: leaders are busy. Where it is not known yet
   * what a majority has, that is waited for, but not for long.
   */
  #chooseSource(nowMs: number): StateSource | "wait" | undefined {
    const wish = this.#wish!;
    const isAgreed = (source: StateSource): boolean | undefined => {
      const agreed = this.#hooks.agreedAt(source.snapshotIndex);
      return agreed && equalBytes(agreed, source.snapshotDigest);
    };
    const rank = (source: StateSource): number =>
      (isAgreed(source) === true ? 0 : 2) + (source.leads ? 1 : 0);
    const fitting = this.#hooks
      .sources()
      .filter(({ snapshotIndex }) => snapshotIndex >= wish.minIndex && snapshotIndex > 0)
      .filter((source) => isAgreed(source) !== false)
      .sort((a, b) => rank(a) - rank(b) || a.peerId - b.peerId);
    const best = fitting[0];
    const isSure = best === undefined || isAgreed(best) === true || !this.#hooks.mayAgree();
    if (!isSure && nowMs - this.#wishedAtMs < agreementWaitMs) return "wait";
    const at = fitting.findIndex(({ peerId }) => peerId === this.#asked);
    if (at >= 0 && this.#misses < snapshotMissesMax) return fitting[at];
    return fitting[(at + 1) % Math.max(1, fitting.length)];
  }

  #ask(peer: number, index: number, offset: number): void {
    const snapshotRequest = { index: BigInt(index), offset: BigInt(offset) };
    this.#hooks.send(peer, { snapshotRequest });
    if (this.#fetch !== undefined) this.#fetch.askedTo = offset + snapshotPieceBytes;
  }

  #askAhead(): void {
    const fetch = this.#fetch;
    if (fetch === undefined) return;
    const { facts, file } = fetch;
    const end = Math.min(facts.size, file.nextOffset + snapshotPiecesAhead * snapshotPieceBytes);
    fetch.askedTo = Math.max(fetch.askedTo, file.nextOffset);
    while (fetch.askedTo < end) this.#ask(this.#asked, facts.index, fetch.askedTo);
  }

  handlePiece(from: number, piece: SnapshotPiece, nowMs: number): void {
    if (this.#wish === undefined || this.#isFinishing || from !== this.#asked) return;
    const facts = factsOf(piece);
    const isNone = piece.index === 0n;
    // An answer to what was asked before this fetch began.
    const isOther = this.#fetch !== undefined && !sameFacts(this.#fetch.facts, facts);
    if (isOther && !isNone) return;
    if (!isSound(facts) || !this.#fits(facts)) {
      this.#misses = snapshotMissesMax;
      this.#heardAtMs = Number.NEGATIVE_INFINITY;
      return;
    }
    const { bytes } = piece;
    if (bytes.length > snapshotPieceBytes || crc32c(bytes, 0, bytes.length) !== piece.crc) {
      this.#heardAtMs = Number.NEGATIVE_INFINITY;
      return;
    }
    const fetch = this.#fetchOf(facts);
    const { file } = fetch;
    const isNext = Number(piece.offset) === file.nextOffset;
    if (isNext && bytes.length > 0 && file.nextOffset + bytes.length <= facts.size) {
      file.write(bytes);
      this.#heardAtMs = nowMs;
      this.#misses = 0;
    }
    if (file.nextOffset === facts.size) this.#finish(fetch);
    else this.#askAhead();
  }

  #fits(facts: SnapshotFacts): boolean {
    const wish = this.#wish!;
    if (facts.index < wish.minIndex) return false;
    const isWished = wish.digest !== undefined && facts.index === wish.minIndex;
    const digest = isWished ? wish.digest : this.#hooks.agreedAt(facts.index);
    return digest === undefined || equalBytes(facts.digest, digest);
  }

  /** The fetch under way; the first piece begins it. */
  #fetchOf(facts: SnapshotFacts): Fetch {
    if (this.#fetch === undefined) {
      const file = this.#hooks.folder.incoming(facts);
      this.#fetch = { facts, file, askedTo: file.nextOffset };
    }
    return this.#fetch;
  }

  #finish({ facts, file }: Fetch): void {
    this.#isFinishing = true;
    file.finish((error) =>
      this.#hooks.turn(() => {
        if (error !== undefined) throw error;
        this.#hooks.state.inspect(file.name, (copy) =>
          this.#hooks.turn(() => this.#handleInspected(facts, copy)),
        );
      }),
    );
  }

  #handleInspected(facts: SnapshotFacts, copy: { readonly digest: Uint8Array } | Error): void {
    const isWhole = !(copy instanceof Error) && equalBytes(copy.digest, facts.digest);
    // What is wished may be another state by now.
    if (isWhole && this.#fits(facts)) {
      this.#hooks.folder.markReady();
      this.#hooks.ready(facts);
      return;
    }
    this.#hooks.note("a fetched state is not what it should be; it is fetched again", {
      from: this.#asked,
      index: facts.index,
    });
    this.#hooks.folder.clearIncoming();
    this.#fetch = undefined;
    this.#isFinishing = false;
    this.#misses = snapshotMissesMax;
    this.#heardAtMs = Number.NEGATIVE_INFINITY;
  }

  // ---- Giving -----------------------------------------------------------------------------------

  handleRequest(from: number, request: SnapshotRequest, nowMs: number): void {
    const index = Number(request.index) || (this.#hooks.folder.newest()?.index ?? 0);
    const reader = this.#readerOf(index, nowMs);
    if (reader === undefined) {
      this.#hooks.send(from, { snapshotPiece: { index: 0n } });
      return;
    }
    const { term, configuration, size, digest } = reader;
    const offset = Number(request.offset);
    const bytes = offset < size ? this.#read(reader, offset) : noBytes;
    if (bytes === undefined) return;
    this.#hooks.send(from, {
      snapshotPiece: {
        index: BigInt(index),
        term: BigInt(term),
        configuration,
        size: BigInt(size),
        digest,
        offset: BigInt(offset),
        bytes,
        crc: crc32c(bytes, 0, bytes.length),
      },
    });
  }

  /** A piece that is damaged on this disk is not given; the other server asks elsewhere. */
  #read(reader: SnapshotReader, offset: number): Uint8Array | undefined {
    try {
      return reader.read(offset, snapshotPieceBytes);
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      this.#hooks.note("a snapshot cannot be read", { index: reader.index, problem });
      this.#readers.delete(reader.index);
      reader.close();
      return undefined;
    }
  }

  #readerOf(index: number, nowMs: number): SnapshotReader | undefined {
    const known = this.#readers.get(index);
    if (known !== undefined) {
      known.usedAtMs = nowMs;
      return known.reader;
    }
    const reader = index === 0 ? undefined : this.#hooks.folder.open(index);
    if (reader !== undefined) this.#readers.set(index, { reader, usedAtMs: nowMs });
    return reader;
  }

  #closeIdle(nowMs: number): void {
    for (const [index, { reader, usedAtMs }] of this.#readers) {
      if (nowMs - usedAtMs < snapshotReaderIdleMs) continue;
      this.#readers.delete(index);
      reader.close();
    }
  }

  /** The server stops. */
  close(): void {
    for (const { reader } of this.#readers.values()) reader.close();
    this.#readers.clear();
  }
}

/** Of a SHA-256. */
const digestBytes = 32;
const noBytes = new Uint8Array(0);

/** Nothing that could not be kept, or begun with: peers are to be trusted, bytes are not. */
function isSound({ index, term, configuration, size, digest }: SnapshotFacts): boolean {
  const isInteger = [index, term, size].every((value) => Number.isSafeInteger(value) && value > 0);
  if (!isInteger || digest.length !== digestBytes) return false;
  return (decodeConfiguration(configuration)?.voters.length ?? 0) > 0;
}

function sameFacts(a: SnapshotFacts, b: SnapshotFacts): boolean {
  return a.index === b.index && a.size === b.size && equalBytes(a.digest, b.digest);
}

function factsOf(piece: SnapshotPiece): SnapshotFacts {
  const { configuration, digest } = piece;
  return {
    index: Number(piece.index),
    term: Number(piece.term),
    configuration,
    size: Number(piece.size),
    digest,
  };
}

function plain({ minIndex, reason }: StateWish) {
  return { minIndex, reason };
}
