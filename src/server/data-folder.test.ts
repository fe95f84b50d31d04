// Whose a data folder is, and which ones are refused.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { createTemporaryFolder, type TemporaryFolder } from "../testing/index.ts";
import {
  type DataFolder,
  type DataFolderOptions,
  openDataFolder,
  openExistingDataFolder,
  whenLogExists,
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
    memberIds: [1, 2, 3],
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
  await whenLogExists(folder);
  const births = [1, 2, 3].map((replicaId) => ({ replicaId, nonce: 77n }));
  folder.saveIdentity({ ...folder.identity, formed: { clusterId: 5n, births } });
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
  expect(openAt(path).identity).toEqual({
    replicaId: 1,
    birthNonce: 77n,
    clusterName: "ward-7",
    formed: undefined,
  });
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

test.each([[[1]], [[1, 2]], [[1, 2, 3, 4]], [[1, 2, 4]]])(
  "S4: a server of the cluster 1, 2, 3 is refused as one of %j: it might decide alone",
  async (memberIds) => {
    const path = await formedPath();
    expect(refusal(() => openAt(path, { memberIds }))).toContain(
      `belongs to a cluster of servers 1, 2, 3, but \`members\` names ${memberIds.join(", ")}`,
    );
    expect(openAt(path, { memberIds: [3, 1, 2] }).log.lastIndex()).toBe(0);
  },
);

test("S4: a server that has lost its log or its vote is refused once its cluster is formed", async () => {
  const withoutLog = await formedPath();
  rmSync(join(withoutLog, "log"), { recursive: true });
  expect(refusal(() => openAt(withoutLog))).toContain("its log is gone");
  const withoutVote = await formedPath();
  rmSync(join(withoutVote, "vote"));
  expect(refusal(() => openAt(withoutVote))).toContain("is damaged and must not be used");
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
