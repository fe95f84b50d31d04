// What the data folder of a stopped server holds, read into a database of its own: its state, the
// entries of its log that it does not know to be committed, what an island holds. For recovery and
// for lost disks that turn up. Changes nothing in the folder but what any start would.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { type Chat, SchemaTooNewError, type StoredMessage } from "../chat/index.ts";
import type { Database } from "../io/database.ts";
import { CommandSchema } from "../proto/gen/chat/v1/command_pb.js";
import { type HeldItem, HeldItemSchema } from "../proto/gen/cluster/v1/peer_pb.js";
import { decodeEntry } from "../replica/index.ts";
import type { DataFolder } from "./data-folder.ts";
import { inspectBatchBytes } from "./limits.ts";
import { findState, type OfflineState } from "./offline-state.ts";
import { StartError } from "./start-error.ts";

/** What stands in the log behind the state. */
export interface LogTail {
  readonly entries: number;
  readonly commands: number;
  /** Messages among them that are accepted when they are applied. */
  readonly messages: number;
}

/** What was read; `close` it. */
export interface FolderContents {
  /** The state with the tail applied. */
  readonly chat: Chat;
  readonly database: Database;
  /** Up to here the folder's own state has the log: so far it was committed. */
  readonly appliedIndex: number;
  /** Why chat.db counts for nothing; empty where it counts. */
  readonly stateProblem: string;
  /**
   * Path of a copy of the snapshot that stands for chat.db then; undefined where the log has all.
   */
  readonly snapshot: string | undefined;
  /** The last entry that is sure; the log's last one where it is not damaged. */
  readonly lastIndex: number;
  /** From here on entries are lost by damage. */
  readonly lostFrom: number | undefined;
  /** Damage of the log, a sentence each. */
  readonly findings: readonly string[];
  readonly tail: LogTail;
  /** Cluster time of the last entry that has one; 0 where none has. */
  readonly lastStampMs: number;
  /** What an island holds and neither state nor tail has, in the order in which it was taken. */
  readonly held: readonly HeldItem[];
  close(): Promise<void>;
}

/**
 * Reads an open folder. Rejects with a StartError where there is no state to build on: chat.db is
 * damaged or behind, no snapshot helps, and the log does not begin with its first entry.
 */
export async function readFolderContents(folder: DataFolder): Promise<FolderContents> {
  const scratch = mkdtempSync(join(tmpdir(), "holdfast-contents-"));
  let state: OfflineState | undefined;
  const close = async () => {
    await state?.close();
    rmSync(scratch, { recursive: true, force: true });
  };
  try {
    const hasAll = (index: number) => index >= logEnds(folder, index).baseIndex;
    state = await findState(folder, { scratch, hasAll });
    const { chat, database, problem: stateProblem, snapshot } = state;
    const appliedIndex = chat.appliedIndex();
    const ends = logEnds(folder, appliedIndex);
    const { tail, lastStampMs } = applyTail(folder, chat, ends);
    const held = readHeld(folder, chat);
    const { lostFrom, lastIndex, findings } = ends;
    const facts = { appliedIndex, lastIndex, lostFrom, findings, lastStampMs, tail, held };
    return { chat, database, stateProblem, snapshot, ...facts, close };
  } catch (error) {
    await close();
    if (error instanceof SchemaTooNewError) throw new StartError(error.message);
    throw error;
  }
}

/** A held message with the names of who wrote it and where; undefined for what is none. */
export function readHeldMessage(
  chat: Chat,
  { command: bytes, timestampMs }: Pick<HeldItem, "command" | "timestampMs">,
): Omit<StoredMessage, "position"> | undefined {
  const { id: commandId, userId, body: content } = fromBinary(CommandSchema, bytes);
  if (content.case !== "sendMessage") return undefined;
  const { roomId, body } = content.value;
  const room = chat.findRoom(userId, { roomId });
  return {
    roomName: room.kind === "rejected" ? "" : room.name,
    authorUsername: chat.person(userId)?.username ?? "",
    commandId,
    body,
    writtenMs: Number(timestampMs),
    command: bytes,
  };
}

interface LogEnds {
  /** The log is sure behind this entry. */
  readonly baseIndex: number;
  readonly lastIndex: number;
  readonly lostFrom: number | undefined;
  readonly findings: readonly string[];
}

/** What of the log can be used with a state that has so much. */
function logEnds({ log }: DataFolder, appliedIndex: number): LogEnds {
  const damage = log.damage();
  if (damage === undefined) {
    const [baseIndex, lastIndex] = [log.firstIndex() - 1, log.lastIndex()];
    if (lastIndex >= appliedIndex)
      return { baseIndex, lastIndex, lostFrom: undefined, findings: [] };
    // Nothing is applied before it is durable in the log.
    const finding = `the log ends with entry ${lastIndex}, before the state does`;
    return { baseIndex, lastIndex, lostFrom: appliedIndex + 1, findings: [finding] };
  }
  const { base, lastIndex, lostFrom } = damage.judge({ index: appliedIndex });
  const findings = damage.findings.map(
    ({ file, offset, reason }) => `${file} is damaged at byte ${offset}: ${reason}`,
  );
  return { baseIndex: base.index, lastIndex, lostFrom, findings };
}

/** Brings everything behind the state into it, as if it were committed. */
function applyTail(
  { log }: DataFolder,
  chat: Chat,
  { lastIndex }: LogEnds,
): { readonly tail: LogTail; readonly lastStampMs: number } {
  const first = chat.appliedIndex() + 1;
  let [commands, messages] = [0, 0];
  let lastStampMs = stampAt(log, Math.min(first - 1, lastIndex));
  for (let next = first; next <= lastIndex; ) {
    const entries = log.entries(next, lastIndex + 1, inspectBatchBytes);
    for (const entry of entries) {
      const { committed } = decodeEntry(entry);
      commands += committed.commands.length;
      lastStampMs = Math.max(lastStampMs, committed.timestampMs);
      for (const { outcome } of chat.apply([committed])) {
        const isNew = outcome.kind === "accepted" && !outcome.repeated;
        const { kind } = isNew ? outcome.answer : outcome;
        if (kind === "sent" || kind === "setAside") messages += 1;
      }
    }
    next += entries.length;
  }
  const entries = Math.max(0, lastIndex - first + 1);
  return { tail: { entries, commands, messages }, lastStampMs };
}

/** The newest stamp at or before an entry; a few entries back is as far as one can be missing. */
function stampAt(log: DataFolder["log"], index: number): number {
  const isReadable = log.damage() === undefined;
  for (let at = index; isReadable && at >= log.firstIndex() && at > index - stampScanMax; at--) {
    const [entry] = log.entries(at, at + 1, 0);
    const stampMs = entry === undefined ? 0 : decodeEntry(entry).committed.timestampMs;
    if (stampMs > 0) return stampMs;
  }
  return 0;
}

const stampScanMax = 1_000;

/** One of each: several islands may have taken the same. */
function readHeld({ islandLog }: DataFolder, chat: Chat): HeldItem[] {
  const held = new Map<string, HeldItem>();
  for (const bytes of islandLog.items()) {
    const item = fromBinary(HeldItemSchema, bytes);
    const key = chat.heldKey(item.command);
    if (key === undefined || held.has(key) || chat.isMerged(item.command)) continue;
    held.set(key, item);
  }
  return [...held.values()];
}
