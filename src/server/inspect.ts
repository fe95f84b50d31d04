// Reads the data folder of a stopped server and tells what it holds: every message, and whether it
// is known to be committed or stands in the log's tail, where only the other servers can tell
// (design.md §6). Works by replaying the log into a temporary database. Changes nothing but what
// any start would: a torn tail is cut off.
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { toHex, toHex64 } from "../base/bytes.ts";
import type { Chat } from "../chat/index.ts";
import type { Event, TimelineItem } from "../proto/gen/chat/v1/event_pb.js";
import { decodeEntry } from "../replica/index.ts";
import { chatFileName, openChatFile } from "./chat-state.ts";
import { type DataFolder, openExistingDataFolder } from "./data-folder.ts";
import { inspectBatchBytes } from "./limits.ts";
import { StartError } from "./start-error.ts";

/** Whether the chat state on this disk has it, or only the log does. */
export type Standing = "committed" | "tail";

/** One message. */
export interface InspectedMessage {
  readonly room: string;
  readonly number: number;
  readonly author: string;
  /** 32 hexadecimal digits. */
  readonly commandId: string;
  readonly body: string;
  readonly position: number;
  readonly timestampMs: number;
  readonly standing: Standing;
}

/** What to read, and who wants the messages. */
export interface InspectOptions {
  readonly folder: string;
  /** Called for each message, in the order of the log. */
  readonly onMessage?: (message: InspectedMessage) => void;
}

/** What a folder holds. */
export interface Inspection {
  readonly folder: string;
  readonly serverId: number;
  readonly clusterName: string;
  /** 16 hexadecimal digits; empty where the cluster was never formed. */
  readonly clusterId: string;
  readonly term: number;
  readonly votedFor: number;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly logBytes: number;
  /** Up to here the chat state of this disk has the log: at least so far it is committed. */
  readonly appliedIndex: number;
  readonly rooms: number;
  readonly committedMessages: number;
  readonly tailMessages: number;
}

/** Reads a folder. Rejects with a StartError where it is in use, damaged, or no data folder. */
export async function inspectFolder(options: InspectOptions): Promise<Inspection> {
  const path = resolve(options.folder);
  if (!existsSync(join(path, "identity"))) {
    throw new StartError(`${path} is not the data folder of a server`);
  }
  const folder = openExistingDataFolder(path);
  const scratch = mkdtempSync(join(tmpdir(), "holdfast-inspect-"));
  try {
    return await replay(folder, scratch, options);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
    folder.close();
  }
}

async function replay(
  folder: DataFolder,
  scratch: string,
  options: InspectOptions,
): Promise<Inspection> {
  const appliedIndex = await readAppliedIndex(folder.path, scratch);
  const state = openChatFile(join(scratch, "replayed.db"), throwFailure);
  try {
    const reader = new LogReader(state.chat, appliedIndex, options.onMessage);
    reader.readAll(folder);
    return summarize(folder, appliedIndex, reader);
  } finally {
    await state.close();
  }
}

/**
 * Up to where the folder's own chat.db has applied the log; read from a copy, so that the folder
 * stays as it is.
 */
async function readAppliedIndex(path: string, scratch: string): Promise<number> {
  for (const suffix of ["", "-wal"]) {
    const file = join(path, chatFileName + suffix);
    if (existsSync(file)) copyFileSync(file, join(scratch, chatFileName + suffix));
  }
  const state = openChatFile(join(scratch, chatFileName), throwFailure);
  const appliedIndex = state.chat.appliedIndex();
  await state.close();
  return appliedIndex;
}

function throwFailure(error: Error): never {
  throw error;
}

function summarize(folder: DataFolder, appliedIndex: number, reader: LogReader): Inspection {
  const { identity, log, votes } = folder;
  const { term, votedFor } = votes.current();
  return {
    folder: folder.path,
    serverId: identity.replicaId,
    clusterName: identity.clusterName,
    clusterId: identity.formed === undefined ? "" : toHex64(identity.formed.clusterId),
    term,
    votedFor,
    firstIndex: log.firstIndex(),
    lastIndex: log.lastIndex(),
    logBytes: log.bytes(),
    appliedIndex,
    rooms: reader.rooms.size,
    committedMessages: reader.counts.committed,
    tailMessages: reader.counts.tail,
  };
}

/** Applies a log from its first entry and picks the messages out of what happens. */
class LogReader {
  readonly rooms = new Map<number, string>();
  readonly counts: Record<Standing, number> = { committed: 0, tail: 0 };
  readonly #chat: Chat;
  readonly #appliedIndex: number;
  readonly #onMessage: ((message: InspectedMessage) => void) | undefined;

  constructor(
    chat: Chat,
    appliedIndex: number,
    onMessage: ((message: InspectedMessage) => void) | undefined,
  ) {
    this.#chat = chat;
    this.#appliedIndex = appliedIndex;
    this.#onMessage = onMessage;
  }

  readAll({ log, path }: DataFolder): void {
    if (log.firstIndex() !== 1) {
      throw new StartError(`the log in ${path} does not begin at its first entry`);
    }
    const end = log.lastIndex() + 1;
    for (let next = 1; next < end; ) {
      const entries = log.entries(next, end, inspectBatchBytes);
      // One entry a call: what happened is told by entry, and that decides where it stands.
      for (const entry of entries) {
        for (const { events } of this.#chat.apply([decodeEntry(entry).committed])) {
          for (const { event } of events) this.#take(event, entry.index);
        }
      }
      next += entries.length;
    }
  }

  #take(event: Event, index: number): void {
    const { body } = event;
    if (body.case === "roomCreated") this.rooms.set(body.value.roomId, body.value.name);
    if (body.case === "item" && body.value.content.case === "body") {
      const standing = index <= this.#appliedIndex ? "committed" : "tail";
      this.counts[standing] += 1;
      this.#onMessage?.(this.#toMessage(body.value, body.value.content.value, standing));
    }
  }

  #toMessage(item: TimelineItem, body: string, standing: Standing): InspectedMessage {
    return {
      room: this.rooms.get(item.roomId) ?? String(item.roomId),
      number: item.number,
      author: item.authorUsername,
      commandId: toHex(item.commandId),
      body,
      position: Number(item.position),
      timestampMs: Number(item.timestampMs),
      standing,
    };
  }
}
