// Writes traces of whole simulated clusters and reads them by a small model of the specification.
// That the model agrees with the specification itself was tried with TLC (docs/TESTING.md).
import { describe, expect, test } from "vitest";
import type { FaultKind } from "./fault-kind.ts";
import { RaftSpecification, TraceRefused } from "./raft-specification.test-support.ts";
import { RaftTrace } from "./raft-trace.ts";
import { runSimulation } from "./run.ts";

const troubles: readonly FaultKind[] = [
  "kill",
  "powerLoss",
  "stop",
  "pause",
  "partition",
  "oneWayCut",
  "breakConnection",
  "delay",
  "loss",
  "doubling",
  "reordering",
];

interface TracedRun {
  readonly seed: number;
  readonly servers: number;
  readonly simulatedMs: number;
  readonly faults: readonly FaultKind[];
}

async function traceOf({ seed, servers, simulatedMs, faults }: TracedRun): Promise<string[]> {
  const lines: string[] = [];
  const trace = new RaftTrace({ write: (line) => lines.push(line) });
  const meanWaitMs = Object.fromEntries(faults.map((kind) => [kind, 2_000]));
  const { verdict, message } = await runSimulation({
    seed,
    simulatedMs,
    swarm: { servers, pace: "fast", faults, meanWaitMs },
    observerOf: (server) => trace.observerOf(server),
  });
  expect({ verdict, message }).toEqual({ verdict: "passed", message: "" });
  return lines;
}

function read(lines: readonly string[]): RaftSpecification {
  const specification = new RaftSpecification();
  for (const line of lines) specification.see(line);
  return specification;
}

/** Changes the first line that matches, which the model must then refuse, there or later. */
function refuses(lines: readonly string[], pattern: RegExp, replacement: string): void {
  const at = lines.findIndex((line) => pattern.test(line));
  expect(at).toBeGreaterThan(0);
  const changed = lines.with(at, lines[at]!.replace(pattern, replacement));
  expect(changed[at]).not.toBe(lines[at]);
  expect(() => read(changed)).toThrow(TraceRefused);
}

describe("the trace for etcd-io/raft's trace validation", () => {
  test.each([1, 3, 5])("of %i servers without trouble is what Raft permits", async (servers) => {
    const lines = await traceOf({ seed: 1, servers, simulatedMs: 2_000, faults: [] });
    const { note, seen } = read(lines);
    expect(note).toBe("");
    expect(seen["InitState"]).toBe(servers);
    expect(seen["Commit"]).toBeGreaterThan(0);
  });

  test("of servers in trouble is what Raft permits, with every event that it can have", async () => {
    const seen = new Set<string>();
    let restarts = 0;
    for (let seed = 1; seed <= 6; seed++) {
      const run = { seed, servers: 3, simulatedMs: 10_000, faults: troubles };
      const specification = read(await traceOf(run));
      for (const name of Object.keys(specification.seen)) seen.add(name);
      restarts += (specification.seen["InitState"] ?? 0) - 3;
    }
    expect(restarts).toBeGreaterThan(6);
    expect([...seen].sort()).toEqual([
      "BecomeCandidate",
      "BecomeFollower",
      "BecomeLeader",
      "Commit",
      "InitState",
      "Ready",
      "ReceiveAppendEntriesRequest MsgApp",
      "ReceiveAppendEntriesRequest MsgHeartbeat",
      "ReceiveAppendEntriesResponse MsgAppResp",
      "ReceiveAppendEntriesResponse MsgHeartbeatResp",
      "ReceiveRequestVoteRequest MsgVote",
      "ReceiveRequestVoteResponse MsgVoteResp",
      "Replicate",
      "SendAppendEntriesRequest MsgApp",
      "SendAppendEntriesRequest MsgHeartbeat",
      "SendAppendEntriesResponse MsgAppResp",
      "SendAppendEntriesResponse MsgHeartbeatResp",
      "SendRequestVoteRequest MsgVote",
      "SendRequestVoteResponse MsgVoteResp",
    ]);
  });

  test("has exactly the names and fields of that vocabulary", async () => {
    const lines = await traceOf({ seed: 1, servers: 3, simulatedMs: 500, faults: [] });
    const voteRequest = lines.find((line) => line.includes("SendRequestVoteRequest")) ?? "";
    const { ts, ...rest } = JSON.parse(voteRequest);
    expect(ts).toBeGreaterThanOrEqual(1_000_000_000);
    expect({ ...rest, event: { ...rest.event, nid: "?", msg: undefined } }).toEqual({
      tag: "trace",
      event: {
        name: "SendRequestVoteRequest",
        nid: "?",
        state: { term: 2, vote: rest.event.nid, commit: 1 },
        role: "StateCandidate",
        log: 1,
        conf: [["1", "2", "3"], []],
        msg: undefined,
      },
    });
    expect(rest.event.msg).toEqual({
      type: "MsgVote",
      term: 2,
      from: rest.event.nid,
      to: expect.stringMatching(/^[123]$/),
      entries: 0,
      logTerm: 1,
      index: 1,
      commit: 0,
      vote: "0",
      reject: false,
      rejectHint: 0,
    });
  });

  test("with one wrong field is refused", async () => {
    const lines = await traceOf({ seed: 1, servers: 3, simulatedMs: 1_000, faults: [] });
    const event = (name: string) => `"name":"${name}".*`;
    const table: readonly (readonly [string, RegExp, string])[] = [
      ["a term", new RegExp(`(${event("BecomeCandidate")}"term":)2`), "$13"],
      ["a vote", new RegExp(`(${event("BecomeCandidate")}"vote":")\\d`), "$10"],
      ["a role", new RegExp(`(${event("SendRequestVoteRequest")})StateCandidate`), "$1StateLeader"],
      ["a log's end", new RegExp(`(${event("SendRequestVoteRequest")}"index":)1`), "$12"],
      ["a grant", new RegExp(`(${event("ReceiveRequestVoteResponse")}"reject":)false`), "$1true"],
      ["a length", new RegExp(`(${event("Replicate")}"log":)1`), "$12"],
      ["entries", new RegExp(`(${event("ReceiveAppendEntriesRequest")}"entries":)1`), "$12"],
      ["a term before", new RegExp(`(${event("SendAppendEntriesRequest")}"logTerm":)1`), "$12"],
      ["a match", new RegExp(`(${event("ReceiveAppendEntriesResponse")}"index":)2`), "$13"],
      ["a commit index", new RegExp(`(${event("Commit")}"commit":)2`), "$13"],
      ["a voter", new RegExp(`(${event("Commit")}"conf":\\[\\[)"1",`), "$1"],
      ["a server", new RegExp(`(${event("Ready")}"nid":")\\d`), "$14"],
      ["a name", /"name":"Ready"/, '"name":"Commit"'],
    ];
    read(lines);
    for (const [, pattern, replacement] of table) refuses(lines, pattern, replacement);
  });

  test("is the same for the same seed, byte for byte", async () => {
    const run = { seed: 3, servers: 3, simulatedMs: 3_000, faults: troubles };
    expect(await traceOf(run)).toEqual(await traceOf(run));
  });
});

describe("a trace of cores that restart", () => {
  const view = {
    id: 1,
    role: "follower",
    hardState: { term: 0, votedFor: 0 },
    commitIndex: 0,
    lastIndex: 0,
    stableIndex: 0,
    configuration: { voters: [1], votersOutgoing: [], learners: [], context: new Uint8Array(0) },
  } as const;

  /** A lone server leads term 1 and has appended `lastIndex` entries, all but one durable. */
  function leadAlone(lines: string[], lastIndex: number) {
    const observer = new RaftTrace({ write: (line) => lines.push(line) }).observerOf(1);
    const hardState = { term: 1, votedFor: 1 };
    const leading = { ...view, role: "leader", hardState } as const;
    observer.started?.(view);
    observer.roleChanged?.({ id: 1, role: "candidate", hardState, leader: 0 });
    observer.roleChanged?.({ id: 1, role: "leader", hardState, leader: 1 });
    observer.logChanged?.({ id: 1, lastIndex, cutAt: 0 });
    observer.stepEnded?.({ ...leading, lastIndex });
    return { observer, hardState };
  }

  test("goes on where all that was sent is there", () => {
    const lines: string[] = [];
    const { observer, hardState } = leadAlone(lines, 2);
    observer.started?.({ ...view, hardState, lastIndex: 2, stableIndex: 2 });
    const { note, seen } = read(lines);
    expect(note).toBe("");
    expect(seen["InitState"]).toBe(2);
  });

  test("ends with a note where a tail is lost that nobody was promised", () => {
    const lines: string[] = [];
    const { observer, hardState } = leadAlone(lines, 2);
    observer.started?.({ ...view, hardState, lastIndex: 1, stableIndex: 1 });
    observer.stepEnded?.({ ...view, hardState, lastIndex: 1, stableIndex: 1 });
    expect(read(lines).note).toBe(
      "the trace ends here: server 1 restarts with another part of what it had",
    );
  });

  test("is refused where a vote that was sent is forgotten", async () => {
    const lines: string[] = [];
    const trace = new RaftTrace({ write: (line) => lines.push(line) });
    const configuration = {
      voters: [1, 2],
      votersOutgoing: [],
      learners: [],
      context: new Uint8Array(0),
    };
    const [one, two] = [1, 2].map((id) => ({ ...view, id, configuration }));
    const [asker, voter] = [trace.observerOf(1), trace.observerOf(2)];
    asker.started?.(one!);
    voter.started?.(two!);
    const hardState = { term: 1, votedFor: 1 };
    const envelope = { term: 1, from: 1, to: 2, preVote: false } as const;
    const end = { lastLogIndex: 0, lastLogTerm: 0, transfer: false };
    const request = { kind: "requestVote", ...envelope, ...end } as const;
    const back = { ...envelope, from: 2, to: 1, granted: true } as const;
    const answer = { kind: "requestVoteResponse", ...back } as const;
    asker.roleChanged?.({ id: 1, role: "candidate", hardState, leader: 0 });
    asker.messageSent?.(request);
    asker.stepEnded?.({ ...one!, role: "candidate", hardState });
    voter.messageReceived?.(request);
    voter.messageSent?.(answer);
    voter.stepEnded?.({ ...two!, hardState });
    asker.messageReceived?.(answer);
    asker.stepEnded?.({ ...one!, role: "candidate", hardState });
    read(lines);
    voter.started?.({ ...two!, hardState: { term: 1, votedFor: 0 } });
    expect(() => read(lines)).toThrow("the vote is 1");
  });
});
