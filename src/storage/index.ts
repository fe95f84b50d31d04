// The door of storage: the log, the vote, the identity, and disks in memory for tests and the
// simulator.

export { DamageError } from "./damage-error.ts";
export {
  type DiskCopy,
  type DiskSchedule,
  FaultyDisk,
  type FaultyOperation,
  PowerLossError,
} from "./faulty-disk.ts";
export { IdentityStore } from "./identity-store.ts";
export { entryPayloadBytesMax } from "./limits.ts";
export { type LogStore, type LogStoreOptions, openLogStore } from "./log-store.ts";
export { MemoryDisk, type Schedule } from "./memory.ts";
export { TwinStore, type TwinStoreOptions } from "./twin-store.ts";
export type { Entry, EntryKind, HardState, LogIndex, ReplicaId, Term } from "./types.ts";
export { VoteStore, type VoteStoreOptions } from "./vote-store.ts";
