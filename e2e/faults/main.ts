// `npm run e2e:faults`: real servers under real faults, with the simulator's workload and judges.
// The first line says what was drawn, then comes a line for each fault, last one line of JSON.
import { type FaultCommand, helpText, parseCommandLine, UsageError } from "./command-line.ts";
import { faultNames } from "./fault-kinds.ts";
import { runFaults } from "./fault-run.ts";
import { exitCodeOf } from "./judgement.ts";

const usageExitCode = 2;
const interruptedExitCode = 130;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** The command that draws the same again. */
function commandOf({ seed, minutes, servers, faults }: FaultCommand): string {
  const isAll = faults.length === faultNames.length;
  const parts = [`npm run e2e:faults -- --seed ${seed} --minutes ${minutes} --servers ${servers}`];
  if (!isAll) parts.push(`--faults ${faults.join(",")}`);
  return parts.join(" ");
}

async function run(command: FaultCommand): Promise<number> {
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      // Whoever insists need not wait for the servers; namespaces are removed all the same.
      if (interrupt.signal.aborted) process.exit(interruptedExitCode);
      interrupt.abort();
    });
  }
  try {
    const { report } = await runFaults({
      ...command,
      runMs: command.minutes * 60_000,
      say,
      signal: interrupt.signal,
    });
    for (const { checker, message } of report.violations) say(`VIOLATION ${checker}: ${message}`);
    if (report.violations.length > 0) say(`the same plan again: ${commandOf(command)}`);
    say(JSON.stringify(report));
    return exitCodeOf(report.violations);
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    say("interrupted: everything is cleaned up");
    return interruptedExitCode;
  }
}

async function main(args: readonly string[]): Promise<number> {
  let command: FaultCommand;
  try {
    command = parseCommandLine(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`e2e:faults: ${error.message}; see npm run e2e:faults -- --help\n`);
    return usageExitCode;
  }
  if (!command.help) return await run(command);
  say(helpText);
  return 0;
}

// Connections that nobody needs any more, such as those that fetch keeps, would hold it up.
process.exit(await main(process.argv.slice(2)));
