// Peer messages and entries as bytes: between the plain values of the consensus core and Protobuf.
// Bytes that a peer sent may be anything: decoding answers undefined for what is not whole, and
// checks no meaning.
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { assertNever } from "../base/assert.ts";
import {
  type EntryPayload,
  EntryPayloadSchema,
  type EntrySchema,
  type PeerFrame,
  PeerFrameSchema,
  type PeerMessageSchema,
  EntryKind as WireEntryKind,
  type PeerMessage as WirePeerMessage,
} from "../proto/gen/cluster/v1/peer_pb.js";
import type { Entry, EntryKind, PeerMessage } from "../raft/index.ts";
import type { ProposalFields } from "./proposals.ts";

const wireKinds: Record<EntryKind, WireEntryKind> = {
  noop: WireEntryKind.NOOP,
  commands: WireEntryKind.COMMANDS,
  configuration: WireEntryKind.CONFIGURATION,
};

function entryKindOf(kind: WireEntryKind): EntryKind | undefined {
  switch (kind) {
    case WireEntryKind.NOOP:
      return "noop";
    case WireEntryKind.COMMANDS:
      return "commands";
    case WireEntryKind.CONFIGURATION:
      return "configuration";
    default:
      return undefined;
  }
}

function encodeEntry(entry: Entry): MessageInitShape<typeof EntrySchema> {
  return {
    term: BigInt(entry.term),
    index: BigInt(entry.index),
    kind: wireKinds[entry.kind],
    payload: entry.payload,
  };
}

type WireBody = NonNullable<MessageInitShape<typeof PeerMessageSchema>["body"]>;

function encodeBody(message: PeerMessage): WireBody {
  switch (message.kind) {
    case "requestVote":
      return {
        case: "requestVote",
        value: {
          preVote: message.preVote,
          lastLogIndex: BigInt(message.lastLogIndex),
          lastLogTerm: BigInt(message.lastLogTerm),
          transfer: message.transfer,
        },
      };
    case "requestVoteResponse":
      return {
        case: "requestVoteResponse",
        value: { preVote: message.preVote, granted: message.granted },
      };
    case "appendEntries":
      return {
        case: "appendEntries",
        value: {
          previousLogIndex: BigInt(message.previousLogIndex),
          previousLogTerm: BigInt(message.previousLogTerm),
          entries: message.entries.map(encodeEntry),
          commitIndex: BigInt(message.commitIndex),
        },
      };
    case "appendEntriesResponse":
      return {
        case: "appendEntriesResponse",
        value: {
          accepted: message.accepted,
          index: BigInt(message.index),
          hintIndex: BigInt(message.hintIndex),
          hintTerm: BigInt(message.hintTerm),
        },
      };
    default:
      return encodeRareBody(message);
  }
}

type Frequent = "requestVote" | "requestVoteResponse" | "appendEntries" | "appendEntriesResponse";

function encodeRareBody(message: Exclude<PeerMessage, { kind: Frequent }>): WireBody {
  switch (message.kind) {
    case "heartbeat":
      return {
        case: "heartbeat",
        value: {
          commitIndex: BigInt(message.commitIndex),
          readSequence: BigInt(message.readSequence),
          wantsAnswer: message.wantsAnswer,
        },
      };
    case "heartbeatResponse":
      return {
        case: "heartbeatResponse",
        value: { readSequence: BigInt(message.readSequence) },
      };
    case "installSnapshot":
      return {
        case: "installSnapshot",
        value: {
          lastIndex: BigInt(message.lastIndex),
          lastTerm: BigInt(message.lastTerm),
          configuration: message.configuration,
          offset: BigInt(message.offset),
          chunk: message.chunk,
          done: message.done,
        },
      };
    case "installSnapshotResponse":
      return {
        case: "installSnapshotResponse",
        value: {
          lastIndex: BigInt(message.lastIndex),
          nextOffset: BigInt(message.nextOffset),
          refused: message.refused,
          installed: message.installed,
        },
      };
    case "timeoutNow":
      return { case: "timeoutNow", value: {} };
    case "readIndex":
      return { case: "readIndex", value: { requestId: BigInt(message.requestId) } };
    case "readIndexResponse":
      return {
        case: "readIndexResponse",
        value: {
          requestId: BigInt(message.requestId),
          index: BigInt(message.index),
          refused: message.refused,
        },
      };
    case "transferLeadership":
      return { case: "transferLeadership", value: { to: message.target } };
    default:
      return assertNever(message, "peer message");
  }
}

/** The Protobuf form of a peer message. */
export function encodePeerMessage(
  message: PeerMessage,
): MessageInitShape<typeof PeerMessageSchema> {
  return {
    term: BigInt(message.term),
    from: message.from,
    to: message.to,
    body: encodeBody(message),
  };
}

/** The entries of an appendEntries, or undefined where one is of an unknown kind. */
function decodeEntries(
  wire: Extract<WirePeerMessage["body"], { case: "appendEntries" }>["value"],
): Entry[] | undefined {
  const entries: Entry[] = [];
  for (const entry of wire.entries) {
    const kind = entryKindOf(entry.kind);
    if (kind === undefined) return undefined;
    entries.push({
      index: Number(entry.index),
      term: Number(entry.term),
      kind,
      payload: entry.payload,
    });
  }
  return entries;
}

/** The value that a peer sent, or undefined where it is none that this version knows. */
export function decodePeerMessage(wire: WirePeerMessage): PeerMessage | undefined {
  const envelope = { term: Number(wire.term), from: wire.from, to: wire.to };
  const body = wire.body;
  switch (body.case) {
    case "appendEntries": {
      const entries = decodeEntries(body.value);
      if (entries === undefined) return undefined;
      return {
        kind: "appendEntries",
        ...envelope,
        previousLogIndex: Number(body.value.previousLogIndex),
        previousLogTerm: Number(body.value.previousLogTerm),
        entries,
        commitIndex: Number(body.value.commitIndex),
      };
    }
    case "appendEntriesResponse":
      return {
        kind: "appendEntriesResponse",
        ...envelope,
        accepted: body.value.accepted,
        index: Number(body.value.index),
        hintIndex: Number(body.value.hintIndex),
        hintTerm: Number(body.value.hintTerm),
      };
    case "requestVote":
      return {
        kind: "requestVote",
        ...envelope,
        preVote: body.value.preVote,
        lastLogIndex: Number(body.value.lastLogIndex),
        lastLogTerm: Number(body.value.lastLogTerm),
        transfer: body.value.transfer,
      };
    case "requestVoteResponse":
      return {
        kind: "requestVoteResponse",
        ...envelope,
        preVote: body.value.preVote,
        granted: body.value.granted,
      };
    default:
      return decodeRareMessage(wire, envelope);
  }
}

function decodeRareMessage(
  wire: WirePeerMessage,
  envelope: { term: number; from: number; to: number },
): PeerMessage | undefined {
  const body = wire.body;
  switch (body.case) {
    case "heartbeat":
      return {
        kind: "heartbeat",
        ...envelope,
        commitIndex: Number(body.value.commitIndex),
        readSequence: Number(body.value.readSequence),
        wantsAnswer: body.value.wantsAnswer,
      };
    case "heartbeatResponse":
      return {
        kind: "heartbeatResponse",
        ...envelope,
        readSequence: Number(body.value.readSequence),
      };
    case "installSnapshot":
      return {
        kind: "installSnapshot",
        ...envelope,
        lastIndex: Number(body.value.lastIndex),
        lastTerm: Number(body.value.lastTerm),
        configuration: body.value.configuration,
        offset: Number(body.value.offset),
        chunk: body.value.chunk,
        done: body.value.done,
      };
    case "installSnapshotResponse":
      return {
        kind: "installSnapshotResponse",
        ...envelope,
        lastIndex: Number(body.value.lastIndex),
        nextOffset: Number(body.value.nextOffset),
        refused: body.value.refused,
        installed: body.value.installed,
      };
    case "timeoutNow":
      return { kind: "timeoutNow", ...envelope };
    case "readIndex":
      return { kind: "readIndex", ...envelope, requestId: Number(body.value.requestId) };
    case "readIndexResponse":
      return {
        kind: "readIndexResponse",
        ...envelope,
        requestId: Number(body.value.requestId),
        index: Number(body.value.index),
        refused: body.value.refused,
      };
    case "transferLeadership":
      return { kind: "transferLeadership", ...envelope, target: body.value.to };
    default:
      return undefined;
  }
}

/** The bytes of a frame. */
export function encodePeerFrame(frame: MessageInitShape<typeof PeerFrameSchema>): Uint8Array {
  return toBinary(PeerFrameSchema, create(PeerFrameSchema, frame));
}

/** The frame that these bytes stand for, or undefined where they are none. */
export function decodePeerFrame(bytes: Uint8Array): PeerFrame | undefined {
  try {
    return fromBinary(PeerFrameSchema, bytes);
  } catch {
    return undefined;
  }
}

// One writer for all payloads: it keeps its memory, which otherwise grows anew with each entry.
const payloadWriter = new BinaryWriter();

/**
 * The bytes of an entry of commands, an `EntryPayload`. Written by hand, since every command passes
 * here; a test compares it with the general encoder.
 */
export function encodeEntryPayload(
  timestampMs: number,
  proposals: readonly ProposalFields[],
  isCheckpoint = false,
): Uint8Array {
  const writer = payloadWriter;
  writer.tag(1, WireType.Varint).int64(timestampMs);
  for (const proposal of proposals) {
    writer.tag(2, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.Varint).uint32(proposal.originId);
    writer.tag(2, WireType.Varint).uint64(proposal.originSequence);
    writer.tag(3, WireType.LengthDelimited).bytes(proposal.command);
    writer.tag(4, WireType.Bit32).fixed32(proposal.originIncarnation);
    writer.join();
  }
  if (isCheckpoint) writer.tag(3, WireType.Varint).bool(true);
  return writer.finish();
}

/** The commands of an entry. Throws where the bytes are none: a committed entry is always whole. */
export function decodeEntryPayload(bytes: Uint8Array): EntryPayload {
  return fromBinary(EntryPayloadSchema, bytes);
}
