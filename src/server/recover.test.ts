// What recovering from one folder tells, does and refuses, on real folders.

import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { expect, onTestFinished, test, vi } from "vitest";
import type { StateCopy } from "../io/state-store.ts";
import { StatusResponseSchema } from "../proto/gen/cluster/v1/admin_pb.js";
import { encodeConfiguration } from "../raft/index.ts";
import { createTemporaryFolder } from "../testing/index.ts";
import { type DataFolder, openDataFolder, openExistingDataFolder } from "./data-folder.ts";
import { openLostFolder } from "./lost-folder.ts";
import { type MadeFolder, makeFolder, startMs } from "./made-folder.test-support.ts";
import {
  type RecoverOptions,
  type Recovery,
  recoverFolder,
  type UnsureMessage,
} from "./recover.ts";
import { StartError } from "./start-error.ts";
import { withDatabase } from "./state-file.ts";

// Threads that read databases take long to start on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

async function makePath(content: Omit<MadeFolder, "path"> = {}): Promise<string> {
  const { path, remove } = createTemporaryFolder();
  onTestFinished(remove);
  const folder = join(path, "data");
  await makeFolder({ path: folder, ...content });
  return folder;
}

function recover(folder: string, options: Partial<RecoverOptions> = {}): Promise<Recovery> {
  return recoverFolder({ folder, isMeant: true, isForced: false, ...options });
}

async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (problem: unknown) => problem,
  );
  expect(error).toBeInstanceOf(StartError);
  return (error as StartError).message;
}

/** Something that answers Status as a server of this cluster would. */
async function answerAs(clusterId: bigint, clusterName: string): Promise<string> {
  const status = create(StatusResponseSchema, { clusterId, clusterName, answeredBy: 2 });
  const server: Server = createServer((_, response) => {
    response.setHeader("content-type", "application/proto");
    response.end(toBinary(StatusResponseSchema, status));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return `http://127.0.0.1:${address.port}`;
}

test("a dry run tells what is there and what is unsure, and changes nothing", async () => {
  const path = await makePath({ applied: ["a1"], tail: ["t1", "t2"], held: ["h1", "t2"] });
  const before = readFileSync(join(path, "identity"));
  const unsure: UnsureMessage[] = [];
  const onMessage = (message: UnsureMessage) => void unsure.push(message);
  const recovery = await recover(path, { isMeant: false, onMessage });
  expect(recovery).toMatchObject({
    serverId: 1,
    clusterName: "ward-7",
    clusterId: "0000000000000005",
    newClusterId: "",
    appliedIndex: 5,
    lastIndex: 7,
    lastTerm: 3,
    lastStampMs: startMs + 6_000,
    tail: { entries: 2, commands: 2, messages: 2 },
    heldItems: 1,
    heldSinceMs: startMs + 100_000,
    counts: { people: 1, rooms: 2, messages: 3 },
    isVoter: true,
    isBehind: false,
    lostFrom: 0,
    findings: [],
    present: [],
    isAlone: false,
  });
  expect(recovery.givenUp.map(({ replicaId }) => replicaId)).toEqual([2, 3]);
  expect(unsure.map(({ standing, room, author, body }) => [standing, room, author, body])).toEqual([
    ["tail", "team", "ada", "t1"],
    ["tail", "team", "ada", "t2"],
    ["held", "team", "ada", "h1"],
  ]);
  expect(readFileSync(join(path, "identity")).equals(before)).toBe(true);
  expect(openAndClose(path).lastIndex).toBe(7);
});

function openAndClose(path: string) {
  const folder = openExistingDataFolder(path);
  const { identity, log } = folder;
  const lastIndex = log.lastIndex();
  folder.close();
  return { identity, lastIndex };
}

test("it makes a new cluster of the folder, once; a second time there is nothing to do", async () => {
  const path = await makePath({ applied: ["a1"], tail: ["t1"], held: ["h1"] });
  const { newClusterId } = await recover(path);
  expect(newClusterId).toMatch(/^[0-9a-f]{16}$/);
  const { identity, lastIndex } = openAndClose(path);
  expect(identity.formed?.clusterId).toBe(BigInt(`0x${newClusterId}`));
  expect([lastIndex, identity.joinedIndex, identity.abstains]).toEqual([7, 7, false]);
  const again = await recover(path);
  expect(again).toMatchObject({ isAlone: true, newClusterId: "", clusterId: newClusterId });
  expect(openAndClose(path)).toEqual({ identity, lastIndex });
  const lost = await openLostFolder(path);
  const bodies = [...lost.messages()].map(({ standing, body }) => `${standing} ${body}`);
  await lost.close();
  expect(bodies).toEqual(["committed a1", "tail t1", "held h1"]);
});

test("it refuses while another server of the cluster answers, or of one of its name", async () => {
  const same = await answerAs(5n, "ward-7");
  const path = await makePath({ clientAddresses: ["", same] });
  expect((await recover(path, { isMeant: false })).present).toMatchObject([{ replicaId: 2 }]);
  expect(await refusal(recover(path))).toContain(`server 2 at ${same} answers: the cluster is not`);
  const heir = await answerAs(6n, "ward-7");
  const other = await makePath({ clientAddresses: ["", heir] });
  expect(await refusal(recover(other))).toContain("holdfast import-lost");
  const stranger = await answerAs(6n, "ward-8");
  expect((await recover(await makePath({ clientAddresses: ["", stranger] }))).present).toEqual([]);
  expect(openAndClose(path).identity.formed?.clusterId).toBe(5n);
  expect((await recover(path, { isForced: true })).newClusterId).not.toBe("");
});

test("it refuses a folder in use, one of nobody, and one that was removed", async () => {
  const path = await makePath();
  const folder = openExistingDataFolder(path);
  expect(await refusal(recover(path))).toContain("is in use by");
  folder.saveIdentity({ ...folder.identity, removed: true });
  folder.close();
  expect(await refusal(recover(path))).toContain("was removed from its cluster");
  expect(await refusal(recover(join(path, "no")))).toContain("is not the data folder of a server");
  const { path: empty, remove } = createTemporaryFolder();
  onTestFinished(remove);
  const options = { folder: empty, replicaId: 1, newReplicaId: 1, clusterName: "c" };
  openDataFolder({ ...options, drawBirthNonce: () => 1n }).close();
  expect(await refusal(recover(empty))).toContain("belongs to no cluster yet");
});

test("without a state it goes on from the log, if that is whole, and else says what it needs", async () => {
  const path = await makePath({ applied: ["a1"], tail: ["t1"] });
  const copy = `${path}-cut`;
  cpSync(path, copy, { recursive: true });
  writeFileSync(join(path, "chat.db"), "no database at all");
  const recovery = await recover(path);
  expect(recovery).toMatchObject({ appliedIndex: 0, findings: ["chat.db is damaged"] });
  expect(recovery.counts.messages).toBe(2);
  const lost = await openLostFolder(path);
  expect([...lost.messages()].map(({ body }) => body)).toEqual(["a1", "t1"]);
  await lost.close();

  const folder = openExistingDataFolder(copy);
  await compact(folder, 3);
  folder.close();
  rmSync(join(copy, "chat.db"));
  expect(await refusal(recover(copy))).toMatch(
    /chat.db is missing, no snapshot is whole .* begins only after entry 3; .* a backup/,
  );
});

function compact(folder: DataFolder, index: number): Promise<void> {
  const voters = [1, 2, 3];
  const context = encodeConfiguration({
    ...{ voters, votersOutgoing: [], learners: [] },
    context: new Uint8Array(0),
  });
  return new Promise((resolve, reject) =>
    folder.log.compact({ index, context }, (error) => (error ? reject(error) : resolve())),
  );
}

test("in the place of a damaged state it takes its own snapshot, and the log behind that", async () => {
  const path = await makePath({ applied: ["a1", "a2"], tail: ["t1"] });
  const folder = openExistingDataFolder(path);
  const copy = await withDatabase(
    join(path, "chat.db"),
    (database) =>
      new Promise<StateCopy | Error>((done) =>
        database.copyTo(folder.snapshots.copyName, { held() {}, done }),
      ),
  );
  if (copy instanceof Error) throw copy;
  const configuration = new Uint8Array(0);
  folder.snapshots.complete({ index: 6, term: 3, configuration, ...copy });
  await compact(folder, 5);
  folder.close();
  writeFileSync(join(path, "chat.db"), "no database at all");
  const recovery = await recover(path);
  expect(recovery).toMatchObject({ appliedIndex: 6, lastIndex: 7, lostFrom: 0 });
  expect(recovery.findings[0]).toContain("damaged; the snapshot as of entry 6 takes its place");
  const after = await recover(path, { isMeant: false });
  expect(after).toMatchObject({ isAlone: true, appliedIndex: 6, findings: [] });
  expect(after.counts.messages).toBe(3);
});

test("a damaged log is kept as far as it is sure, and what is lost is told", async () => {
  const path = await makePath({ applied: ["a1"], tail: ["t1", "t2", "t3"] });
  const [first = ""] = readdirSync(join(path, "log"));
  const segment = join(path, "log", first);
  const bytes = readFileSync(segment);
  const at = bytes.indexOf("t2");
  bytes[at] = 0x7a;
  writeFileSync(segment, bytes);
  const recovery = await recover(path);
  expect(recovery).toMatchObject({ appliedIndex: 5, lastIndex: 6, lostFrom: 7 });
  expect(recovery.findings[0]).toContain("is damaged at byte");
  expect(recovery.counts.messages).toBe(2);
  expect(openAndClose(path)).toMatchObject({ lastIndex: 7, identity: { joinedIndex: 7 } });
});
