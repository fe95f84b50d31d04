// Collects what one step asks of the caller and hands it over as Effects. Decides nothing but the
// order of leaving.
import type { Effects, Persist, ReadResult, RoleChange } from "./effects.ts";
import type { InstallSnapshot, PeerMessage } from "./peer-message.ts";
import type { Entry, HardState, LogIndex, ReplicaId } from "./types.ts";

/** What the end of a step adds to what was collected. */
export interface StepEnd {
  readonly hardState: HardState | undefined;
  readonly entries: readonly Entry[];
  readonly applyTo: LogIndex;
  readonly roleChange: RoleChange | undefined;
}

const nothing: readonly never[] = [];

/** Invariant: empty between steps. */
export class Outbox {
  #send: PeerMessage[] = [];
  #sendAfter: PeerMessage[] = [];
  #reads: ReadResult[] = [];
  #snapshotChunks: { readonly to: ReplicaId; readonly offset: number }[] = [];
  #storeChunk: InstallSnapshot | undefined;
  #proposalDropped = false;
  #configurationIndex: LogIndex | undefined;
  #configurationRefused: string | undefined;

  /** A message that promises nothing: it holds whatever the disk comes to. */
  send(message: PeerMessage): void {
    this.#send.push(message);
  }

  /** A message that promises what the disk must hold first. */
  sendAfterPersist(message: PeerMessage): void {
    this.#sendAfter.push(message);
  }

  read(result: ReadResult): void {
    this.#reads.push(result);
  }

  requestChunk(to: ReplicaId, offset: number): void {
    this.#snapshotChunks.push({ to, offset });
  }

  storeChunk(chunk: InstallSnapshot): void {
    this.#storeChunk = chunk;
  }

  dropProposal(): void {
    this.#proposalDropped = true;
  }

  takeConfiguration(index: LogIndex): void {
    this.#configurationIndex = index;
  }

  refuseConfiguration(reason: string): void {
    this.#configurationRefused = reason;
  }

  /**
   * The effects of the step. When its hard state is new, every message of the step waits for it:
   * the first message of a term must not leave before the term is durable.
   */
  take(end: StepEnd): Effects {
    const waitsForTerm = end.hardState !== undefined && this.#send.length > 0;
    const sendAfter = waitsForTerm ? [...this.#send, ...this.#sendAfter] : this.#sendAfter;
    const persist: Persist | undefined =
      end.hardState !== undefined || end.entries.length > 0 || sendAfter.length > 0
        ? { hardState: end.hardState, entries: end.entries, sendAfter }
        : undefined;
    const effects: Effects = {
      send: waitsForTerm ? nothing : this.#send,
      persist,
      applyTo: end.applyTo,
      reads: this.#reads,
      roleChange: end.roleChange,
      proposalDropped: this.#proposalDropped,
      configurationIndex: this.#configurationIndex,
      configurationRefused: this.#configurationRefused,
      storeChunk: this.#storeChunk,
      snapshotChunks: this.#snapshotChunks,
    };
    this.#send = [];
    this.#sendAfter = [];
    if (this.#reads.length > 0) this.#reads = [];
    if (this.#snapshotChunks.length > 0) this.#snapshotChunks = [];
    this.#storeChunk = undefined;
    this.#proposalDropped = false;
    this.#configurationIndex = undefined;
    this.#configurationRefused = undefined;
    return effects;
  }
}
