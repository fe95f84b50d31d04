// One database file apart from any server: opened for a moment, or read in full and judged. Not
// here: chat.db in use (chat-state.ts).
import { join } from "node:path";
import { equalBytes } from "../base/bytes.ts";
import { HostDatabase } from "../host/index.ts";
import type { StateCopy } from "../io/state-store.ts";

/** Opens the database at a path, made where it is missing, for as long as the work takes. */
export async function withDatabase<T>(
  path: string,
  work: (database: HostDatabase) => T | Promise<T>,
): Promise<T> {
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => {});
  const database = new HostDatabase({ path, onFailure: failure.reject });
  try {
    return await Promise.race([work(database), failure.promise]);
  } finally {
    database.close();
    await database.whenClosed();
  }
}

/**
 * Whether a snapshot file is whole and what it should be: why not, or empty. Reads it in full,
 * beside a database of any name in its folder, which is made where it is missing.
 */
export async function judgeSnapshot(
  file: { readonly folder: string; readonly name: string; readonly beside: string },
  facts: StateCopy,
): Promise<string> {
  const { folder, name, beside } = file;
  const found = await withDatabase(
    join(folder, beside),
    (database) => new Promise<StateCopy | Error>((answer) => database.inspect(name, answer)),
  );
  if (found instanceof Error) return found.message;
  const isSame = found.size === facts.size && equalBytes(found.digest, facts.digest);
  return isSame ? "" : "its rows are not those that were written";
}
