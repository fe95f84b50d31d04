// A backup gets its name only when it is whole, and overwrites nothing.
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { writeBackup as backupPieces } from "../gateways/index.ts";
import { createTemporaryFolder } from "../testing/index.ts";
import { writeBackup } from "./backup.ts";

const snapshot = new Uint8Array(300_000).map((_, i) => i % 251);
let folder: string;
let file: string;

beforeEach(() => {
  const { path, remove } = createTemporaryFolder();
  onTestFinished(remove);
  folder = path;
  file = join(path, "monday.backup");
});

function pieces(): Uint8Array[] {
  const header = {
    clusterId: 7n,
    clusterName: "ours",
    index: 42,
    term: 3,
    configuration: new Uint8Array([1]),
    clusterTimeMs: 1_000,
    size: snapshot.length,
    digest: new Uint8Array(32),
  };
  return [...backupPieces(header, (at, length) => snapshot.subarray(at, at + length))];
}

async function* stream(parts: readonly Uint8Array[], error?: Error): AsyncGenerator<Uint8Array> {
  yield* parts;
  if (error !== undefined) throw error;
}

test("a whole backup is written for its owner's eyes only", async () => {
  const all = Buffer.concat(pieces());
  expect(await writeBackup(stream(pieces()), file)).toEqual({ bytes: all.length, index: 42 });
  expect(readFileSync(file).equals(all)).toBe(true);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(["monday.backup"]);
});

test("one that is cut short, damaged or broken off leaves nothing behind", async () => {
  const whole = pieces();
  await expect(writeBackup(stream(whole.slice(0, -1)), file)).rejects.toThrow("cut short");
  const damaged = whole.map((piece) => piece.slice());
  damaged[1]!.fill(0, 0, 1);
  damaged[1]![0] = 0xff;
  await expect(writeBackup(stream(damaged), file)).rejects.toThrow("damaged");
  const broken = new Error("the connection broke");
  await expect(writeBackup(stream(whole.slice(0, 2), broken), file)).rejects.toThrow(broken);
  await expect(writeBackup(stream([new Uint8Array(100)]), file)).rejects.toThrow("no backup");
  expect(readdirSync(folder)).toEqual([]);
});

test("nothing is overwritten: no backup, and none that is being written", async () => {
  writeFileSync(file, "precious");
  await expect(writeBackup(stream(pieces()), file)).rejects.toThrow("exists already");
  expect(readFileSync(file, "utf8")).toBe("precious");
  expect(existsSync(`${file}.part`)).toBe(false);
  const other = join(folder, "tuesday.backup");
  writeFileSync(`${other}.part`, "another's");
  await expect(writeBackup(stream(pieces()), other)).rejects.toThrow("is there already");
  expect(readFileSync(`${other}.part`, "utf8")).toBe("another's");
});
