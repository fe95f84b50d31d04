// `npm run bench`: what three servers on this machine can carry, as JSON lines. `npm run bench --
// acknowledgements` runs one part, `--seconds 5` sets how long each measurement takes. The machine
// also runs the load: compare by ratio in one run.
import { cpus, totalmem } from "node:os";
import { startCluster } from "../e2e/cluster.ts";
import { benchAcknowledgements } from "./acknowledgements.ts";
import { benchDeliveries } from "./deliveries.ts";
import { printResult } from "./measure.ts";

const parts = { acknowledgements: benchAcknowledgements, deliveries: benchDeliveries };

const args = process.argv.slice(2);
const secondsAt = args.indexOf("--seconds");
const seconds = secondsAt < 0 ? 5 : Number(args[secondsAt + 1]);
const names = args.filter((arg, i) => arg in parts && i !== secondsAt + 1);
const unknown = args.filter((arg, i) => !(arg in parts) && i !== secondsAt && i !== secondsAt + 1);
if (unknown.length > 0 || !(seconds > 0 && seconds <= 120)) {
  process.stderr.write(
    `usage: npm run bench -- [${Object.keys(parts).join("] [")}] [--seconds 1…120]\n`,
  );
  process.exit(2);
}

const cluster = await startCluster();
try {
  printResult({
    bench: "configuration",
    servers: cluster.ids.length,
    acks: "live",
    bodyBytes: 200,
    seconds,
    cores: cpus().length,
    processor: cpus()[0]?.model ?? "",
    memoryGib: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  });
  for (const [name, run] of Object.entries(parts)) {
    if (names.length === 0 || names.includes(name)) await run(cluster, seconds);
  }
} finally {
  await cluster.close();
}
