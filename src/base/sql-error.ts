// What SQLite's error codes say, for those who only have the error. Not here: any connection.

const corrupt = 11;
const notADatabase = 26;
/** An extended code has the primary one in its lowest byte. */
const primaryCodeMask = 0xff;

/**
 * Whether an error of SQLite says that the file is damaged (SQLITE_CORRUPT) or none of its own
 * (SQLITE_NOTADB): trying again does not help, another copy of the state does.
 */
export function isCorruption(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { errcode } = error as { errcode?: unknown };
  if (typeof errcode !== "number") return false;
  const code = errcode & primaryCodeMask;
  return code === corrupt || code === notADatabase;
}

/** An error as SQLite's own, for damage that SQLite itself does not see. */
export function createCorruption(message: string): Error {
  const errstr = "database disk image is malformed";
  return Object.assign(new Error(message), { code: "ERR_SQLITE_ERROR", errcode: corrupt, errstr });
}
