// `npm test`: check, the unit tests, a minute of simulation, the end-to-end tests, in this order;
// the first that fails ends it with its exit code. `npm test -- raft` runs the unit tests whose
// path has "raft" in it. The last line is always `N passed, N failed`; a step without tests counts
// as one.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectRoot, runProgram, runStep } from "./steps.ts";
import { addCounts, countTests, formatCounts, noTests, type TestCounts } from "./test-report.ts";

/** Runs one project of vitest; the JSON report goes beside the usual output. */
async function runVitest(project: string, filters: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-test-report-"));
  const file = join(folder, "report.json");
  try {
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
    const exitCode = await runProgram("vitest", [
      "run",
      "--project",
      project,
      ...reporters,
      ...filters,
    ]);
    const report = existsSync(file) ? readFileSync(file, "utf8") : undefined;
    return { exitCode, counts: countTests(report, exitCode) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * The same seeds each time, as many as fit into a minute: a change is stopped by what it did, not
 * by chance. New seeds are for `npm run sim`.
 */
const simulation = ["src/sim/main.ts", "--from", "1", "--minutes", "1", "--workers", "2"];

function hasEndToEndTests(): boolean {
  const folder = join(projectRoot, "e2e");
  if (!existsSync(folder)) return false;
  return readdirSync(folder, { recursive: true }).some((name) => String(name).endsWith(".test.ts"));
}

async function main(filters: readonly string[]): Promise<void> {
  let counts: TestCounts = noTests;
  const vitest = (project: string) => async () => {
    const run = await runVitest(project, filters);
    counts = addCounts(counts, run.counts);
    return run.exitCode;
  };
  const simulate = async () => {
    const exitCode = await runProgram("node", simulation);
    if (exitCode === 0) counts = addCounts(counts, { ...noTests, passed: 1 });
    return exitCode;
  };
  const steps = [{ name: "unit tests", run: vitest("unit") }];
  if (filters.length === 0) {
    steps.unshift({ name: "check", run: () => runProgram("node", ["tools/check.ts"]) });
    steps.push({ name: "simulation", run: simulate });
    if (hasEndToEndTests()) steps.push({ name: "end-to-end tests", run: vitest("e2e") });
  }
  for (const step of steps) {
    const { exitCode } = await runStep(step);
    if (exitCode === 0) continue;
    if (counts.failed === 0) counts = addCounts(counts, { ...noTests, failed: 1 });
    process.exitCode = exitCode;
    break;
  }
  console.log(`\n${formatCounts(counts)}`);
}

await main(process.argv.slice(2));
