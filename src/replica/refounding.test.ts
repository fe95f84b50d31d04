// A folder that goes on alone, and one that begins with a restored state: who may lead in which
// cluster, after every crash on the way.
import { describe, expect, it } from "vitest";
import { assertDefined } from "../base/assert.ts";
import { encodeUtf8 } from "../base/bytes.ts";
import {
  type Configuration,
  decodeConfiguration,
  encodeConfiguration,
  Raft,
} from "../raft/index.ts";
import { type DiskCopy, FaultyDisk, PowerLossError } from "../storage/index.ts";
import type { Founder, MemberInfo } from "./admin-service.ts";
import { openExistingFolder, openFolder, type ReplicaFolder } from "./folder.ts";
import { Formation } from "./formation.ts";
import { encodeMembers, foundingMembers, membersOf, withMember } from "./member-table.ts";
import { contextAt } from "./mending.ts";
import { foundAnew, foundWithState, knownMembers } from "./refounding.ts";

const oldId = 77n;
const newId = 99n;

function founder(replicaId: number): Founder {
  return {
    replicaId,
    birthNonce: BigInt(replicaId * 11),
    peerAddress: `peer-${replicaId}`,
    clientAddress: `http://client-${replicaId}`,
  };
}

/** A disk and what it has put off. */
class Rig {
  pending: (() => void)[] = [];
  readonly disk: FaultyDisk;

  constructor(seed: number) {
    this.disk = new FaultyDisk({ seed, schedule: (callback) => void this.pending.push(callback) });
  }

  open(): ReplicaFolder {
    const log = { damage: "report" } as const;
    const folder = openExistingFolder(this.disk, { path: "folder", log });
    this.runAll();
    return folder;
  }

  make(): ReplicaFolder {
    const folder = openFolder(this.disk, {
      path: "folder",
      replicaId: 1,
      clusterName: "ours",
      drawBirthNonce: () => 11n,
      schedule: (work) => void this.pending.push(work),
    });
    this.runAll();
    return folder;
  }

  runAll(): void {
    while (this.pending.length > 0) this.pending.shift()!();
  }

  crash(): void {
    this.disk.losePower();
    this.pending = [];
  }
}

/** The folder of server 1 of three, with a fourth being added in its log of twelve entries. */
function survivor(rig: Rig): DiskCopy {
  const folder = rig.make();
  const founders = [1, 2, 3].map(founder);
  folder.saveIdentity({ ...folder.identity, formed: { clusterId: oldId, founders } });
  folder.votes.save({ term: 6, votedFor: 2 });
  const added: MemberInfo = { ...founder(4), tokenNonce: 5n, reader: false, away: false };
  const table = withMember(foundingMembers(founders), added);
  const configuration = encodeConfiguration({
    voters: [1, 2, 3],
    votersOutgoing: [],
    learners: [4],
    context: encodeMembers(table),
  });
  folder.log.append(
    Array.from({ length: 12 }, (_, i) => ({
      index: i + 1,
      term: 4,
      kind: i === 9 ? ("configuration" as const) : ("commands" as const),
      payload: i === 9 ? configuration : encodeUtf8(`entry ${i + 1}`),
    })),
    () => {},
  );
  rig.runAll();
  folder.close();
  return rig.disk.copy();
}

/** The configuration that a folder's log says, as far as an entry. */
function configurationAt(folder: ReplicaFolder, index: number): Configuration {
  return assertDefined(decodeConfiguration(contextAt(folder, index)), "configuration");
}

/** Runs a core on a folder for longer than any election takes; what it has then. */
function run(rig: Rig, folder: ReplicaFolder, appliedIndex: number) {
  const { identity, log, votes } = folder;
  const base = log.base();
  const raft = new Raft(
    {
      id: 1,
      electionTimeoutTicksMin: 10,
      electionTimeoutTicksMax: 20,
      heartbeatIntervalTicks: 2,
      appendBytesMax: 1e6,
      appendsInFlightMax: 4,
      uncommittedBytesMax: 1e6,
      seed: 1,
    },
    {
      hardState: votes.current(),
      configuration: configurationAt(folder, base.index),
      appliedIndex: Math.max(appliedIndex, base.index),
      log,
      joinedIndex: identity.joinedIndex,
      abstains: identity.abstains,
    },
  );
  const step = (input: Parameters<Raft["step"]>[0]): void => {
    const { persist } = raft.step(input);
    if (persist === undefined) return;
    if (persist.hardState !== undefined) votes.save(persist.hardState);
    const last = persist.entries.at(-1);
    log.append(persist.entries, () => {
      if (last !== undefined) step({ kind: "persisted", index: last.index, term: last.term });
    });
  };
  for (let ticks = 0; ticks < 100; ticks++) {
    step({ kind: "tick" });
    rig.runAll();
  }
  return raft;
}

/** Calls it and answers how it ended; undefined where the power failed on the way. */
function finish(
  rig: Rig,
  begin: (done: (error?: Error) => void) => void,
): { readonly error: Error | undefined } | undefined {
  let ended: { readonly error: Error | undefined } | undefined;
  try {
    begin((error) => {
      ended = { error };
    });
    rig.runAll();
  } catch (error) {
    if (error instanceof PowerLossError) return undefined;
    throw error;
  }
  return ended?.error instanceof PowerLossError ? undefined : ended;
}

function expectAlone(folder: ReplicaFolder): void {
  const { members, removed } = membersOf(configurationAt(folder, folder.log.lastIndex()));
  expect(members).toMatchObject([founder(1)]);
  expect(removed.map(({ birthNonce }) => birthNonce)).toEqual([22n, 33n, 44n]);
  expect(knownMembers(folder).voters).toEqual([1]);
}

describe("a folder that goes on alone", () => {
  it("leads the new cluster, commits its tail, and remembers the others as removed", () => {
    const rig = new Rig(1);
    survivor(rig);
    const folder = rig.open();
    expect(knownMembers(folder).members.map(({ replicaId }) => replicaId)).toEqual([1, 2, 3, 4]);
    expect(run(rig, folder, 7).role).not.toBe("leader");
    const done = finish(rig, (end) =>
      foundAnew(folder, { clusterId: newId, appliedIndex: 7 }, end),
    );
    expect(done).toEqual({ error: undefined });
    folder.close();
    const after = rig.open();
    expect(after.identity).toMatchObject({
      formed: { clusterId: newId, founders: [founder(1)] },
      abstains: false,
      joinedIndex: 13,
      configuration: { index: 13 },
    });
    expectAlone(after);
    const raft = run(rig, after, 7);
    expect([raft.role, raft.commitIndex, raft.configurationIndex]).toEqual(["leader", 14, 13]);
    expect(after.log.entries(12, 13, 100)[0]?.payload).toEqual(encodeUtf8("entry 12"));
  });

  it("leads in neither cluster after a crash on the way, and can be made so again", () => {
    const rig = new Rig(3);
    const copy = survivor(rig);
    const seen = new Set<string>();
    for (let steps = 0; ; steps++) {
      rig.disk.restore(copy);
      rig.pending = [];
      const folder = rig.open();
      rig.disk.losePowerAfter(steps);
      const request = { clusterId: newId, appliedIndex: 7 };
      const done = finish(rig, (end) => foundAnew(folder, request, end));
      rig.crash();
      const left = rig.open();
      const { formed, abstains } = left.identity;
      const raft = run(rig, left, 7);
      // The last save may be there although its call has not come back.
      const isFinished = formed?.clusterId === newId && !abstains;
      expect([steps, raft.role === "leader"]).toEqual([steps, isFinished]);
      seen.add(`${formed?.clusterId} ${abstains}`);
      const other = { clusterId: newId + 1n, appliedIndex: 7 };
      expect(finish(rig, (end) => foundAnew(left, other, end))).toEqual({ error: undefined });
      left.close();
      const again = rig.open();
      expectAlone(again);
      const leader = run(rig, again, 7);
      expect([leader.role, leader.commitIndex]).toEqual(["leader", again.log.lastIndex()]);
      expect(again.log.entries(12, 13, 100)[0]?.payload).toEqual(encodeUtf8("entry 12"));
      again.close();
      if (done !== undefined) break;
    }
    expect([...seen].sort()).toEqual(["77 false", "99 false", "99 true"]);
  });

  it("goes on behind its state where the log ends before that", () => {
    const rig = new Rig(5);
    survivor(rig);
    const folder = rig.open();
    finish(rig, (end) => foundAnew(folder, { clusterId: newId, appliedIndex: 20 }, end));
    folder.close();
    const after = rig.open();
    expect(after.log.base().index).toBe(20);
    expectAlone(after);
    const raft = run(rig, after, 20);
    expect([raft.role, raft.commitIndex]).toEqual(["leader", 21]);
  });
});

describe("a server that was given up", () => {
  it("is told so when it comes back, and does not take itself for removed", () => {
    const rig = new Rig(9);
    survivor(rig);
    const folder = rig.open();
    const old = folder.identity;
    finish(rig, (end) => foundAnew(folder, { clusterId: newId, appliedIndex: 7 }, end));
    folder.close();
    const { identity } = rig.open();
    const recovered = new Formation(identity, placeOf(1));
    const bytes = decodeConfiguration(identity.configuration.bytes)!;
    recovered.setMembers({ members: membersOf(bytes), index: identity.configuration.index });
    const back = new Formation({ ...old, replicaId: 2, birthNonce: 22n }, placeOf(2));
    const verdict = recovered.judge(back.hello());
    expect(verdict).toMatchObject({
      kind: "refused",
      reason: expect.stringContaining("went on without you after a recovery"),
    });
    back.judge(recovered.hello());
    expect(back.identity.removed).toBe(false);
    const stranger = new Formation({ ...old, replicaId: 9, birthNonce: 99n }, placeOf(9));
    expect(recovered.judge(stranger.hello())).not.toMatchObject({
      reason: expect.stringContaining("recovery"),
    });
  });

  function placeOf(replicaId: number) {
    const { peerAddress, clientAddress } = founder(replicaId);
    return { memberIds: [1, 2, 3], peerAddress, clientAddress };
  }
});

describe("a folder that begins with a restored state", () => {
  it("leads behind that state, and before that in no cluster at all", () => {
    const rig = new Rig(7);
    const made = rig.make();
    made.saveIdentity({ ...made.identity, returning: true });
    made.close();
    const copy = rig.disk.copy();
    for (let steps = 0; ; steps++) {
      rig.disk.restore(copy);
      rig.pending = [];
      const folder = rig.open();
      rig.disk.losePowerAfter(steps);
      const state = { clusterId: newId, self: founder(1), index: 500, term: 9 };
      const done = finish(rig, (end) => foundWithState(folder, state, end));
      rig.crash();
      const left = rig.open();
      if (left.identity.formed === undefined) {
        expect(left.identity.returning).toBe(true);
      } else {
        expect(left.identity).toMatchObject({ returning: false, formed: { clusterId: newId } });
        const raft = run(rig, left, 500);
        expect([raft.role, raft.commitIndex]).toEqual(["leader", 501]);
        expect(membersOf(raft.configuration).members).toMatchObject([founder(1)]);
      }
      left.close();
      if (done !== undefined) break;
    }
  });
});
