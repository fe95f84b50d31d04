// Tells a failing disk, which servers must survive by starting anew, from everything else that is
// thrown, which is a bug.

import { DamageError } from "../storage/index.ts";

/** SQLITE_IOERR and SQLITE_FULL. */
const sqliteDiskCodes: readonly unknown[] = [10, 13];

/** Whether an error says that what a disk holds is not what was written. */
export function isDamage(error: unknown): boolean {
  return error instanceof DamageError;
}

/** Whether an error came from a call of a disk that failed. */
export function isDiskFailure(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { errcode } = error as { errcode?: unknown };
  return /^(EIO|ENOSPC)\b/.test(error.message) || sqliteDiskCodes.includes(errcode);
}
