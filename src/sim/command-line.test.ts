// The command line: what it means, what it refuses and in which words.
import { describe, expect, it } from "vitest";
import { commandOf, parseCommandLine, quoted, UsageError } from "./command-line.ts";

describe("parseCommandLine", () => {
  function what(line: string) {
    return parseCommandLine(line.split(" ").filter((word) => word !== "")).what;
  }

  it("runs one drawn seed where nothing is asked", () => {
    expect(what("")).toEqual({ kind: "one", seed: undefined });
  });

  it("runs one seed", () => {
    expect(what("--seed 42")).toEqual({ kind: "one", seed: 42 });
  });

  it("runs so many seeds from the first", () => {
    const minutes = Number.POSITIVE_INFINITY;
    expect(what("--seeds 100")).toEqual({ kind: "many", from: 1, runs: 100, minutes });
    expect(what("--seeds=100 --from 7")).toEqual({ kind: "many", from: 7, runs: 100, minutes });
  });

  it("runs drawn seeds for so many minutes", () => {
    const runs = Number.POSITIVE_INFINITY;
    expect(what("--minutes 0.5")).toEqual({ kind: "many", from: undefined, runs, minutes: 0.5 });
  });

  it("replays and helps", () => {
    expect(what("--replay")).toEqual({ kind: "replay" });
    expect(what("--help")).toEqual({ kind: "help" });
  });

  it("takes hours as simulated milliseconds", () => {
    expect(parseCommandLine(["--hours", "0.5"]).simulatedMs).toBe(1_800_000);
  });

  it("traces to the output or to a file", () => {
    expect(parseCommandLine(["--trace", "--seed", "1"]).trace).toEqual({ kind: "output" });
    expect(parseCommandLine(["--seed", "1", "--trace"]).trace).toEqual({ kind: "output" });
    const both = parseCommandLine(["--trace", "a.txt", "--raft-trace", "b.ndjson"]);
    expect(both.trace).toEqual({ kind: "file", name: "a.txt" });
    expect(both.raftTrace).toEqual({ kind: "file", name: "b.ndjson" });
  });

  it.each([
    ["--sede 42", "unknown option `--sede`; the nearest known one is `--seed`"],
    ["--worker 2", "the nearest known one is `--workers`"],
    ["42", "unexpected argument `42`"],
    ["--seed", "`--seed` needs a value"],
    ["--json=1", "`--json` takes no value"],
    ["--seed x", "`--seed` must be a whole number from 0 to 4294967295, not `x`"],
    ["--seed 1.5", "`--seed` must be a whole number"],
    ["--seed 4294967296", "`--seed` must be a whole number"],
    ["--workers 0", "`--workers` must be a whole number from 1 to 256"],
    ["--seed 1 --seed 2", "`--seed` is given twice"],
    ["--seed 1 --minutes 2", "one of"],
    ["--from 3", "`--from` needs"],
    ["--seeds 3 --trace", "only one run can be traced"],
    ["--swarm {", "JSON"],
    ["--swarm []", "an object"],
    ['--swarm {"serverz":3}', "the nearest known one is `servers`"],
    ["--faults kil", "the nearest known one is `kill`"],
  ])("refuses `%s`", (line, message) => {
    expect(() => what(line)).toThrow(UsageError);
    expect(() => what(line)).toThrow(message);
  });
});

describe("commandOf", () => {
  it("repeats a job", () => {
    const command = commandOf({ seed: 42, simulatedMs: 1_800_000, swarm: { servers: 3 } });
    expect(command).toBe(`npm run sim -- --seed 42 --hours 0.5 --swarm '{"servers":3}'`);
    const parsed = parseCommandLine(["--seed", "42", "--hours", "0.5", "--swarm", '{"servers":3}']);
    expect(parsed.simulatedMs).toBe(1_800_000);
    expect(parsed.swarm).toEqual({ servers: 3 });
  });

  it("quotes what a shell would read", () => {
    expect(quoted("a-b=1")).toBe("a-b=1");
    expect(quoted("it's")).toBe(`'it'\\''s'`);
  });
});
