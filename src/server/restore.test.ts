// A backup becomes a folder, or nothing does.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { toHex64 } from "../base/bytes.ts";
import { openChat } from "../chat/index.ts";
import { type BackupHeader, operatorToken, writeBackup } from "../gateways/index.ts";
import { HostDatabase } from "../host/index.ts";
import type { StateCopy } from "../io/state-store.ts";
import { knownMembers } from "../replica/index.ts";
import { createTemporaryFolder } from "../testing/index.ts";
import { isRefusal, loadConfig, type ServerConfig } from "./config.ts";
import { openExistingDataFolder } from "./data-folder.ts";
import { openLostFolder } from "./lost-folder.ts";
import { makeFolder, tokenKey } from "./made-folder.test-support.ts";
import { type Restored, restoreBackup } from "./restore.ts";
import { StartError } from "./start-error.ts";

/** Threads that read databases take long to start on a busy machine. */
const timeoutMs = 60_000;
vi.setConfig({ testTimeout: timeoutMs });

function newFolder(): string {
  const { path, remove } = createTemporaryFolder();
  onTestFinished(remove);
  return path;
}

/** A snapshot of a state with two messages, and what a server would say of it. */
let snapshot: { readonly bytes: Uint8Array; readonly header: BackupHeader };
beforeAll(async () => {
  const { path, remove } = createTemporaryFolder();
  await makeFolder({ path: join(path, "data"), applied: ["a1", "a2"] });
  const database = new HostDatabase({ path: join(path, "data", "chat.db"), onFailure() {} });
  const index = openChat(database).appliedIndex();
  const copy = await new Promise<StateCopy | Error>((done) =>
    database.copyTo("copy.snap", { held() {}, done }),
  );
  database.close();
  await database.whenClosed();
  if (copy instanceof Error) throw copy;
  const header: BackupHeader = {
    ...{ clusterId: 5n, clusterName: "ward-7", index, term: 3, ...copy },
    ...{ configuration: new Uint8Array(0), clusterTimeMs: 1_700_000_000_000 },
  };
  snapshot = { bytes: readFileSync(join(path, "data", "copy.snap")), header };
  remove();
}, timeoutMs);

/** A backup of it as a server would write it, but for what is said. */
function makeBackup(change: Partial<BackupHeader> = {}): string {
  const { bytes, header } = snapshot;
  const read = (at: number, length: number) => bytes.subarray(at, at + length);
  const file = join(newFolder(), "one.backup");
  writeFileSync(file, Buffer.concat([...writeBackup({ ...header, ...change }, read)]));
  return file;
}

function configOf(data: string): ServerConfig {
  const loaded = loadConfig({ flags: { data, id: "4", clientPort: "4999", peerPort: "5999" } });
  if (isRefusal(loaded)) throw new Error(loaded.error);
  return loaded.config;
}

function restore(file: string, data: string, clusterName?: string): Promise<Restored> {
  return restoreBackup({ file, config: configOf(data), clusterName });
}

async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (problem: unknown) => problem,
  );
  expect(error).toBeInstanceOf(StartError);
  return (error as StartError).message;
}

test("O3: a backup becomes a new cluster of one, with everything that was in it", async () => {
  const data = join(newFolder(), "data");
  const restored = await restore(makeBackup(), data);
  expect(restored).toMatchObject({
    folder: data,
    serverId: 4,
    clusterName: "ward-7",
    oldClusterId: toHex64(5n),
    index: 6,
    clusterTimeMs: 1_700_000_000_000,
    counts: { people: 1, rooms: 2, messages: 2 },
  });
  expect(restored.clusterId).not.toBe(restored.oldClusterId);
  const folder = openExistingDataFolder(data);
  const { identity, log, votes } = folder;
  expect(identity).toMatchObject({ replicaId: 4, returning: false, joinedIndex: 0 });
  expect(toHex64(identity.formed?.clusterId ?? 0n)).toBe(restored.clusterId);
  expect([log.base().index, log.base().term, log.lastIndex()]).toEqual([6, 3, 6]);
  expect(votes.current().term).toBe(3);
  const [own, ...others] = knownMembers(folder).members;
  expect(others).toEqual([]);
  expect(own).toMatchObject({ replicaId: 4, clientAddress: "http://127.0.0.1:4999" });
  expect(own?.peerAddress).toBe("127.0.0.1:5999");
  folder.close();
  expect(statSync(join(data, "chat.db")).mode & 0o077).toBe(0);
  const lost = await openLostFolder(data);
  expect([...lost.messages()].map(({ body, authorUsername }) => [authorUsername, body])).toEqual([
    ["ada", "a1"],
    ["ada", "a2"],
  ]);
  expect(lost.operatorToken).toBe(operatorToken(tokenKey));
  await lost.close();
  expect(await refusal(restore(makeBackup(), data))).toContain("is not empty");
});

test("it may have another name, and two restored clusters are not the same one", async () => {
  const file = makeBackup();
  const one = await restore(file, join(newFolder(), "data"), "ward-8");
  const other = await restore(file, newFolder());
  expect([one.clusterName, other.clusterName]).toEqual(["ward-8", "ward-7"]);
  expect(one.clusterId).not.toBe(other.clusterId);
});

test("a file that is not whole is refused, and nothing is made", async () => {
  const data = join(newFolder(), "data");
  const damaged = makeBackup();
  const bytes = readFileSync(damaged);
  bytes[5_000] = 0xff ^ (bytes[5_000] ?? 0);
  writeFileSync(damaged, bytes);
  expect(await refusal(restore(damaged, data))).toContain("its checksum does not fit");
  const short = makeBackup();
  truncateSync(short, 9_000);
  expect(await refusal(restore(short, data))).toContain("is cut short");
  expect(await refusal(restore(join(data, "none"), data))).toContain("cannot be read");
  expect(existsSync(data)).toBe(false);
});

test("a state that is not what the file says is refused, and nothing is left", async () => {
  const data = join(newFolder(), "data");
  const digest = new Uint8Array(32);
  expect(await refusal(restore(makeBackup({ digest }), data))).toContain("its rows are not those");
  expect(existsSync(data)).toBe(false);
  const mounted = newFolder();
  mkdirSync(join(mounted, "lost+found"));
  const wrong = makeBackup({ index: 9 });
  expect(await refusal(restore(wrong, mounted))).toContain("as of entry 9, but it is as of 6");
  expect(readdirSync(mounted)).toEqual(["lost+found"]);
  expect((await restore(makeBackup(), mounted)).index).toBe(6);
});

test("a folder with anything in it is left alone", async () => {
  const data = newFolder();
  writeFileSync(join(data, "mine"), "");
  const file = makeBackup();
  expect(await refusal(restore(file, data))).toContain("a restore overwrites nothing");
  expect(readdirSync(data)).toEqual(["mine"]);
  writeFileSync(join(data, "unfinished-restore"), "");
  expect(await refusal(restore(file, data))).toContain("a restore that was cut short");
});
