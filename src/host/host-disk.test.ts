// The real disk beyond the storage contract: names, permissions, files made ahead, syncs, failures.
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DiskFile } from "../io/disk.ts";
import { createDataFolder, HostDisk } from "./host-disk.ts";
import { SyncThread } from "./sync-thread.ts";

let root: string;
let disk: HostDisk;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "holdfast-disk-"));
  disk = new HostDisk(join(root, "data"));
});

afterEach(async () => {
  await disk.idle();
  rmSync(root, { recursive: true });
});

function allocate(name: string, length: number): Promise<void> {
  return new Promise((resolve, reject) => {
    disk.allocate(name, length, (error) => (error === undefined ? resolve() : reject(error)));
  });
}

function sync(file: DiskFile): Promise<void> {
  return new Promise((resolve, reject) => {
    file.sync((error) => (error === undefined ? resolve() : reject(error)));
  });
}

describe("a data folder", () => {
  it("is made with its parents, for its owner only, and may be there already", () => {
    const folder = join(root, "a", "b");
    createDataFolder(folder);
    createDataFolder(folder);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  it("cannot be where a file is", () => {
    writeFileSync(join(root, "file"), "");
    expect(() => new HostDisk(join(root, "file"))).toThrow(/EEXIST/);
    expect(() => new HostDisk(join(root, "file", "below"))).toThrow(/ENOTDIR/);
  });

  it("knows how much room there is", () => {
    expect(disk.freeBytes()).toBeGreaterThan(0);
  });

  it.each(["", ".", "..", "../a", "a/../b", "/a", "a//b", "a/", ".a", "a/.b", "a\0b", "a\\b"])(
    "has no file named %j",
    (name) => {
      expect(() => disk.open(name, { create: true })).toThrow(/unsafe file name/);
      expect(() => disk.allocate(name, 1, () => {})).toThrow(/unsafe file name/);
    },
  );

  it("lists the files of one folder, sorted, and a missing folder as empty", async () => {
    for (const name of ["b", "a", "sub/d", "sub/c"]) disk.open(name, { create: true }).close();
    expect(disk.list("")).toEqual(["a", "b"]);
    expect(disk.list("sub")).toEqual(["c", "d"]);
    expect(disk.list("none")).toEqual([]);
    disk.remove("a");
    disk.syncFolder("");
    expect([disk.exists("a"), disk.exists("b")]).toEqual([false, true]);
  });
});

describe("a file", () => {
  it("is only made where that was asked for", () => {
    expect(() => disk.open("x", { create: false })).toThrow(/ENOENT/);
    expect(disk.exists("x")).toBe(false);
  });

  it("is read and written anywhere, and grows with zeros", async () => {
    const file = disk.open("x", { create: true });
    file.write(5, Uint8Array.of(1, 2));
    expect([...file.read(0, 100)]).toEqual([0, 0, 0, 0, 0, 1, 2]);
    expect(file.read(100, 5).length).toBe(0);
    file.truncate(6);
    await sync(file);
    file.syncNow();
    expect(file.size()).toBe(6);
    file.close();
    expect(statSync(join(root, "data", "x")).mode & 0o777).toBe(0o600);
  });

  it("can be closed while a sync is under way", async () => {
    const file = disk.open("x", { create: true });
    file.write(0, new Uint8Array(100_000));
    const synced = [sync(file), sync(file)];
    file.close();
    await Promise.all(synced);
    expect(() => file.write(0, Uint8Array.of(1))).toThrow(/closed file/);
  });
});

describe("the thread that syncs", () => {
  it("tells a failure with its error, and goes on with other files", async () => {
    const thread = new SyncThread();
    const sync = (descriptor: number) =>
      new Promise<string | undefined>((resolve) => {
        thread.sync(descriptor, (error) => resolve(error?.message));
      });
    const descriptor = openSync(join(root, "x"), "w");
    const results = await Promise.all([sync(descriptor), sync(1_000_000), sync(descriptor)]);
    expect(results).toEqual([undefined, expect.stringContaining("EBADF"), undefined]);
    closeSync(descriptor);
    await thread.stop();
  });

  it("fails everything under way and everything later when it ends", async () => {
    const thread = new SyncThread();
    const descriptor = openSync(join(root, "x"), "w");
    const result = () =>
      new Promise<string | undefined>((resolve) => {
        thread.sync(descriptor, (error) => resolve(error?.message));
      });
    expect(await result()).toBeUndefined();
    await thread.stop();
    expect(await result()).toContain("sync thread ended");
    closeSync(descriptor);
  });
});

describe("a file made ahead", () => {
  it("is whole when it has its name, and nothing else is left in the folder", async () => {
    const made = allocate("log/1", 1_000_000);
    expect(disk.list("log")).toEqual([]);
    expect(() => disk.open("log/1", { create: false })).toThrow(/ENOENT/);
    await made;
    const file = disk.open("log/1", { create: false });
    expect(file.size()).toBe(1_000_000);
    expect(file.read(0, 1_000_000).every((byte) => byte === 0)).toBe(true);
    file.close();
    expect(readdirSync(join(root, "data", "log"))).toEqual(["1"]);
  });

  it("never replaces one that got the name meanwhile", async () => {
    const slow = allocate("1", 2_000_000);
    await allocate("1", 1000);
    const file = disk.open("1", { create: false });
    file.write(0, Uint8Array.of(7));
    await slow;
    const again = disk.open("1", { create: false });
    expect([again.size(), again.read(0, 1)[0]]).toEqual([1000, 7]);
    file.close();
    again.close();
    expect(() => disk.allocate("1", 1, () => {})).toThrow(/there already/);
  });

  it("sweeps away what a dead process left half made", async () => {
    const left = join(root, "data", "log", "7.1234567.making");
    createDataFolder(join(root, "data", "log"));
    writeFileSync(left, "half");
    expect(disk.list("log")).toEqual([]);
    await allocate("log/1", 100);
    expect(existsSync(left)).toBe(false);
  });

  it("tells why it could not be made, and leaves nothing behind", async () => {
    const made = allocate("log/1", 1_000_000);
    rmSync(join(root, "data", "log"), { recursive: true });
    await expect(made).rejects.toThrow(/ENOENT/);
    expect(readdirSync(join(root, "data"))).toEqual([]);
  });
});
