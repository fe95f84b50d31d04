// Who takes part, as of every place in the log where that changes: a configuration counts from the
// moment its entry is in the log, and no longer when the entry is cut (Raft §6). Does not propose
// changes (configuration-change.ts) and counts no votes.
import { assert } from "../base/assert.ts";
import type { LogReader } from "./config.ts";
import {
  configurationContextBytesMax,
  configurationMembersMax,
  configurationScanBytes,
} from "./limits.ts";
import type { Configuration, Entry, LogIndex, ReplicaId } from "./types.ts";

const encodingVersion = 2;
const noContext = new Uint8Array(0);

/**
 * Bytes of a configuration: version, three counts, the ids in four bytes each, the length of the
 * context in four bytes, the context; numbers little-endian. Version 1 ended after the ids.
 */
export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const lists = [configuration.voters, configuration.votersOutgoing, configuration.learners];
  const count = lists.reduce((sum, list) => sum + list.length, 0);
  assert(count <= configurationMembersMax, "too many members in a configuration");
  const { context } = configuration;
  assert(context.length <= configurationContextBytesMax, "a configuration's context is too large");
  const bytes = new Uint8Array(8 + count * 4 + context.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = encodingVersion;
  let at = 4;
  for (const [which, list] of lists.entries()) {
    bytes[1 + which] = list.length;
    for (const id of list) {
      view.setUint32(at, id, true);
      at += 4;
    }
  }
  view.setUint32(at, context.length, true);
  bytes.set(context, at + 4);
  return bytes;
}

/** The configuration that bytes stand for; undefined where they are none. */
export function decodeConfiguration(bytes: Uint8Array): Configuration | undefined {
  const version = bytes[0];
  if (bytes.length < 4 || (version !== 1 && version !== encodingVersion)) return undefined;
  const counts = [bytes[1]!, bytes[2]!, bytes[3]!] as const;
  const count = counts[0] + counts[1] + counts[2];
  const idsEnd = 4 + count * 4;
  if (count > configurationMembersMax || bytes.length < idsEnd) return undefined;
  const context = version === 1 ? bytes.subarray(idsEnd) : decodeContext(bytes.subarray(idsEnd));
  if (context === undefined || (version === 1 && context.length > 0)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const ids: ReplicaId[] = [];
  for (let at = 4; at < idsEnd; at += 4) {
    const id = view.getUint32(at, true);
    if (id === 0) return undefined;
    ids.push(id);
  }
  const outgoingEnd = counts[0] + counts[1];
  return {
    voters: ids.slice(0, counts[0]),
    votersOutgoing: ids.slice(counts[0], outgoingEnd),
    learners: ids.slice(outgoingEnd),
    context: context.length === 0 ? noContext : context.slice(),
  };
}

/** The context after its length; undefined where the length is not that of what follows. */
function decodeContext(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < 4 || bytes.length - 4 > configurationContextBytesMax) return undefined;
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  return length === bytes.length - 4 ? bytes.subarray(4) : undefined;
}

/** Whether `id` has a vote, in either list. */
export function isVoter(configuration: Configuration, id: ReplicaId): boolean {
  return configuration.voters.includes(id) || configuration.votersOutgoing.includes(id);
}

/** Everyone with a vote, once each, by id. */
export function allVoters(configuration: Configuration): ReplicaId[] {
  return sortedOnce([...configuration.voters, ...configuration.votersOutgoing]);
}

/** Everyone who receives the log, once each, by id. */
export function allMembers(configuration: Configuration): ReplicaId[] {
  return sortedOnce([...allVoters(configuration), ...configuration.learners]);
}

function sortedOnce(ids: readonly ReplicaId[]): ReplicaId[] {
  return [...new Set(ids)].sort((a, b) => a - b);
}

/** A configuration and its place in the log. */
export interface ConfigurationAt {
  /** Index of its entry, or of the snapshot it came with, or 0. */
  readonly index: LogIndex;
  readonly configuration: Configuration;
}

/**
 * The configurations of this replica's log. Invariant: `#history` is never empty, rises by index,
 * and only its first may be at or below commitIndex.
 */
export class Membership {
  #history: ConfigurationAt[];

  /** `configuration` holds before the log's first entry. */
  constructor(configuration: Configuration, log: LogReader) {
    this.#history = [{ index: log.firstIndex() - 1, configuration }];
    const end = log.lastIndex() + 1;
    for (let next = log.firstIndex(); next < end; ) {
      const entries = log.entries(next, end, configurationScanBytes);
      assert(entries.length > 0, "the log reader gave no entries");
      this.appended(entries);
      next += entries.length;
    }
  }

  /** The newest configuration in the log, committed or not (Raft §6). */
  get current(): Configuration {
    return this.#history[this.#history.length - 1]!.configuration;
  }

  /** Where the newest one is. */
  get currentIndex(): LogIndex {
    return this.#history[this.#history.length - 1]!.index;
  }

  /** The newest one that is known to be committed. */
  get committedConfiguration(): ConfigurationAt {
    return this.#history[0]!;
  }

  /** Whether a change is under way: the newest one is joint, or not known to be committed. */
  get isChanging(): boolean {
    return this.#history.length > 1 || this.current.votersOutgoing.length > 0;
  }

  /**
   * Whether `id` has a vote in the newest configuration or in an older one that may still be in
   * force, since nothing newer is known to be committed.
   */
  mayBeVoter(id: ReplicaId): boolean {
    return this.#history.some(({ configuration }) => isVoter(configuration, id));
  }

  /** Takes in new entries of the log. True when `current` is another one now. */
  appended(entries: readonly Entry[]): boolean {
    let changed = false;
    for (const entry of entries) {
      if (entry.kind !== "configuration") continue;
      const configuration = decodeConfiguration(entry.payload);
      assert(configuration !== undefined, `entry ${entry.index} is no configuration`);
      this.#history.push({ index: entry.index, configuration });
      changed = true;
    }
    return changed;
  }

  /** The log was cut at `index`. True when `current` is another one now. */
  cut(index: LogIndex): boolean {
    const before = this.#history.length;
    while (this.#history.length > 1 && this.#history[this.#history.length - 1]!.index >= index) {
      this.#history.pop();
    }
    return this.#history.length !== before;
  }

  /**
   * Entries up to `index` are committed: what came before the newest of them can no longer return.
   */
  committed(index: LogIndex): void {
    while (this.#history.length > 1 && this.#history[1]!.index <= index) this.#history.shift();
  }

  /** The log begins anew after a snapshot with this configuration. */
  restore(index: LogIndex, configuration: Configuration): void {
    this.#history = [{ index, configuration }];
  }
}
