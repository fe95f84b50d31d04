// The door of the replica: what it is given, what it does for gateways, what it asks of the state
// machine.

export type { AckMode } from "./acknowledgements.ts";
export { type DecodedEntry, decodeEntry } from "./committed-entry.ts";
export {
  type FolderOptions,
  FolderRefusedError,
  openExistingFolder,
  openFolder,
  type ReplicaFolder,
  whenLogExists,
} from "./folder.ts";
export type { Birth, Formed, ReplicaIdentity } from "./formation.ts";
export { decodeIdentity, encodeIdentity } from "./formation.ts";
export { commandBytesMax } from "./limits.ts";
export type {
  CrashPoint,
  ReplicaLog,
  ReplicaMember,
  ReplicaNote,
  ReplicaObserver,
  ReplicaOptions,
  ReplicaTimings,
  ReplicaVotes,
} from "./options.ts";
export { Replica } from "./replica.ts";
export type { ProposalAnswer, ReplicaService, WaitAnswer } from "./service.ts";
export type {
  AppliedCommand,
  CommittedEntry,
  StateMachine,
} from "./state-machine.ts";
