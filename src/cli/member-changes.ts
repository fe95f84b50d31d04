// Changes of members that more than one command makes.
import type { Operator } from "../client/index.ts";
import { CommandFailure, usageFailure } from "./exit.ts";
import { type OperatorCommandOptions, openOperator } from "./operator-options.ts";

/** A server's id as given. Throws a usage failure. */
export function parseReplicaId(text: string): number {
  const id = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  if (id < 1 || id >= 2 ** 31) {
    throw usageFailure(
      `\`${text}\` is not the id of a server; \`holdfast member list\` shows them`,
    );
  }
  return id;
}

/** Takes a member out and says so. */
export async function removeMember(id: number, options: OperatorCommandOptions): Promise<void> {
  const operator = await openOperator(options);
  const before = await operator.status();
  if (!before.servers.some(({ replicaId }) => replicaId === id)) {
    throw new CommandFailure(`server ${id} is no member; \`holdfast member list\` shows who is`);
  }
  await unlessDone(operator.removeMember(id), async () => !(await isMember(operator, id)));
  process.stdout.write(
    `Server ${id} is no longer a member. It stops by itself; its data folder may be deleted.\n`,
  );
}

/**
 * Waits for a change. A failure counts as success where the change is there: it may have come to be
 * though its answer was lost, and asking again is then refused.
 */
export async function unlessDone(
  change: Promise<void>,
  isDone: () => Promise<boolean>,
): Promise<void> {
  try {
    await change;
  } catch (error) {
    if (!(await isDone().catch(() => false))) throw error;
  }
}

async function isMember(operator: Operator, id: number): Promise<boolean> {
  const { servers } = await operator.status();
  return servers.some(({ replicaId }) => replicaId === id);
}
