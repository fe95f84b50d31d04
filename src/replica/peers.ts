// What a replica knows of the others, and what it has to say to them at the end of a turn: all of a
// turn goes to each peer as one frame. Not here: what the messages mean.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Transport } from "../io/transport.ts";
import type { ServerStatus } from "../proto/gen/cluster/v1/admin_pb.js";
import type { PeerFrameSchema } from "../proto/gen/cluster/v1/peer_pb.js";
import type { PeerMessage } from "../raft/index.ts";
import { frameBytesMax } from "./limits.ts";
import { encodePeerFrame, encodePeerMessage } from "./peer-codec.ts";
import type { ProposalFields } from "./proposals.ts";

type FrameShape = MessageInitShape<typeof PeerFrameSchema>;

/** Another replica, as this one knows it. */
export interface Peer {
  readonly peerId: number;
  peerAddress: string;
  connected: boolean;
  /** As in its latest hello; see ReplicaIdentity. */
  logEpoch: number;
  birthNonce: bigint;
  /** Where it says that it is reached; undefined until it has said hello. */
  told: { readonly peerAddress: string; readonly clientAddress: string } | undefined;
  /** Monotonic ms; -Infinity while nothing was ever heard. */
  lastHeardMs: number;
  /** Where clients reach it; empty until it has said hello. */
  clientAddress: string;
  /** What it last said of itself. */
  status: ServerStatus | undefined;
}

/** A command of this replica's clients on its way to the leader. */
export interface Forward {
  readonly term: number;
  readonly resumed: boolean;
  readonly proposals: readonly ProposalFields[];
}

/** What frames carry besides consensus and commands. */
export type Extras = Pick<
  FrameShape,
  | "membershipRequests"
  | "membershipAnswers"
  | "snapshotRequest"
  | "snapshotPiece"
  | "islandHoldings"
  | "islandItems"
>;

interface Outgoing {
  readonly messages: PeerMessage[];
  readonly forwards: Forward[];
  /** Each in a frame of its own. */
  readonly extras: Extras[];
  status: ServerStatus | undefined;
  /** A frame must leave at the end of this turn. */
  due: boolean;
}

/** The other members, by id, and what is about to be sent to them. */
export class Peers {
  readonly #peers = new Map<number, Peer>();
  readonly #outgoing = new Map<number, Outgoing>();
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Who the others are from now on; the transport is told where anything is new. An empty client
   * address does not replace a known one.
   */
  setMembers(
    members: readonly {
      readonly replicaId: number;
      readonly peerAddress: string;
      readonly clientAddress?: string;
    }[],
  ): void {
    const ids = new Set(members.map(({ replicaId }) => replicaId));
    let isNew = false;
    for (const peerId of [...this.#peers.keys()]) {
      if (ids.has(peerId)) continue;
      this.#peers.delete(peerId);
      this.#outgoing.delete(peerId);
      isNew = true;
    }
    for (const { replicaId, peerAddress, clientAddress } of members) {
      const peer = this.#peers.get(replicaId);
      if (peer?.peerAddress !== peerAddress) isNew = true;
      if (peer === undefined) this.#peers.set(replicaId, newPeer(replicaId, peerAddress));
      else peer.peerAddress = peerAddress;
      if (clientAddress) this.#peers.get(replicaId)!.clientAddress = clientAddress;
    }
    if (!isNew) return;
    this.#transport.setPeers(
      [...this.#peers.values()].map(({ peerId, peerAddress }) => ({
        peerId,
        address: peerAddress,
      })),
    );
  }

  all(): IterableIterator<Peer> {
    return this.#peers.values();
  }

  get(peerId: number): Peer | undefined {
    return this.#peers.get(peerId);
  }

  isConnected(peerId: number): boolean {
    return this.#peers.get(peerId)?.connected ?? false;
  }

  /**
   * Queues a peer message. One that only tells the commit index waits for company: the news of the
   * acknowledged index follows at once as a rule, and else the next tick takes it along.
   */
  send(message: PeerMessage): void {
    const outgoing = this.#outgoingTo(message.to);
    const patient = isPatient(message);
    const last = outgoing.messages.at(-1);
    if (patient && last !== undefined && isPatient(last)) outgoing.messages.pop();
    outgoing.messages.push(message);
    if (!patient) outgoing.due = true;
  }

  forward(peerId: number, forward: Forward): void {
    const outgoing = this.#outgoingTo(peerId);
    outgoing.forwards.push(forward);
    outgoing.due = true;
  }

  /** Queues something besides consensus; it leaves in a frame of its own. */
  sendExtras(peerId: number, extras: Extras): void {
    if (!this.isConnected(peerId)) return;
    const outgoing = this.#outgoingTo(peerId);
    outgoing.extras.push(extras);
    outgoing.due = true;
  }

  sendStatus(status: ServerStatus): void {
    for (const peer of this.#peers.values()) {
      if (!peer.connected) continue;
      const outgoing = this.#outgoingTo(peer.peerId);
      outgoing.status = status;
      outgoing.due = true;
    }
  }

  /** Makes sure that every connected peer gets a frame at the end of this turn. */
  markDue(): void {
    for (const peer of this.#peers.values()) {
      if (peer.connected) this.#outgoingTo(peer.peerId).due = true;
    }
  }

  /** Lets everything leave that has waited for company. */
  hurry(): void {
    for (const outgoing of this.#outgoing.values()) outgoing.due = true;
  }

  /**
   * Sends what this turn has gathered. `addTo` completes each frame. Lost frames are consensus'
   * daily bread.
   */
  flush(addTo: (peerId: number) => Pick<FrameShape, "acknowledged" | "wallClockMs">): void {
    if (this.#outgoing.size === 0) return;
    for (const [peerId, outgoing] of this.#outgoing) {
      const connected = this.isConnected(peerId);
      if (connected && !outgoing.due) continue;
      this.#outgoing.delete(peerId);
      const parts = connected ? splitToFrames(outgoing) : [];
      for (const part of parts) {
        const status = part === parts[0] ? outgoing.status : undefined;
        const frame = encodePeerFrame({
          ...addTo(peerId),
          messages: part.messages.map(encodePeerMessage),
          forwards: part.forwards.map((forward) => ({
            term: BigInt(forward.term),
            resumed: forward.resumed,
            proposals: [...forward.proposals],
          })),
          ...(status === undefined ? {} : { status }),
        });
        this.#transport.send(peerId, frame);
      }
      if (!connected) continue;
      for (const extras of outgoing.extras) {
        const { wallClockMs } = addTo(peerId);
        this.#transport.send(
          peerId,
          encodePeerFrame({ wallClockMs: wallClockMs ?? 0n, ...extras }),
        );
      }
    }
  }

  #outgoingTo(peerId: number): Outgoing {
    let outgoing = this.#outgoing.get(peerId);
    if (outgoing === undefined) {
      outgoing = { messages: [], forwards: [], extras: [], status: undefined, due: false };
      this.#outgoing.set(peerId, outgoing);
    }
    return outgoing;
  }
}

function newPeer(peerId: number, peerAddress: string): Peer {
  return {
    peerId,
    peerAddress,
    connected: false,
    logEpoch: 0,
    birthNonce: 0n,
    told: undefined,
    lastHeardMs: Number.NEGATIVE_INFINITY,
    clientAddress: "",
    status: undefined,
  };
}

function isPatient(message: PeerMessage): boolean {
  return message.kind === "heartbeat" && !message.wantsAnswer;
}

type FramePart = Pick<Outgoing, "messages" | "forwards">;

/**
 * Cuts what is to be said into parts that each fit into a frame; one message or forward always
 * does.
 */
function splitToFrames(outgoing: Outgoing): readonly FramePart[] {
  const parts: FramePart[] = [{ messages: [], forwards: [] }];
  let bytes = 0;
  const roomFor = (size: number): FramePart => {
    if (bytes > 0 && bytes + size > frameBytesMax) {
      parts.push({ messages: [], forwards: [] });
      bytes = 0;
    }
    bytes += size;
    return parts.at(-1)!;
  };
  for (const message of outgoing.messages) roomFor(messageBytes(message)).messages.push(message);
  for (const forward of outgoing.forwards) {
    let size = 0;
    for (const { command } of forward.proposals) size += command.length + 32;
    roomFor(size).forwards.push(forward);
  }
  return parts;
}

/** About how long a message is; all but those that carry entries or chunks are short. */
function messageBytes(message: PeerMessage): number {
  if (message.kind === "installSnapshot") return 64 + message.chunk.length;
  if (message.kind !== "appendEntries") return 64;
  let size = 64;
  for (const { payload } of message.entries) size += 32 + payload.length;
  return size;
}
