// The door of the replica: what it is given, what it does for gateways, what it asks of the state
// machine.

export type { AckMode } from "./acknowledgements.ts";
export type {
  ChangeAnswer,
  ClusterFacts,
  Founder,
  MemberInfo,
  MembershipChange,
  ReplicaAdmin,
  SnapshotReader,
} from "./admin-service.ts";
export { type DecodedEntry, decodeEntry } from "./committed-entry.ts";
export {
  type FolderFinding,
  type FolderOptions,
  FolderRefusedError,
  FolderRemovedError,
  openExistingFolder,
  openFolder,
  type ReplicaFolder,
} from "./folder.ts";
export {
  decodeIdentity,
  encodeIdentity,
  type Formed,
  newIdentity,
  type ReplicaIdentity,
} from "./identity.ts";
export type { IslandChange, IslandService } from "./island-service.ts";
export { commandBytesMax } from "./limits.ts";
export { type Mended, mendLog, whenReady } from "./mending.ts";
export type {
  CrashPoint,
  ReplicaLog,
  ReplicaMember,
  ReplicaNote,
  ReplicaObserver,
  ReplicaOptions,
  ReplicaSizes,
  ReplicaTimings,
  ReplicaVotes,
} from "./options.ts";
export {
  foundAnew,
  foundWithState,
  type KnownMembers,
  knownMembers,
  type RestoredState,
} from "./refounding.ts";
export { Replica } from "./replica.ts";
export type { ProposalAnswer, ReplicaService, WaitAnswer } from "./service.ts";
export type { IncomingFile, SnapshotFacts, SnapshotFolder } from "./snapshot-port.ts";
export type {
  AppliedCommand,
  CommittedEntry,
  StateMachine,
} from "./state-machine.ts";
