// Whose a data folder is, for whoever only wants to know that. Reads a copy: opening the identity
// itself would write to it, and its server may be running.
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { HostDisk } from "../host/index.ts";
import { decodeIdentity } from "../replica/index.ts";
import { DamageError, IdentityStore } from "../storage/index.ts";
import { StartError } from "./start-error.ts";

const fileName = "identity";

/** The server's id. Throws a StartError where the folder is no server's, or does not say. */
export function readFolderOwner(folder: string): number {
  const path = resolve(folder);
  if (!existsSync(join(path, fileName))) {
    throw new StartError(`${path} is not the data folder of a server`);
  }
  const scratch = mkdtempSync(join(tmpdir(), "holdfast-owner-"));
  try {
    copyFileSync(join(path, fileName), join(scratch, fileName));
    const store = new IdentityStore(new HostDisk(scratch));
    const bytes = store.current();
    store.close();
    const replicaId = bytes === undefined ? 0 : decodeIdentity(bytes).replicaId;
    if (replicaId === 0) throw new StartError(`${path} belongs to no cluster yet`);
    return replicaId;
  } catch (error) {
    if (!(error instanceof DamageError)) throw error;
    throw new StartError(`${path} does not say whose it is any more: ${error.message}`);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The server's id; undefined where the folder does not say, for whatever reason. */
export function findFolderOwner(folder: string): number | undefined {
  try {
    return readFolderOwner(folder);
  } catch (error) {
    if (error instanceof StartError) return undefined;
    throw error;
  }
}
