// For tests of this folder: the data folder of a stopped server of three, with people, a room and
// messages in its state, its log's tail, and its island log. No server runs.
import { join } from "node:path";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { openChat } from "../chat/index.ts";
import { HostDatabase } from "../host/index.ts";
import { CommandSchema } from "../proto/gen/chat/v1/command_pb.js";
import { EntryPayloadSchema, HeldItemSchema } from "../proto/gen/cluster/v1/peer_pb.js";
import { decodeEntry } from "../replica/index.ts";
import { whenFolderReady } from "./chat-state.ts";
import { type DataFolder, openDataFolder } from "./data-folder.ts";

/** Cluster time of the first entry; each further one is a second later. */
export const startMs = 1_700_000_000_000;
export const tokenKey: Uint8Array = new Uint8Array(32).fill(9);

/** What the folder is to hold. */
export interface MadeFolder {
  readonly path: string;
  readonly clusterId?: bigint;
  /** Where the members' clients are served; the index is the id - 1. */
  readonly clientAddresses?: readonly string[];
  /** Bodies of messages that are in the state. */
  readonly applied?: readonly string[];
  /** Bodies of messages that are in the log alone. */
  readonly tail?: readonly string[];
  /** Bodies of messages that are in the island log alone. */
  readonly held?: readonly string[];
}

type Content = NonNullable<MessageInitShape<typeof CommandSchema>["body"]>;

/** 16 bytes that follow from a text. */
export function commandIdOf(text: string): Uint8Array {
  const id = new Uint8Array(16).fill(1);
  Buffer.from(text).copy(id);
  return id;
}

function command(text: string, userId: number, body: Content): Uint8Array {
  const id = commandIdOf(text);
  return toBinary(CommandSchema, create(CommandSchema, { id, userId, sessionId: userId, body }));
}

/** A message of ada's into the room of all. */
export function messageCommand(body: string): Uint8Array {
  return command(body, 1, { case: "sendMessage", value: { roomId: 2, body } });
}

/** Person 1 is ada, room 2 is team; together they take the first four entries. */
function foundation(): Uint8Array[] {
  const passwordHash = `$argon2id$v=19$m=19456,t=2,p=1$${"c".repeat(22)}$${"d".repeat(43)}`;
  const ada = { username: "ada", displayName: "Ada", passwordHash };
  return [
    command("init", 0, { case: "initializeCluster", value: { tokenKey } }),
    command("register", 0, { case: "registerUser", value: ada }),
    command("open", 0, { case: "openSession", value: { userId: 1, passwordHash, device: "test" } }),
    command("room", 1, { case: "createRoom", value: { name: "team" } }),
  ];
}

/** Makes it, and closes it. Its server has id 1. */
export async function makeFolder(options: MadeFolder): Promise<void> {
  const { path, clusterId = 5n, applied = [], tail = [], held = [] } = options;
  const folder = openDataFolder({
    folder: path,
    replicaId: 1,
    newReplicaId: 1,
    clusterName: "ward-7",
    drawBirthNonce: () => 11n,
  });
  try {
    await whenFolderReady(folder);
    const founders = [1, 2, 3].map((replicaId) => ({
      replicaId,
      birthNonce: BigInt(11 * replicaId),
      peerAddress: `10.0.0.${replicaId}:4901`,
      clientAddress: options.clientAddresses?.[replicaId - 1] ?? "",
    }));
    folder.saveIdentity({ ...folder.identity, formed: { clusterId, founders } });
    folder.votes.save({ term: 3, votedFor: 2 });
    const commands = [...foundation(), ...applied.map(messageCommand)];
    await appendAll(folder, [...commands, ...tail.map(messageCommand)]);
    await applyAll(folder, commands.length);
    await holdAll(folder, held);
  } finally {
    folder.close();
  }
}

function appendAll(folder: DataFolder, commands: readonly Uint8Array[]): Promise<void> {
  const entries = commands.map((bytes, i) => ({
    index: i + 1,
    term: 3,
    kind: "commands" as const,
    payload: toBinary(
      EntryPayloadSchema,
      create(EntryPayloadSchema, {
        timestampMs: BigInt(startMs + i * 1000),
        proposals: [{ originId: 1, originSequence: BigInt(i + 1), command: bytes }],
      }),
    ),
  }));
  return settle((done) => folder.log.append(entries, done));
}

async function applyAll(folder: DataFolder, lastIndex: number): Promise<void> {
  const onFailure = (error: Error): never => {
    throw error;
  };
  const database = new HostDatabase({ path: join(folder.path, "chat.db"), onFailure });
  const chat = openChat(database);
  for (const entry of folder.log.entries(1, lastIndex + 1, 1e9)) {
    for (const { outcome } of chat.apply([decodeEntry(entry).committed])) {
      if (outcome.kind === "rejected") throw new Error(outcome.message);
    }
  }
  database.close();
  await database.whenClosed();
}

function holdAll(folder: DataFolder, bodies: readonly string[]): Promise<void> {
  const items = bodies.map((body, i) =>
    toBinary(
      HeldItemSchema,
      create(HeldItemSchema, {
        island: { replicaId: 1, nonce: 3n },
        sequence: i + 1,
        hybridTime: BigInt(startMs + 100_000 + i) << 16n,
        timestampMs: BigInt(startMs + 100_000 + i),
        commitIndex: 4n,
        command: messageCommand(body),
      }),
    ),
  );
  return settle((done) => folder.islandLog.append(items, done));
}

function settle(begin: (done: (error?: Error) => void) => void): Promise<void> {
  return new Promise((resolve, reject) =>
    begin((error) => (error === undefined ? resolve() : reject(error))),
  );
}
