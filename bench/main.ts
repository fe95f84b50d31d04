// `npm run bench`: what three servers on this machine can carry, as JSON lines. `npm run bench --
// acknowledgements` runs one part, `--seconds 5` sets how long each measurement takes; `failover`
// and `streaming` are run where they are named. The machine also runs the load: compare by ratio in
// one run.
import { cpus, totalmem } from "node:os";
import { startCluster } from "../e2e/cluster.ts";
import { leaveNothing } from "../e2e/survive/leave-nothing.ts";
import { benchAcknowledgements } from "./acknowledgements.ts";
import { type BenchCommand, parseBenchCommand, usageText } from "./command-line.ts";
import { benchDeliveries } from "./deliveries.ts";
import { benchFailover } from "./failover.ts";
import { printResult } from "./measure.ts";
import { benchStreaming } from "./streaming.ts";

const throughputParts = { acknowledgements: benchAcknowledgements, deliveries: benchDeliveries };

function printConfiguration({ seconds }: BenchCommand): void {
  printResult({
    bench: "configuration",
    servers: 3,
    acks: "live",
    bodyBytes: 200,
    seconds,
    cores: cpus().length,
    processor: cpus()[0]?.model ?? "",
    memoryGib: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  });
}

async function run(command: BenchCommand): Promise<void> {
  printConfiguration(command);
  const { parts, seconds } = command;
  const throughput = Object.entries(throughputParts).filter(([name]) => parts.has(name));
  if (throughput.length > 0) {
    await leaveNothing(await startCluster(), async (cluster) => {
      for (const [, bench] of throughput) await bench(cluster, seconds);
    });
  }
  if (parts.has("failover")) await benchFailover(command.scenarios, command.repetitions);
  if (parts.has("streaming")) await benchStreaming(command.stateMib);
}

const command = parseBenchCommand(process.argv.slice(2));
if (command === undefined) {
  process.stderr.write(`${usageText}\n`);
  process.exit(2);
}
await run(command);
// Connections that nobody needs any more, such as those that fetch keeps, would hold it up.
process.exit();
