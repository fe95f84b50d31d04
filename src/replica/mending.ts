// What a start does before the replica takes part (docs/decisions/0012): puts a fetched state in
// its place, and makes of a damaged log one that can be trusted, given what the state has. Each
// step may be repeated after a crash. Not here: finding the damage (storage), and fetching (state-
// transfer.ts).
import type { Clock } from "../io/clock.ts";
import type { StateFiles } from "../io/state-store.ts";
import { encodeConfiguration } from "../raft/index.ts";
import type { AppliedEntry, LogStore } from "../storage/index.ts";
import {
  type FolderFinding,
  FolderRefusedError,
  type ReplicaFolder,
  whenLogExists,
} from "./folder.ts";
import type { ReplicaIdentity } from "./identity.ts";
import { mendScanBytes } from "./limits.ts";
import { foundingConfiguration, votersKnownTo } from "./member-table.ts";

/**
 * Calls back when the folder is ready for the state machine's database to be opened: the log has a
 * file, and a state that was fetched is in its place. With the error where that cannot be.
 */
export function whenReady(
  folder: ReplicaFolder,
  { clock, files }: { readonly clock: Clock; readonly files: StateFiles },
  done: (error?: Error) => void,
): void {
  whenLogExists(folder, clock, (error) => {
    if (error !== undefined) {
      done(error);
      return;
    }
    try {
      if (folder.hasBegunAnew) files.setAside();
      install(folder, files, done);
    } catch (problem) {
      done(problem instanceof Error ? problem : new Error(String(problem)));
    }
  });
}

/**
 * Raft §7: the log goes on behind the snapshot where it holds its last entry, else it begins anew.
 */
function install(folder: ReplicaFolder, files: StateFiles, done: (error?: Error) => void): void {
  const { log, snapshots } = folder;
  const ready = snapshots.ready();
  if (ready === undefined) {
    done();
    return;
  }
  const { index, term, configuration, name } = ready;
  if (folder.disk.exists(name)) files.replaceWith(name);
  // What is left of a damaged log is judged by the state that is there now. Its term is known here
  // and nowhere later: an entry of another one at that index must not be taken for what was
  // applied.
  resolveDamage(folder, { index, term }, (at) =>
    at === index ? configuration : contextAt(folder, at),
  );
  const finish = (error?: Error): void => {
    if (error === undefined) snapshots.clearReady();
    done(error);
  };
  if (log.term(index) === term) finish();
  else log.restart({ index, term, context: configuration }, finish);
}

/** What mending came to. */
export interface Mended {
  /** With what the mending changed; durable. */
  readonly identity: ReplicaIdentity;
  /** For the operator: what was found and what was done. */
  readonly findings: readonly FolderFinding[];
  /**
   * The state holds entries that the log has lost: it is to be set aside, and is made anew from the
   * log or fetched.
   */
  readonly isStateAhead: boolean;
}

/**
 * Makes the log one that can be used, given up to where the state has applied it. Where entries may
 * be lost that this server has acknowledged, it will abstain from votes until it has them again.
 * Throws a FolderRefusedError where it is the only one with a vote, since nobody else has them.
 */
export function mendLog(folder: ReplicaFolder, appliedIndex: number): Mended {
  const { log } = folder;
  const { hasLost } = resolveDamage(folder, { index: appliedIndex }, (at) => contextAt(folder, at));
  const lastIndex = log.lastIndex();
  const isStateAhead = appliedIndex > lastIndex;
  // Nothing is applied before it is durable here: what is missing was cut off as torn, or is gone.
  if (isStateAhead && !hasLost) forget(folder, lastIndex + 1);
  // Also where it was found out by an earlier start, or with the whole log.
  else if (folder.identity.abstains) refuseAlone(folder, lastIndex + 1);
  return { identity: folder.identity, findings: [...folder.findings], isStateAhead };
}

/** Makes a damaged log whole; `hasLost`: entries may be lost that were acknowledged. */
function resolveDamage(
  folder: ReplicaFolder,
  applied: AppliedEntry,
  contextOf: (index: number) => Uint8Array,
): { readonly hasLost: boolean } {
  const damage = folder.log.damage();
  if (damage === undefined) return { hasLost: false };
  for (const { file, offset, reason } of damage.findings) {
    folder.noteFinding(`${file} is damaged at byte ${offset}: ${reason}`);
  }
  const { lostFrom, base } = damage.judge(applied);
  if (lostFrom !== undefined) forget(folder, lostFrom);
  folder.noteFinding(`the log goes on after entry ${base.index}`);
  damage.resolve(applied, contextOf);
  return { hasLost: lostFrom !== undefined };
}

/** Durable before the log shows no loss any more. */
function forget(folder: ReplicaFolder, lostFrom: number): void {
  refuseAlone(folder, lostFrom);
  const { identity } = folder;
  folder.saveIdentity({ ...identity, abstains: true, logEpoch: identity.logEpoch + 1 });
  folder.noteFinding(`entries from ${lostFrom} on may be lost; they are fetched from the others`);
}

/** The configuration as of an entry, as in a log entry, by what can be read of the log. */
export function contextAt(folder: ReplicaFolder, index: number): Uint8Array {
  const { identity } = folder;
  const found = scan(folder.log, index);
  const kept = identity.configuration;
  if (found !== undefined && found.index >= kept.index) return found.bytes;
  if (kept.index > 0) return kept.bytes;
  const base = folder.log.base();
  if (base.index > 0) return base.context;
  return encodeConfiguration(foundingConfiguration(identity.formed?.founders ?? []));
}

/** The newest configuration at or before `index` that can be read. */
function scan(log: LogStore, index: number): { index: number; bytes: Uint8Array } | undefined {
  let found: { index: number; bytes: Uint8Array } | undefined;
  const holes = log.damage()?.holes ?? [];
  for (let at = log.firstIndex(); at <= Math.min(index, log.lastIndex()); ) {
    const hole = holes.find(({ from, to }) => from <= at && at <= to);
    if (hole !== undefined) {
      at = hole.to + 1;
      continue;
    }
    const next = holes.find(({ from }) => from > at)?.from ?? log.lastIndex() + 1;
    const entries = log.entries(at, Math.min(next, index + 1), mendScanBytes);
    for (const entry of entries) {
      if (entry.kind === "configuration") found = { index: entry.index, bytes: entry.payload };
    }
    at += entries.length;
  }
  return found;
}

/** Nobody else has what the only voter has lost. */
function refuseAlone(folder: ReplicaFolder, lostFrom: number): void {
  const { identity, log, path } = folder;
  const voters = votersKnownTo(identity);
  if (voters.length !== 1 || voters[0] !== identity.replicaId) return;
  const what = log.damage()?.findings[0];
  const where = what === undefined ? "" : ` (${what.file}, byte ${what.offset}: ${what.reason})`;
  throw new FolderRefusedError(
    `the data folder ${path} has lost entries from ${lostFrom} on${where}, and no other server ` +
      "has them: restore a backup, or keep what is left with holdfast recover",
  );
}
