// Whose a data folder is, and which ones are refused.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { HostClock, HostStateFiles } from "../host/index.ts";
import { newIdentity, whenReady } from "../replica/index.ts";
import { createTemporaryFolder, type TemporaryFolder } from "../testing/index.ts";
import {
  type DataFolder,
  type DataFolderOptions,
  openDataFolder,
  openExistingDataFolder,
} from "./data-folder.ts";
import { StartError } from "./start-error.ts";

const temporary: TemporaryFolder[] = [];
const open: DataFolder[] = [];

afterEach(() => {
  for (const folder of open.splice(0)) folder.close();
  for (const folder of temporary.splice(0)) folder.remove();
});

function newPath(): string {
  const folder = createTemporaryFolder();
  temporary.push(folder);
  return join(folder.path, "data");
}

function openAt(path: string, options: Partial<DataFolderOptions> = {}) {
  const folder = openDataFolder({
    folder: path,
    replicaId: 1,
    clusterName: "ward-7",
    newReplicaId: 1,
    drawBirthNonce: () => 77n,
    ...options,
  });
  open.push(folder);
  return folder;
}

function closeAll(): void {
  for (const folder of open.splice(0)) folder.close();
}

/** A folder of a server whose cluster is formed, closed. */
async function formedPath(): Promise<string> {
  const path = newPath();
  const folder = openAt(path);
  const files = new HostStateFiles(join(path, "chat.db"));
  await new Promise<void>((resolve, reject) => {
    const done = (error?: Error) => (error === undefined ? resolve() : reject(error));
    whenReady(folder, { clock: new HostClock(), files }, done);
  });
  const founders = [1, 2, 3].map((replicaId) => ({
    replicaId,
    birthNonce: 77n,
    peerAddress: `server-${replicaId}:4901`,
    clientAddress: `http://server-${replicaId}:4801`,
  }));
  folder.saveIdentity({ ...folder.identity, formed: { clusterId: 5n, founders } });
  closeAll();
  return path;
}

function refusal(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    expect(error).toBeInstanceOf(StartError);
    const { message } = error as StartError;
    expect(message).not.toContain("\n");
    return message;
  }
  return "accepted";
}

test("R1: a new folder is taken into use, and is the same server's when it is opened again", () => {
  const path = newPath();
  expect(openAt(path).identity).toEqual(
    newIdentity({ replicaId: 1, birthNonce: 77n, clusterName: "ward-7" }),
  );
  closeAll();
  expect(openAt(path).identity.birthNonce).toBe(77n);
});

test("a folder is refused while it is open, and free when it is closed", () => {
  const path = newPath();
  openAt(path);
  expect(refusal(() => openAt(path))).toContain("is in use by");
  closeAll();
  expect(openAt(path).log.lastIndex()).toBe(0);
});

test("a folder of another server or another cluster is refused, and stays as it is", async () => {
  const path = await formedPath();
  expect(refusal(() => openAt(path, { replicaId: 2 }))).toContain(
    "belongs to server 1, but `id` is 2",
  );
  expect(refusal(() => openAt(path, { clusterName: "ward-8" }))).toContain(
    "belongs to the cluster `ward-7`, but `cluster-name` is `ward-8`",
  );
  expect(openAt(path).identity.formed?.clusterId).toBe(5n);
});

test("R2: a folder says whose it is where no id is given, and a new one gets the first", async () => {
  const path = await formedPath();
  const any = { replicaId: undefined, newReplicaId: 9 };
  expect(openAt(path, any).identity.replicaId).toBe(1);
  expect(openAt(newPath(), any).identity.replicaId).toBe(9);
});

test("S4, R7: a server that has lost its log abstains, and leaders learn of it", async () => {
  const path = await formedPath();
  rmSync(join(path, "log"), { recursive: true });
  const folder = openAt(path);
  expect(folder.identity).toMatchObject({ abstains: true, logEpoch: 1 });
  expect(folder.findings.join()).toContain("the log is gone");
  closeAll();
  expect(openAt(path).identity.abstains).toBe(true);
});

test.each([["vote"], ["identity"]])(
  "S4, R7: a server that has lost its %s comes back as a newcomer, with another birth number",
  async (name) => {
    const path = await formedPath();
    writeFileSync(join(path, name), new Uint8Array(20_000).fill(7));
    const folder = openAt(path, { drawBirthNonce: () => 99n });
    expect(folder.hasBegunAnew).toBe(true);
    expect(folder.identity).toMatchObject({ birthNonce: 99n, formed: undefined });
    expect(folder.identity.contacts).toHaveLength(name === "vote" ? 3 : 0);
    expect(folder.findings.join()).toContain("begins anew");
    closeAll();
    expect(openAt(path).identity.birthNonce).toBe(99n);
  },
);

test("R9: the folder of a server that was removed is refused", async () => {
  const path = await formedPath();
  const folder = openAt(path);
  folder.saveIdentity({ ...folder.identity, removed: true });
  closeAll();
  expect(refusal(() => openAt(path))).toContain("was removed from this cluster");
});

test("a folder that cannot be made is refused", () => {
  const path = newPath();
  openAt(path);
  closeAll();
  writeFileSync(join(path, "file"), "");
  expect(refusal(() => openAt(join(path, "file", "below")))).toContain("cannot be used");
});

test("reading a folder offline makes no new one", () => {
  const path = newPath();
  openAt(path).close();
  open.splice(0);
  rmSync(join(path, "identity"));
  expect(refusal(() => openExistingDataFolder(path))).toContain("was never taken into use");
});
