// The set of all cluster checkers.
import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { SafetyViolation } from "../checker.ts";
import { appended, goodRun } from "./cluster-events.test-support.ts";
import { createClusterCheckers } from "./index.ts";

describe("createClusterCheckers", () => {
  it("passes a good run with all of them", () => {
    // The commands of that run are no chat, so those that judge chat are left out.
    const chatOnly = ["model-conformance", "exactly-once-applied", "final-state"];
    const checkers = createClusterCheckers({ servers: 3 });
    const used = checkers.filter(({ name }) => !chatOnly.includes(name));
    for (const event of goodRun()) for (const checker of used) checker.see(event);
    for (const checker of used) checker.finish?.([]);
    expect(used.length).toBe(checkers.length - chatOnly.length);
  });

  it("makes a new set for each run", () => {
    const see = (byte: number) => {
      const checkers = createClusterCheckers({ servers: 3 });
      for (const checker of checkers) checker.see(appended(1, [1, 1, byte]));
    };
    see(1);
    expect(() => see(2)).not.toThrow(SafetyViolation);
  });

  it("names each after its file, and leaves none out", () => {
    const files = readdirSync(import.meta.dirname).filter((name) =>
      /^[a-z-]+\.test\.ts$/.test(name),
    );
    const names = createClusterCheckers({ servers: 3 }).map(({ name }) => name);
    const tested = files.map((name) => name.slice(0, -".test.ts".length));
    const parts = ["content-hash", "index"];
    const keepers = ["server-logs", "sound-states"];
    expect(tested.filter((name) => !parts.includes(name)).sort()).toEqual(
      names.filter((name) => !keepers.includes(name)).sort(),
    );
  });
});
