// One run as the command line tells it: its lines, and that a seed makes the same run each time.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { createTemporaryFolder } from "../testing/index.ts";
import { commandOf, parseCommandLine } from "./command-line.ts";
import { runTraced } from "./run-traced.ts";

/** A run of half a minute in which servers die and links break. */
const fixed = ["--hours", "0.01", "--faults", "kill,powerLoss,isolate,breakClients"];

async function trace(seed: number) {
  const lines: string[] = [];
  const { path: folder, remove } = createTemporaryFolder();
  onTestFinished(remove);
  const [events, raft] = [join(folder, "events"), join(folder, "raft")];
  const command = parseCommandLine([...fixed, "--trace", events, "--raft-trace", raft]);
  const world = { commit: "0123abc", print: (line: string) => lines.push(line) };
  const exitCode = await runTraced(command, seed, world);
  return {
    exitCode,
    lines,
    events: readFileSync(events, "utf8"),
    raft: readFileSync(raft, "utf8"),
  };
}

it("makes the same run of the same seed, byte for byte, and says how to repeat it", async () => {
  const first = await trace(3);
  const second = await trace(3);
  expect(first.exitCode).toBe(0);
  expect(first.events.split("\n").length).toBeGreaterThan(100);
  expect(second.events === first.events).toBe(true);
  expect(second.raft === first.raft).toBe(true);
  expect(first.lines[0]).toMatch(/^seed 3, commit 0123abc, swarm \{.*"faults":\["kill",/);
  const swarm = { faults: ["kill", "powerLoss", "isolate", "breakClients"] } as const;
  expect(first.lines.at(-1)).toBe(commandOf({ seed: 3, simulatedMs: 36_000, swarm }));
}, 60_000);

it("makes another run of another seed", async () => {
  const first = await trace(3);
  const second = await trace(4);
  expect(second.events === first.events).toBe(false);
}, 60_000);
