// For tests of this folder: the island and the operators' side of a replica, moved by hand.
import { create, fromBinary } from "@bufbuild/protobuf";
import type { Chat, ChatOutcome } from "../chat/index.ts";
import { CommandSchema } from "../proto/gen/chat/v1/command_pb.js";
import { type HeldItem, HeldItemSchema } from "../proto/gen/cluster/v1/peer_pb.js";
import type {
  ChangeAnswer,
  ClusterFacts,
  IslandChange,
  IslandService,
  MemberInfo,
  MembershipChange,
  ProposalAnswer,
  ReplicaAdmin,
  SnapshotReader,
} from "../replica/index.ts";

/** An island of one server over a chat state. */
export class FakeIsland implements IslandService {
  readonly #chat: Chat;
  readonly #listeners = new Set<(change: IslandChange) => void>();
  #items: HeldItem[] = [];
  #sequence = 0;
  #isOpen = false;
  disks = 1;

  constructor(chat: Chat) {
    this.#chat = chat;
  }

  open(): void {
    this.#isOpen = true;
    this.#tell({ kind: "opened", servers: this.disks });
  }

  /** There is a leader again; what is held stays until it is merged. */
  close(): void {
    this.#isOpen = false;
    this.#tell({ kind: "closed" });
  }

  /** Takes a command in, from here or from another server of the island. */
  hold(...commands: Uint8Array[]): void {
    const items = commands.map((command) => {
      this.#sequence += 1;
      const timestampMs = 1_700_000_000_000 + this.#sequence;
      return create(HeldItemSchema, {
        island: { replicaId: 1, nonce: 77n },
        sequence: this.#sequence,
        hybridTime: BigInt(timestampMs) << 16n,
        timestampMs: BigInt(timestampMs),
        command,
      });
    });
    this.#items.push(...items);
    this.#tell({ kind: "held", items });
  }

  /** What a server in island mode answers to a proposal. */
  answer(command: Uint8Array): ProposalAnswer<ChatOutcome> {
    const outcome = this.#chat.judgeHeld(command);
    if (outcome !== undefined) return { kind: "notHeld", outcome };
    const { id } = fromBinary(CommandSchema, command);
    const isKnown = this.#items.some(
      (item) => Buffer.compare(fromBinary(CommandSchema, item.command).id, id) === 0,
    );
    if (!isKnown) this.hold(command);
    return { kind: "held", disks: this.disks, timestampMs: 1_700_000_000_000 };
  }

  /** The commands that merge what is held. It counts as merged at `dropItems`. */
  mergeCommands(): Uint8Array[] {
    return this.#items.map(({ command, timestampMs }) =>
      this.#chat.mergeCommand({ command, timestampMs: Number(timestampMs), commitIndex: 1 }),
    );
  }

  dropItems(): void {
    this.#items = [];
  }

  islandState() {
    return { open: this.#isOpen, servers: this.#isOpen ? this.disks : 0 };
  }

  heldItems(): readonly HeldItem[] {
    return this.#items;
  }

  subscribeIsland(listener: (change: IslandChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(change: IslandChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

/** A member of the fake cluster. */
export function fakeMember(replicaId: number, other: Partial<MemberInfo> = {}): MemberInfo {
  return {
    replicaId,
    birthNonce: BigInt(1000 + replicaId),
    peerAddress: `10.0.0.${replicaId}:4901`,
    clientAddress: `http://10.0.0.${replicaId}:4801`,
    tokenNonce: 0n,
    reader: false,
    away: false,
    ...other,
  };
}

/** A cluster of three as its operators see it; changes are committed at once. */
export class FakeAdmin implements ReplicaAdmin {
  readonly changes: MembershipChange[] = [];
  /** Answers the next changes in place of `done`. */
  answers: ChangeAnswer[] = [];
  members: MemberInfo[] = [fakeMember(1), fakeMember(2), fakeMember(3)];
  isFormed = true;
  nowMs = 1_700_000_000_000;
  snapshot = new Uint8Array(2_000_000).map((_, i) => i * 7);
  /** False: checkpoints are answered when `finishCheckpoints` is called. */
  answersCheckpoints = true;
  checkpointFailure = "";
  openSnapshots = 0;
  /** Bytes read from each snapshot that was opened. */
  readonly readBytes: number[] = [];
  #waiting: (() => void)[] = [];

  changeMembers(change: MembershipChange, done: (answer: ChangeAnswer) => void): void {
    this.changes.push(change);
    const answer = this.answers.shift() ?? this.#change(change);
    setImmediate(() => done(answer));
  }

  transferLeadership(
    target: number,
    done: Parameters<ReplicaAdmin["transferLeadership"]>[1],
  ): void {
    setImmediate(() => {
      if (target === 9) done({ kind: "refused", reason: "Server 9 is no member." });
      else done({ kind: "done", leaderId: target === 0 ? 2 : target });
    });
  }

  takeCheckpoint(done: Parameters<ReplicaAdmin["takeCheckpoint"]>[0]): void {
    this.#waiting.push(() => {
      const message = this.checkpointFailure;
      if (message !== "") done({ kind: "unavailable", message });
      else done({ kind: "done", snapshot: this.#openSnapshot() });
    });
    if (this.answersCheckpoints) setImmediate(() => this.finishCheckpoints());
  }

  finishCheckpoints(): void {
    for (const tell of this.#waiting.splice(0)) tell();
  }

  clusterFacts(): ClusterFacts | undefined {
    if (!this.isFormed) return undefined;
    return {
      clusterId: 0x00c0ffee00c0ffeen,
      clusterName: "test",
      founders: [fakeMember(1), fakeMember(2), fakeMember(3)],
      members: this.members,
      configurationIndex: 40,
    };
  }

  clusterTimeMs(): number {
    return this.nowMs + 0.5;
  }

  #change(change: MembershipChange): ChangeAnswer {
    if (change.kind !== "add") return { kind: "done", index: 41, replicaId: change.replicaId };
    const known = this.members.find(({ birthNonce }) => birthNonce === change.member.birthNonce);
    const replicaId = known?.replicaId ?? (change.member.replicaId || this.members.length + 1);
    if (known === undefined) this.members = [...this.members, { ...change.member, replicaId }];
    return { kind: "done", index: 41, replicaId };
  }

  #openSnapshot(): SnapshotReader {
    this.openSnapshots += 1;
    const opened = this.readBytes.push(0) - 1;
    let isOpen = true;
    return {
      index: 17,
      term: 3,
      configuration: new Uint8Array([1, 2, 3]),
      size: this.snapshot.length,
      digest: new Uint8Array(32).fill(9),
      read: (offset, length) => {
        if (!isOpen) throw new Error("read from a snapshot that was closed");
        const piece = this.snapshot.subarray(offset, offset + length);
        this.readBytes[opened] = (this.readBytes[opened] ?? 0) + piece.length;
        return piece;
      },
      close: () => {
        if (isOpen) this.openSnapshots -= 1;
        isOpen = false;
      },
    };
  }
}
