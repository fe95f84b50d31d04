// Whose a data folder is, without touching it.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { HostDisk } from "../host/index.ts";
import { encodeIdentity, newIdentity } from "../replica/index.ts";
import { IdentityStore } from "../storage/index.ts";
import { createTemporaryFolder } from "../testing/index.ts";
import { readFolderOwner } from "./folder-owner.ts";
import { StartError } from "./start-error.ts";

function createFolder(replicaId: number | undefined): string {
  const { path, remove } = createTemporaryFolder();
  onTestFinished(remove);
  if (replicaId === undefined) return path;
  const store = new IdentityStore(new HostDisk(path));
  store.save(encodeIdentity(newIdentity({ replicaId, birthNonce: 7n, clusterName: "ours" })));
  store.close();
  return path;
}

test("a folder says whose it is, also with one copy damaged, and stays as it is", () => {
  const path = createFolder(3);
  const file = join(path, "identity");
  const bytes = readFileSync(file);
  bytes[30] = 0xff ^ (bytes[30] ?? 0);
  writeFileSync(file, bytes);
  expect(readFolderOwner(path)).toBe(3);
  expect(readFileSync(file).equals(bytes)).toBe(true);
});

test("a folder that is nobody's is refused", () => {
  expect(() => readFolderOwner(createFolder(undefined))).toThrow(StartError);
  expect(() => readFolderOwner(createFolder(0))).toThrow("belongs to no cluster yet");
  const path = createFolder(3);
  const file = join(path, "identity");
  writeFileSync(file, Buffer.alloc(readFileSync(file).length, 1));
  expect(() => readFolderOwner(path)).toThrow("does not say whose it is any more");
});
