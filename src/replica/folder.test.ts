// Data folders that are damaged, and fetched states that take their place, with a power failure
// after every step on the way.
import { describe, expect, it } from "vitest";
import { encodeUtf8 } from "../base/bytes.ts";
import type { Clock } from "../io/clock.ts";
import { encodeConfiguration } from "../raft/index.ts";
import { type DiskCopy, FaultyDisk, PowerLossError } from "../storage/index.ts";
import type { Founder } from "./admin-service.ts";
import { openFolder, type ReplicaFolder } from "./folder.ts";
import type { ReplicaIdentity } from "./identity.ts";
import { foundingConfiguration } from "./member-table.ts";
import { type Mended, mendLog, whenReady } from "./mending.ts";

const founders: readonly Founder[] = [1, 2, 3].map((replicaId) => ({
  replicaId,
  birthNonce: BigInt(replicaId * 11),
  peerAddress: `peer-${replicaId}`,
  clientAddress: `http://client-${replicaId}`,
}));
const configuration = encodeConfiguration(foundingConfiguration(founders));
const digest = new Uint8Array(32).fill(5);

/** A machine: its disk, and the state machine's file, of which only the index matters here. */
class Machine {
  readonly disk: FaultyDisk;
  pending: (() => void)[] = [];
  appliedIndex = 0;
  asideCount = 0;

  constructor(seed: number) {
    this.disk = new FaultyDisk({ seed, schedule: (callback) => void this.pending.push(callback) });
  }

  open(nonce = 11n): ReplicaFolder {
    return openFolder(this.disk, {
      path: "folder",
      replicaId: 1,
      clusterName: "ours",
      drawBirthNonce: () => nonce,
      schedule: (work) => void this.pending.push(work),
      log: { segmentBytes: 4096 },
    });
  }

  /** A whole start, up to where the replica would begin. */
  start(nonce = 99n): { readonly folder: ReplicaFolder; readonly mended: Mended } {
    const folder = this.open(nonce);
    let isReady = false;
    const clock: Clock = {
      monotonicMs: () => 0,
      wallMs: () => 0,
      setSoon: (callback) => void this.pending.push(callback),
      setTimer: (_delayMs, callback) => {
        this.pending.push(callback);
        return { cancel: () => {} };
      },
    };
    whenReady(folder, { clock, files: this.#files() }, (error) => {
      if (error !== undefined) throw error;
      isReady = true;
    });
    this.runAll();
    expect(isReady).toBe(true);
    return { folder, mended: mendLog(folder, this.appliedIndex) };
  }

  /** As the host does it, in one durable step. */
  #files() {
    return {
      replaceWith: (name: string) => {
        this.appliedIndex = Number(new TextDecoder().decode(this.disk.cachedBytes(name)));
        this.disk.remove(name);
        this.disk.syncFolder("snapshots");
      },
      setAside: () => {
        this.asideCount += 1;
        this.appliedIndex = 0;
      },
    };
  }

  runAll(): void {
    while (this.pending.length > 0) this.pending.shift()!();
  }

  crash(): void {
    this.disk.losePower();
    this.pending = [];
  }

  /** Flips a bit of the first place in the log where these bytes are. */
  flip(text: string): void {
    for (const name of this.disk.names().filter((one) => one.startsWith("log/"))) {
      const offset = Buffer.from(this.disk.cachedBytes(name)).indexOf(text);
      if (offset < 0) continue;
      this.disk.flipBit(name, { offset, bit: 0 });
      return;
    }
    throw new Error(`no ${text} in the log`);
  }
}

function formed(machine: Machine, change: Partial<ReplicaIdentity> = {}): DiskCopy {
  const folder = machine.open();
  machine.runAll();
  folder.saveIdentity({ ...folder.identity, formed: { clusterId: 7n, founders }, ...change });
  folder.votes.save({ term: 4, votedFor: 1 });
  const entry = (index: number) => ({
    index,
    term: index < 6 ? 2 : 3,
    kind: "commands" as const,
    payload: encodeUtf8(`entry ${index}.`),
  });
  folder.log.append(
    Array.from({ length: 9 }, (_, i) => entry(i + 1)),
    () => {},
  );
  machine.runAll();
  folder.close();
  return machine.disk.copy();
}

function spoil(machine: Machine, name: string): void {
  const file = machine.disk.open(name, { create: false });
  file.write(0, new Uint8Array(20_000).fill(7));
  if (name === "identity") file.write(64 * 1024, new Uint8Array(20_000).fill(7));
  file.syncNow();
  file.close();
}

/** Does it with a power failure after each number of steps, until it comes to its end. */
function atEveryStep(begin: () => DiskCopy, body: (machine: Machine, steps: number) => void): void {
  const copy = begin();
  for (let steps = 0; ; steps++) {
    expect(steps).toBeLessThan(300);
    const machine = new Machine(steps);
    machine.disk.restore(copy);
    machine.disk.losePowerAfter(steps);
    let isCut = false;
    try {
      body(machine, steps);
    } catch (error) {
      if (!(error instanceof PowerLossError)) throw error;
      isCut = true;
    }
    if (!isCut) return;
    machine.crash();
    body(machine, steps);
  }
}

describe("a folder that begins anew (decision 12)", () => {
  for (const name of ["vote", "identity"]) {
    it(`S4: after a loss of its ${name} it waits to be taken in, whatever is cut short`, () => {
      const begin = () => {
        const machine = new Machine(1);
        formed(machine);
        spoil(machine, name);
        return machine.disk.copy();
      };
      atEveryStep(begin, (machine) => {
        machine.appliedIndex = 9;
        const { folder } = machine.start();
        // It founds nothing by itself, and none of what it was before counts.
        expect(folder.identity).toMatchObject({ birthNonce: 99n, returning: true });
        expect(folder.identity.formed).toBeUndefined();
        expect(folder.votes.current()).toEqual({ term: 0, votedFor: 0 });
        expect(folder.log.lastIndex()).toBe(0);
        if (name === "vote") expect(folder.identity.contacts).toEqual(founders);
        folder.close();
      });
    });
  }

  it("its contacts are the newest members that it knew", () => {
    const machine = new Machine(1);
    const moved = founders.map((one) => ({ ...one, peerAddress: `new-${one.replicaId}` }));
    const bytes = encodeConfiguration(foundingConfiguration(moved));
    formed(machine, { configuration: { index: 9, bytes } });
    spoil(machine, "vote");
    expect(machine.open(99n).identity.contacts).toEqual(moved);
  });

  it("its log is set aside, and the next one begins anew too", () => {
    const machine = new Machine(1);
    formed(machine);
    for (let life = 0; life < 2; life++) {
      spoil(machine, "vote");
      machine.start().folder.close();
      machine.runAll();
      const aside = machine.disk.names().filter((name) => name.startsWith("log-aside/"));
      expect(aside.length).toBeGreaterThan(0);
    }
  });

  it("the only server with a vote is not begun anew: nobody has what it has", () => {
    const machine = new Machine(1);
    formed(machine, { formed: { clusterId: 7n, founders: founders.slice(0, 1) } });
    spoil(machine, "vote");
    expect(() => machine.open()).toThrow("no other server has a vote: restore a backup");
    expect(machine.disk.names().filter((name) => name.startsWith("log/"))).not.toEqual([]);
  });

  it("a log of a later version is refused, not thrown away", () => {
    const machine = new Machine(1);
    formed(machine);
    const name = machine.disk.names().find((one) => one.startsWith("log/"))!;
    const bytes = machine.disk.cachedBytes(name);
    const file = machine.disk.open(name, { create: false });
    // The record's format is in its magic number.
    file.write(0, Uint8Array.of(bytes[0]! + 1));
    file.syncNow();
    file.close();
    const before = machine.disk.cachedBytes(name);
    try {
      machine.open().close();
    } catch (error) {
      expect(String(error)).toContain("a format that this version does not know");
    }
    expect(machine.disk.cachedBytes(name)).toEqual(before);
  });
});

describe("a damaged log (decision 12)", () => {
  it("S4: what may have been acknowledged is missed: the server abstains, at every step", () => {
    const begin = () => {
      const machine = new Machine(1);
      formed(machine);
      machine.flip("entry 7.");
      return machine.disk.copy();
    };
    atEveryStep(begin, (machine) => {
      machine.appliedIndex = 4;
      const { folder, mended } = machine.start();
      expect(folder.log.lastIndex()).toBe(6);
      expect(mended.identity.abstains).toBe(true);
      expect(mended.identity.logEpoch).toBeGreaterThan(0);
      expect(mended.identity).toEqual(folder.identity);
      folder.close();
    });
  });

  it("what the state has is not missed", () => {
    const machine = new Machine(1);
    formed(machine);
    machine.flip("entry 3.");
    machine.appliedIndex = 5;
    const { folder, mended } = machine.start();
    expect(mended.identity).toMatchObject({ abstains: false, logEpoch: 0 });
    expect([folder.log.base().index, folder.log.lastIndex()]).toEqual([3, 9]);
    expect(mended.findings.join()).toContain("the log goes on after entry 3");
  });

  it("a state ahead of its log is set aside, and the server abstains", () => {
    const machine = new Machine(1);
    formed(machine);
    machine.appliedIndex = 12;
    const { mended } = machine.start();
    expect(mended).toMatchObject({ isStateAhead: true, identity: { abstains: true } });
  });

  it("the only server with a vote refuses to go on without a part of its log, or all of it", () => {
    const alone = { formed: { clusterId: 7n, founders: founders.slice(0, 1) } };
    const machine = new Machine(1);
    formed(machine, alone);
    machine.flip("entry 7.");
    machine.appliedIndex = 4;
    expect(() => machine.start()).toThrow("has lost entries from 7 on");
    const other = new Machine(2);
    formed(other, alone);
    for (const name of other.disk.names()) if (name.startsWith("log/")) other.disk.remove(name);
    other.disk.syncFolder("log");
    expect(() => other.start()).toThrow("no other server has them");
  });
});

/** A state as of an entry has been fetched, and is to be installed. */
function fetched(machine: Machine, facts: { index: number; term: number }): DiskCopy {
  formed(machine);
  const folder = machine.open();
  const bytes = encodeUtf8(String(facts.index));
  const file = folder.snapshots.incoming({ ...facts, configuration, size: bytes.length, digest });
  file.write(bytes);
  file.finish(() => folder.snapshots.markReady());
  machine.runAll();
  folder.close();
  expect(folder.snapshots.ready()).toBeDefined();
  return machine.disk.copy();
}

describe("a state that was fetched takes the old one's place (Raft §7), at every step", () => {
  const cases = [
    { what: "the log has its last entry and goes on", index: 6, term: 3, log: [0, 9] },
    { what: "the log ends before it and begins behind it", index: 20, term: 5, log: [20, 20] },
    { what: "the log has another entry there and begins anew", index: 7, term: 5, log: [7, 7] },
  ];
  for (const { what, index, term, log } of cases) {
    it(what, () => {
      atEveryStep(
        () => fetched(new Machine(1), { index, term }),
        (machine) => {
          // What the host has put in its place outlives a crash.
          machine.appliedIndex ||= 2;
          const { folder, mended } = machine.start();
          expect(machine.appliedIndex).toBe(index);
          expect([folder.log.base().index, folder.log.lastIndex()]).toEqual(log);
          expect(folder.log.term(index)).toBe(term);
          expect(folder.snapshots.ready()).toBeUndefined();
          expect(mended).toMatchObject({ isStateAhead: false, identity: { abstains: false } });
          folder.close();
        },
      );
    });
  }

  it("a damaged log with another entry there is not taken for what was applied", () => {
    const begin = () => {
      const machine = new Machine(1);
      fetched(machine, { index: 7, term: 5 });
      machine.flip("entry 3.");
      return machine.disk.copy();
    };
    atEveryStep(begin, (machine) => {
      const { folder, mended } = machine.start();
      expect(machine.appliedIndex).toBe(7);
      expect(folder.log.term(7)).toBe(5);
      expect(folder.log.lastIndex()).toBe(7);
      expect(mended.isStateAhead).toBe(false);
      folder.close();
    });
  });
});
