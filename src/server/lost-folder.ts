// What is written on the disk of a lost server that has turned up again, after the others went on
// without it: every message, for whoever brings them to the running cluster. Changes nothing in the
// folder but what any start would. Not here: which of them that cluster has already.
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { toHex64 } from "../base/bytes.ts";
import { commandsPerEntryMax } from "../base/position.ts";
import { type StoredMessage, storedMessages } from "../chat/index.ts";
import { operatorToken } from "../gateways/index.ts";
import { openExistingDataFolder } from "./data-folder.ts";
import { type FolderContents, readFolderContents, readHeldMessage } from "./folder-contents.ts";
import { StartError } from "./start-error.ts";

/** One message of a lost disk. */
export interface LostMessage extends Omit<StoredMessage, "position"> {
  /** In the state, behind it in the log, or held by an island. */
  readonly standing: "committed" | "tail" | "held";
  /** The last entry that this server knew to be committed when it took the message. */
  readonly commitIndex: number;
}

/** A lost disk, open until `close`. */
export interface LostFolder {
  readonly folder: string;
  readonly serverId: number;
  readonly clusterName: string;
  /** 16 hexadecimal digits. */
  readonly clusterId: string;
  /**
   * The operators' token of its cluster, which all that descend from it keep: a cluster with
   * another one has other people.
   */
  readonly operatorToken: string;
  /** Damage, a sentence each; what it hit is missing. */
  readonly findings: readonly string[];
  /** In the order of the log; what was set aside and what is held follow. */
  messages(): Generator<LostMessage, void>;
  close(): Promise<void>;
}

/** Opens one. Rejects with a StartError where it is in use, damaged beyond reading, or none. */
export async function openLostFolder(folderPath: string): Promise<LostFolder> {
  const path = resolve(folderPath);
  if (!existsSync(join(path, "identity"))) {
    throw new StartError(`${path} is not the data folder of a server`);
  }
  const folder = openExistingDataFolder(path, { damage: "report" });
  let contents: FolderContents | undefined;
  const close = async () => {
    await contents?.close();
    folder.close();
  };
  try {
    const { identity } = folder;
    contents = await readFolderContents(folder);
    const key = contents.chat.tokenKey();
    if (identity.formed === undefined || key === undefined) {
      throw new StartError(`the data folder ${path} belongs to no cluster yet: it holds nothing`);
    }
    const found = contents;
    return {
      folder: path,
      serverId: identity.replicaId,
      clusterName: identity.clusterName,
      clusterId: toHex64(identity.formed.clusterId),
      operatorToken: operatorToken(key),
      findings: [...contents.findings, ...folder.findings],
      messages: () => messagesOf(found),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function* messagesOf(contents: FolderContents): Generator<LostMessage, void> {
  const { chat, database, appliedIndex, held } = contents;
  for (const message of storedMessages(database)) {
    const isApplied = message.position < (appliedIndex + 1) * commandsPerEntryMax;
    yield { ...message, standing: isApplied ? "committed" : "tail", commitIndex: appliedIndex };
  }
  for (const item of held) {
    const message = readHeldMessage(chat, item);
    if (message === undefined) continue;
    yield { ...message, standing: "held", commitIndex: Number(item.commitIndex) };
  }
}
