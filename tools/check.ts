// `npm run check`: everything about the sources that can be said without running them. All steps
// run even where one fails, so that one look shows all that is wrong.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compareFolders, generate, generatedFolder } from "./generate.ts";
import { projectRoot, runProgram, runStep, type Step, type StepResult, seconds } from "./steps.ts";

const colors = process.stdout.isTTY ? "--colors=force" : "--colors=off";

const steps: readonly Step[] = [
  { name: "types", run: () => runProgram("tsc", ["--build"]) },
  { name: "tidy", run: () => runProgram("node", ["tools/tidy.ts"]) },
  { name: "lint", run: () => runProgram("biome", ["ci", "--error-on-warnings", colors]) },
  { name: "contracts", run: () => runProgram("buf", ["lint"]) },
  { name: "generated code", run: checkGenerated },
];

async function checkGenerated(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-check-"));
  try {
    const fresh = join(folder, generatedFolder);
    mkdirSync(fresh, { recursive: true });
    const exitCode = await generate(folder);
    if (exitCode !== 0) return exitCode;
    const committed = join(projectRoot, generatedFolder);
    const stale = compareFolders(committed, fresh);
    for (const name of stale) console.log(`${generatedFolder}/${name} is not what proto/ says`);
    if (stale.length > 0) console.log("run `npm run generate`");
    return stale.length === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  const results: StepResult[] = [];
  for (const step of steps) results.push(await runStep(step));
  console.log("");
  for (const { name, exitCode, tookMs } of results) {
    console.log(`${exitCode === 0 ? "passed" : "FAILED"}  ${seconds(tookMs).padStart(6)}  ${name}`);
  }
  process.exitCode = results.find(({ exitCode }) => exitCode !== 0)?.exitCode ?? 0;
}

await main();
