// Tells a bug, which the same build meets again at the same entry, from a failure of the machine,
// which may pass.
import { DamageError } from "../storage/index.ts";

/**
 * Primary result codes of SQLite that speak of a bug: ERROR, MISMATCH, MISUSE, RANGE, CONSTRAINT.
 */
const sqliteBugCodes: readonly number[] = [1, 20, 21, 25, 19];

/** Whether an error comes from the disk or the system, so that another start may well succeed. */
export function isMachineFailure(error: Error): boolean {
  if (error instanceof DamageError) return true;
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  // An extended result code has the primary one in its low byte.
  if (typeof errcode === "number") return !sqliteBugCodes.includes(errcode & 0xff);
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code);
}
