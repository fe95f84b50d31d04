// The judges of island mode, over events made by hand: good runs pass, each wrong one is caught.
import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import type { ChatOutcome } from "../../../chat/index.ts";
import { RejectionCode } from "../../../proto/gen/chat/v1/api_pb.js";
import { type Command, CommandSchema } from "../../../proto/gen/chat/v1/command_pb.js";
import { EntryPayloadSchema, HeldItemSchema } from "../../../proto/gen/cluster/v1/peer_pb.js";
import { SafetyViolation } from "../../checker.ts";
import type { ClusterEvent, ServerId } from "../../cluster-event.ts";
import { applied, at, diskReplaced, follows, started } from "../cluster-events.test-support.ts";
import { ServerLogs } from "../server-logs.ts";
import { createIslandCheckers } from "./index.ts";

const timings = { survival: "island", islandAfterMs: 3_000, tickMs: 10 } as const;

function event(server: ServerId, body: object, atMs = 0): ClusterEvent {
  return { atMs, server, ...body } as unknown as ClusterEvent;
}

function judge(events: readonly ClusterEvent[], survival: "island" | "quorum" = "island") {
  const logs = new ServerLogs(3);
  const { checkers, mayBeMissing } = createIslandCheckers(logs, { ...timings, survival });
  try {
    for (const each of events) {
      logs.see(each);
      for (const checker of checkers) checker.see(each);
    }
    for (const checker of checkers) checker.finish?.([]);
    return { missing: mayBeMissing(7, Buffer.from(id(1)).toString("hex")) };
  } catch (error) {
    if (error instanceof SafetyViolation) return error.message;
    throw error;
  }
}

const id = (n: number) => new Uint8Array(16).fill(n);

function encoded(n: number, body: Command["body"]): Uint8Array {
  return toBinary(CommandSchema, create(CommandSchema, { id: id(n), userId: 7, body }));
}

const message = (n: number, body = "hello") =>
  encoded(n, { case: "sendMessage", value: { roomId: 1, body } } as Command["body"]);
const joining = encoded(9, { case: "joinRoom", value: { roomId: 1 } } as Command["body"]);

function item(command: Uint8Array, timestampMs = 50): Uint8Array {
  const value = { sequence: 1, command, timestampMs: BigInt(timestampMs) };
  return toBinary(HeldItemSchema, create(HeldItemSchema, value));
}

function merge(n: number, { body = "hello", acceptedMs = 50 } = {}): Uint8Array {
  const held = { case: "sendMessage", value: { roomId: 1, body } };
  const value = { held, acceptedMs: BigInt(acceptedMs) };
  return encoded(n, { case: "mergeHeld", value } as Command["body"]);
}

const durable = (server: ServerId, ...items: Uint8Array[]) =>
  event(server, { kind: "islandDurable", items });
const recovered = (server: ServerId, ...items: Uint8Array[]) =>
  event(server, { kind: "islandRecovered", items });
const heldAnswer = (server: ServerId, command: Uint8Array, disks: number) =>
  event(server, { kind: "heldAnswered", command, disks });
const mode = (server: ServerId, open: boolean, atMs = 10_000) =>
  event(server, { kind: "islandMode", open, servers: 1 }, atMs);
const connected = (server: ServerId, peer: ServerId) =>
  event(server, { kind: "peerConnected", peer });
const heard = (server: ServerId, from: ServerId, atMs: number) =>
  event(server, { kind: "messageReceived", message: { from, to: server } }, atMs);
const snapshot = (server: ServerId, index: number) =>
  event(server, { kind: "snapshotTaken", index });

const accepted = { kind: "sent", roomId: 1, number: 1 } as const;
function inLog(index: number, command: Uint8Array, code?: RejectionCode): ClusterEvent {
  const position = at(index);
  const outcome: ChatOutcome =
    code === undefined
      ? { kind: "accepted", answer: accepted, position, repeated: false }
      : { kind: "rejected", code, message: "No." };
  return applied(1, { index, results: [{ command, outcome }] });
}

const held = [started(1), durable(1, item(message(1))), heldAnswer(1, message(1), 1)];

describe("what is held", () => {
  it("passes what was merged with the time of its acceptance", () => {
    expect(judge([...held, inLog(1, merge(1))])).toEqual({ missing: false });
    expect(judge([...held, inLog(1, message(1))])).toEqual({ missing: false });
  });

  it("may be missing where every disk that held it is lost, and only there", () => {
    expect(judge([...held, diskReplaced(1)])).toEqual({ missing: true });
    const copied = [...held, durable(2, item(message(1)))];
    expect(judge([...copied, diskReplaced(1)])).toMatch("is lost");
    expect(judge(held)).toMatch("held on servers 1 and is lost");
  });

  it("is not lost where its room never was, and lost by any other refusal", () => {
    const { UNKNOWN_ROOM, NOT_A_MEMBER } = RejectionCode;
    expect(judge([...held, inLog(1, message(1), UNKNOWN_ROOM)])).toEqual({ missing: false });
    expect(judge([...held, inLog(1, merge(1), NOT_A_MEMBER)])).toMatch("is lost");
  });

  it("catches merges of what nobody held, or not so, or not then", () => {
    expect(judge([...held, inLog(1, merge(2))])).toMatch("never held");
    expect(judge([...held, inLog(1, merge(1, { body: "other" }))])).toMatch("another content");
    expect(judge([...held, inLog(1, merge(1, { acceptedMs: 51 }))])).toMatch("accepted at 51");
  });

  it("catches answers before it is on the disk, and on fewer than told", () => {
    expect(judge([started(1), heldAnswer(1, message(1), 1)])).toMatch("not on its disk");
    expect(judge([...held, heldAnswer(1, message(1), 2)])).toMatch("durable on 1: servers 1");
    const copied = [...held, durable(2, item(message(1))), heldAnswer(1, message(1), 2)];
    expect(judge([...copied, inLog(1, merge(1))])).toEqual({ missing: false });
  });

  it("is a message or a log-in, and nothing else is accepted", () => {
    expect(judge([started(1), durable(1, item(joining))])).toMatch("neither a message");
    expect(judge([started(1), heldAnswer(1, joining, 1)])).toMatch("neither a message");
    const outcome = { kind: "accepted", answer: accepted, position: 8, repeated: false };
    const answer = (more: object) =>
      event(1, { kind: "notHeldAnswered", command: joining, outcome: { ...outcome, ...more } });
    expect(judge([started(1), answer({})])).toMatch("accepts a command in island mode");
    expect(judge([started(1), answer({ repeated: true })])).toEqual({ missing: false });
  });

  it("is there after a restart, unless the disk was damaged", () => {
    const settled = inLog(1, merge(1));
    expect(judge([...held, settled, recovered(1)])).toMatch("come back without 7:0101");
    expect(judge([...held, settled, recovered(1, item(message(1)))])).toEqual({ missing: false });
    const damaged = [...held, settled, event(1, { kind: "diskDamaged" }), recovered(1)];
    expect(judge(damaged)).toEqual({ missing: true });
  });
});

describe("erasing", () => {
  const erased = event(1, { kind: "islandErased" });
  const settled = [...held, inLog(4, merge(1))];

  it("passes when a majority has a snapshot of later", () => {
    const late = [...held, ...[1, 2, 3].map((index) => inLog(index, message(index + 20)))];
    expect(judge([...late, ...settled.slice(-1), snapshot(1, 4), snapshot(2, 5), erased])).toEqual({
      missing: false,
    });
  });

  it("catches it before all is merged, and before the snapshots", () => {
    expect(judge([...held, erased])).toMatch("which nobody has merged");
    const late = [...held, inLog(1, merge(1))];
    expect(judge([...late, snapshot(1, 1), erased])).toMatch("snapshots of later are on servers 1");
  });
});

describe("opening", () => {
  const alone = [started(1)];

  it("passes a server that is alone for long enough, with old connections that say nothing", () => {
    expect(judge([...alone, mode(1, true)])).toEqual({ missing: false });
    const silent = [...alone, connected(1, 2), heard(1, 2, 5_000), mode(1, true)];
    expect(judge(silent)).toEqual({ missing: false });
  });

  it("catches one too early, beside a leader, beside a majority, and where none may open", () => {
    expect(judge([...alone, mode(1, true, 2_000)])).toMatch("after 2000 ms without a leader");
    expect(judge([...alone, follows(1, 1, 2), mode(1, true)])).toMatch("knows leader 2");
    const linked = [...alone, connected(1, 2), heard(1, 2, 9_000), mode(1, true)];
    expect(judge(linked)).toMatch("connected with 2, a majority of 1, 2, 3");
    expect(judge([...alone, mode(1, true)], "quorum")).toMatch("which it must not");
  });
});

describe("the log of a server in island mode", () => {
  const payload = toBinary(
    EntryPayloadSchema,
    create(EntryPayloadSchema, { proposals: [{ command: message(1) }] }),
  );
  const append = (server: ServerId, term: number) =>
    event(server, { kind: "appended", entries: [{ index: 1, term, kind: "commands", payload }] });
  const tail = [started(1), append(1, 1)];

  it("is held as far as it is not applied", () => {
    expect(judge([...tail, mode(1, true)])).toMatch("without 7:0101");
    const taken = [...tail, durable(1, item(message(1))), mode(1, true)];
    expect(judge(taken)).toEqual({ missing: false });
  });

  it("does not change without a leader", () => {
    const open = [started(1), mode(1, true)];
    expect(judge([...open, append(1, 1)])).toMatch("appends entries in island mode");
    const led = [...open, follows(1, 2, 2), append(1, 2)];
    expect(judge(led)).toEqual({ missing: false });
    expect(judge([...open, mode(1, false), append(1, 1)])).toEqual({ missing: false });
  });
});
