// holdfast transfer: has the leader hand leadership to another server.
import type { Command } from "commander";
import { parseReplicaId } from "./member-changes.ts";
import {
  addOperatorOptions,
  type OperatorCommandOptions,
  openOperator,
} from "./operator-options.ts";

/** Options and action of `transfer`. */
export function define(command: Command): void {
  addOperatorOptions(command)
    .argument("[id]", "who is to lead (default: whoever is furthest of the others)")
    .action(async (id: string | undefined, options: OperatorCommandOptions) => {
      const wanted = id === undefined ? 0 : parseReplicaId(id);
      const operator = await openOperator(options);
      const leaderId = await operator.transferLeadership(wanted);
      process.stdout.write(`Server ${leaderId} leads.\n`);
    });
}
