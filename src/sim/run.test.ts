// That a run repeats anywhere: the same seed gives the same trace, byte for byte, in this process
// and in another one.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type RunResult, runSimulation } from "./run.ts";
import { Trace } from "./trace.ts";

const minuteMs = 60_000;

async function traceOf(seed: number): Promise<{ trace: string; result: RunResult }> {
  const trace = new Trace();
  const lines: string[] = [Trace.header];
  const result = await runSimulation({
    seed,
    simulatedMs: minuteMs,
    swarm: { servers: 3 },
    onEvent: (event) => lines.push(trace.line(event)),
    onRecord: (record) => lines.push(trace.recordLine(record)),
  });
  return { trace: lines.join("\n"), result };
}

/** The same run by the command line, in a process of its own. */
function traceOfProcess(seed: number): string {
  const main = join(import.meta.dirname, "main.ts");
  const hours = String(minuteMs / 3_600_000);
  const options = ["--seed", String(seed), "--hours", hours, "--servers", "3", "--trace"];
  const output = execFileSync("node", [main, ...options], {
    encoding: "utf8",
    maxBuffer: 512 * 1024 * 1024,
  });
  return output;
}

it("the same seed gives the same trace in another process", { timeout: 120_000 }, async () => {
  for (const seed of [4, 9]) {
    const { trace, result } = await traceOf(seed);
    expect(result.message).toBe("");
    expect(trace.split("\n").length).toBeGreaterThan(1_000);
    expect(traceOfProcess(seed).includes(trace)).toBe(true);
  }
});
