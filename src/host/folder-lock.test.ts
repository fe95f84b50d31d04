// One process per data folder, with real second processes.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FolderInUseError, FolderLock } from "./folder-lock.ts";

let root: string;
let folder: string;
let children: ChildProcess[];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "holdfast-lock-"));
  folder = join(root, "data");
  children = [];
});

afterEach(async () => {
  await Promise.all(children.map((child) => kill(child)));
  rmSync(root, { recursive: true });
});

const lockModule = fileURLToPath(new URL("./folder-lock.ts", import.meta.url));
const program = `
  const { FolderLock } = await import(process.argv[1]);
  try {
    FolderLock.acquire(process.argv[2]);
    globalThis.gc();
    console.log("held");
    setInterval(() => {}, 1000);
  } catch (error) {
    console.log(error.name + ": " + error.message);
  }
`;

/** Starts a process that takes the folder; answers it with the first line that it prints. */
async function acquireElsewhere(): Promise<{ child: ChildProcess; said: string }> {
  const options = ["--expose-gc", "--input-type=module", "--eval", program, lockModule, folder];
  const child = spawn(process.execPath, options, { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  const [chunk] = (await once(child.stdout!, "data")) as [Buffer];
  return { child, said: chunk.toString().trim() };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

describe("a data folder", () => {
  it("is refused to a second process, with an error that names it", async () => {
    const lock = FolderLock.acquire(folder);
    const { said } = await acquireElsewhere();
    expect(said).toBe(
      `FolderInUseError: the data folder ${folder} is in use by another process; ` +
        "one folder belongs to one running server",
    );
    lock.release();
  });

  it("is free again when its holder is killed", async () => {
    const { child, said } = await acquireElsewhere();
    expect(said).toBe("held");
    expect(() => FolderLock.acquire(folder)).toThrow(FolderInUseError);
    await kill(child);
    FolderLock.acquire(folder).release();
  });

  it("is refused twice within a process too, by whatever path", () => {
    const lock = FolderLock.acquire(folder);
    symlinkSync(folder, join(root, "other"));
    expect(() => FolderLock.acquire(folder)).toThrow(/in use by this process/);
    expect(() => FolderLock.acquire(join(root, "other"))).toThrow(FolderInUseError);
    lock.release();
    FolderLock.acquire(join(root, "other")).release();
  });
});
