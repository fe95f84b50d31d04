// Hears what a core does, so that a run can be shown, traced or held against a published
// specification.
import type { PeerMessage } from "./peer-message.ts";
import type { Configuration, HardState, LogIndex, ReplicaId, Role } from "./types.ts";

/**
 * Called from inside `step`, synchronously, after the change that it tells of. Must not call the
 * core.
 */
export interface Observer {
  roleChanged?(change: {
    id: ReplicaId;
    role: Role;
    hardState: HardState;
    leader: ReplicaId;
  }): void;
  messageSent?(message: PeerMessage): void;
  messageReceived?(message: PeerMessage): void;
  committed?(change: { id: ReplicaId; commitIndex: LogIndex }): void;
  configurationChanged?(change: { id: ReplicaId; configuration: Configuration }): void;
}
