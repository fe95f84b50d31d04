// The door of storage: the log, the vote, the identity, snapshots, the island log, and disks in
// memory for tests and the simulator.

export { crc32c } from "./crc32c.ts";
export { DamageError } from "./damage-error.ts";
export {
  type DiskCopy,
  type DiskSchedule,
  FaultyDisk,
  type FaultyOperation,
  PowerLossError,
} from "./faulty-disk.ts";
export { IdentityStore, type IdentityStoreOptions } from "./identity-store.ts";
export { IncomingSnapshot } from "./incoming-snapshot.ts";
export { type IslandLog, type IslandLogOptions, openIslandLog } from "./island-log.ts";
export { entryPayloadBytesMax } from "./limits.ts";
export type { AppliedEntry, DamageVerdict, LogDamage, LogFinding } from "./log-damage.ts";
export { type LogStore, type LogStoreOptions, openLogStore } from "./log-store.ts";
export { MemoryDisk, type Schedule } from "./memory.ts";
export type { SnapshotFacts } from "./snapshot-facts.ts";
export {
  type ReadySnapshot,
  type SnapshotFile,
  SnapshotStore,
  type SnapshotStoreOptions,
} from "./snapshot-store.ts";
export { TwinStore, type TwinStoreOptions } from "./twin-store.ts";
export type { Entry, EntryKind, HardState, LogBase, LogIndex, ReplicaId, Term } from "./types.ts";
export { VoteStore, type VoteStoreOptions } from "./vote-store.ts";
