// holdfast verify: has all servers take a snapshot at one index, and compares the digests of what
// is on their disks.
import { setTimeout as wait } from "node:timers/promises";
import type { Command } from "commander";
import { toHex } from "../base/bytes.ts";
import type { Operator } from "../client/index.ts";
import { CommandFailure } from "./exit.ts";
import {
  addOperatorOptions,
  type OperatorCommandOptions,
  openOperator,
} from "./operator-options.ts";
import { formatTable } from "./table.ts";

/**
 * How long servers may take for their snapshots after the first one has its, ms; doubles with each
 * attempt. A server that still copies an earlier state leaves a snapshot out, and has the next.
 */
const patienceMsMin = 2_000;
const attemptsMax = 5;
const pollMs = 200;

/** What one server has. */
export interface ServerDigest {
  readonly replicaId: number;
  /** Undefined where it could not be asked, or did not get so far in time. */
  readonly digest: string | undefined;
}

/** Options and action of `verify`. */
export function define(command: Command): void {
  addOperatorOptions(command)
    .option("--json", "print one JSON object")
    .addHelpText("after", "\nExit code 0 only where all members have answered and are the same.")
    .action(async (options: OperatorCommandOptions & { readonly json?: boolean }) => {
      const operator = await openOperator(options);
      const { index, digests } = await compare(operator);
      const { equal, sentence } = judge(digests);
      const text =
        options.json === true
          ? JSON.stringify({ index, equal, servers: digests })
          : table(index, digests);
      process.stdout.write(`${text}\n`);
      if (!equal) throw new CommandFailure(sentence);
      if (options.json !== true) process.stdout.write(`${sentence}\n`);
    });
}

/**
 * Once more where somebody has gone on to the next snapshot meanwhile, or has left this one out.
 */
async function compare(
  operator: Operator,
): Promise<{ readonly index: number; readonly digests: readonly ServerDigest[] }> {
  for (let attempt = 0; ; attempt++) {
    const askedMs = performance.now();
    const { index } = await operator.takeCheckpoint();
    // A large state takes the others as long as it took the one that was asked.
    const patienceMs = Math.max(patienceMsMin, performance.now() - askedMs) * 2 ** attempt;
    const answers = await gatherDigests(operator, { index, endMs: performance.now() + patienceMs });
    const isOver = attempt === attemptsMax - 1 || answers.every(({ digest }) => digest !== "other");
    if (!isOver) continue;
    const digests = answers.map(({ replicaId, digest }) => ({
      replicaId,
      digest: digest === "other" ? undefined : digest,
    }));
    return { index, digests };
  }
}

/** Whether all are there and the same, and the sentence for it. */
export function judge(digests: readonly ServerDigest[]): {
  readonly equal: boolean;
  readonly sentence: string;
} {
  const known = digests.flatMap(({ digest }) => digest ?? []);
  const missing = digests.filter(({ digest }) => digest === undefined);
  const names = missing.map(({ replicaId }) => replicaId).join(", ");
  if (new Set(known).size > 1) {
    return { equal: false, sentence: "The servers differ: those in the minority are wrong." };
  }
  if (missing.length > 0) {
    const sentence =
      `${known.length} of ${digests.length} servers have the same state; ` +
      `server ${names} could not be compared.`;
    return { equal: false, sentence };
  }
  return { equal: known.length > 0, sentence: `All ${known.length} servers have the same state.` };
}

function table(index: number, digests: readonly ServerDigest[]): string {
  const rows = digests.map(({ replicaId, digest }) => [String(replicaId), digest ?? "-"]);
  const columns = [
    { head: "server", align: "right" },
    { head: `digest at entry ${index}`, align: "left" },
  ] as const;
  return formatTable(columns, rows);
}

/** Of which snapshot, and until when it is waited for. */
interface Wanted {
  readonly index: number;
  readonly endMs: number;
}

/** Asks each server for its own, since what others tell of it may be old. */
async function gatherDigests(operator: Operator, wanted: Wanted): Promise<ServerDigest[]> {
  const { servers } = await operator.status();
  return Promise.all(
    servers.map(async ({ replicaId, clientAddress, connected }) => {
      const digest = connected
        ? await awaitDigest(operator, { replicaId, clientAddress, ...wanted })
        : undefined;
      return { replicaId, digest };
    }),
  );
}

/** Undefined: the server does not answer. "other": it has no such snapshot, yet or any more. */
async function awaitDigest(
  operator: Operator,
  of: Wanted & { readonly replicaId: number; readonly clientAddress: string },
): Promise<string | undefined> {
  const { replicaId, clientAddress, index, endMs } = of;
  for (;;) {
    const status = await operator.status(clientAddress).catch(() => undefined);
    const own = status?.servers.find((server) => server.replicaId === replicaId);
    const has = Number(own?.snapshotIndex ?? 0n);
    if (own !== undefined && has === index) return toHex(own.snapshotDigest);
    const isOver = performance.now() >= endMs;
    if (has > index || (isOver && own !== undefined)) return "other";
    if (isOver) return undefined;
    await wait(pollMs);
  }
}
