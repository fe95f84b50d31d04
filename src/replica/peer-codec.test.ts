// Peer messages and entries as bytes: every kind survives the way, garbage is no message.
import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { EntryPayloadSchema, PeerMessageSchema } from "../proto/gen/cluster/v1/peer_pb.js";
import type { PeerMessage } from "../raft/index.ts";
import {
  decodeEntryPayload,
  decodePeerFrame,
  decodePeerMessage,
  encodeEntryPayload,
  encodePeerFrame,
  encodePeerMessage,
} from "./peer-codec.ts";

const envelope = { term: 7, from: 1, to: 2 };
const big = 2 ** 41 + 1;

const messages: PeerMessage[] = [
  {
    kind: "requestVote",
    ...envelope,
    preVote: true,
    lastLogIndex: big,
    lastLogTerm: 6,
    transfer: true,
  },
  { kind: "requestVoteResponse", ...envelope, preVote: false, granted: true },
  {
    kind: "appendEntries",
    ...envelope,
    previousLogIndex: big,
    previousLogTerm: 5,
    entries: [
      { index: big + 1, term: 7, kind: "noop", payload: new Uint8Array(0) },
      { index: big + 2, term: 7, kind: "commands", payload: new Uint8Array([1, 2, 3]) },
      { index: big + 3, term: 7, kind: "configuration", payload: new Uint8Array([4]) },
    ],
    commitIndex: big,
  },
  {
    kind: "appendEntriesResponse",
    ...envelope,
    accepted: false,
    index: big,
    hintIndex: 3,
    hintTerm: 2,
  },
  { kind: "heartbeat", ...envelope, commitIndex: big, readSequence: 9, wantsAnswer: true },
  { kind: "heartbeatResponse", ...envelope, readSequence: 9 },
  {
    kind: "installSnapshot",
    ...envelope,
    lastIndex: big,
    lastTerm: 6,
    configuration: new Uint8Array([1]),
    offset: 1_000_000,
    chunk: new Uint8Array([5, 6]),
    done: true,
  },
  {
    kind: "installSnapshotResponse",
    ...envelope,
    lastIndex: big,
    nextOffset: 12,
    refused: true,
    installed: false,
  },
  { kind: "timeoutNow", ...envelope },
  { kind: "readIndex", ...envelope, requestId: 4 },
  { kind: "readIndexResponse", ...envelope, requestId: 4, index: big, refused: false },
  { kind: "transferLeadership", ...envelope, target: 3 },
];

describe("peer messages as bytes", () => {
  for (const message of messages) {
    it(`${message.kind} survives the way`, () => {
      const bytes = encodePeerFrame({ messages: [encodePeerMessage(message)] });
      const wire = decodePeerFrame(bytes)?.messages[0];
      expect(wire && decodePeerMessage(wire)).toEqual(message);
    });
  }

  it("bytes that are no frame, and messages that are none, are undefined", () => {
    expect(decodePeerFrame(new Uint8Array([255, 255, 255]))).toBeUndefined();
    expect(decodePeerMessage(create(PeerMessageSchema, envelopeOf()))).toBeUndefined();
    const unknownKind = create(PeerMessageSchema, {
      ...envelopeOf(),
      body: { case: "appendEntries", value: { entries: [{ kind: 0 }] } },
    });
    expect(decodePeerMessage(unknownKind)).toBeUndefined();
  });
});

function envelopeOf() {
  return { term: 7n, from: 1, to: 2 };
}

describe("an entry of commands as bytes", () => {
  it("is what the general encoder makes of it", () => {
    const proposals = Array.from({ length: 70 }, (_, i) => ({
      originId: i % 3,
      originSequence: BigInt(i) ** 9n,
      originIncarnation: (i * 0x9e3779b9) >>> 0,
      command: new Uint8Array(i * i).fill(i),
    }));
    for (const timestampMs of [0, 1, 1_795_227_230_279]) {
      const bytes = encodeEntryPayload(timestampMs, proposals);
      const general = create(EntryPayloadSchema, {
        timestampMs: BigInt(timestampMs),
        proposals: proposals.map((proposal) => ({ ...proposal })),
      });
      const decoded = decodeEntryPayload(bytes);
      expect(decoded).toEqual(decodeEntryPayload(toBinary(EntryPayloadSchema, general)));
      expect(decoded.proposals).toHaveLength(70);
    }
  });

  it("names every field of its definition", () => {
    expect(EntryPayloadSchema.fields.map(({ number }) => number)).toEqual([1, 2, 3]);
    const proposal = EntryPayloadSchema.fields[1]?.message;
    expect(proposal?.fields.map(({ number }) => number)).toEqual([1, 2, 3, 4]);
  });
});
