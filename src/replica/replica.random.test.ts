// Members that come and go, disks and states that are lost, checkpoints, planned stops and faults
// of every kind at random, on virtual time: nothing acknowledged is lost or doubled as long as a
// majority keeps its disks, and all become equal.
import { expect, it } from "vitest";
import { Random } from "../base/random.ts";
import type { ProposalAnswer } from "./index.ts";
import { type Outcome, World, type WorldServer } from "./replica-world.test-support.ts";

type Pending = { readonly id: string; answer: ProposalAnswer<Outcome> | undefined };

/** What a spoiled row has for its stamp. */
const rot = -1;

function pick<T>(random: Random, from: readonly T[]): T {
  return from[random.nextInteger(0, from.length)]!;
}

function isSpoiled({ disk }: WorldServer): boolean {
  return [...disk.applied.commands.values()].some(({ timestampMs }) => timestampMs === rot);
}

class Run {
  readonly world: World;
  readonly random: Random;
  readonly proposed: Pending[] = [];
  /** Terms and who led them. */
  readonly leaders = new Map<number, number>();
  /** Machines that ask to be taken in. */
  #joining: WorldServer | undefined;
  /** Whose log or disk was lost, and which is not whole again. */
  readonly #maimed = new Set<WorldServer>();
  readonly did = new Map<string, number>();

  constructor(seed: number) {
    this.random = new Random(seed * 7919);
    const sizes = { checkpointBytes: 1_500, logKeepBytes: 300 };
    this.world = new World({ seed, size: pick(this.random, [1, 3, 3, 3, 5]), sizes });
    this.world.startAll();
    this.world.untilLeader();
  }

  #count(what: string): void {
    this.did.set(what, (this.did.get(what) ?? 0) + 1);
  }

  /** Somebody who is not gone, and not only on the way in. */
  #pick(): WorldServer {
    const isHere = (one: WorldServer) => one.removed === undefined && one !== this.#joining;
    return pick(this.random, this.world.servers.filter(isHere));
  }

  round(round: number): void {
    const fault = pick(this.random, faults);
    if (fault !== undefined && this[fault]()) this.#count(fault);
    const origin = this.#pick();
    if (origin.replica !== undefined) {
      const pending: Pending = { id: `r${round}-${"x".repeat(40)}`, answer: undefined };
      this.proposed.push(pending);
      const result = this.world.propose(origin.id, pending.id);
      Object.defineProperty(pending, "answer", { get: () => result.answer });
    }
    this.#spend(this.random.nextInteger(1, 80));
  }

  /** Time goes on; at most one leads in each term. */
  #spend(ms: number): void {
    this.world.run(ms);
    for (const { id, replica, disk } of this.world.servers) {
      if (replica?.leads !== true) continue;
      const { term } = disk.hardState;
      expect(this.leaders.get(term) ?? id, `leader of term ${term}`).toBe(id);
      this.leaders.set(term, id);
    }
    for (const server of this.#maimed) if (this.#isWhole(server)) this.#maimed.delete(server);
  }

  /** It has a say again, and everything that was acknowledged. */
  #isWhole(server: WorldServer): boolean {
    const { identity, applied } = server.disk;
    const leader = this.world.leader();
    const status = leader?.replica?.status();
    const line = status?.servers.find(({ replicaId }) => replicaId === server.id);
    if (server.removed !== undefined) return true;
    if (identity.abstains || server.replica === undefined || line === undefined) return false;
    if (line.membership !== 1 || status?.configurationChanging || isSpoiled(server)) return false;
    return line.live && applied.index >= leader!.disk.applied.index;
  }

  /** So many have votes that one more may lose its disk; nobody else has lost one meanwhile. */
  #mayMaim(server: WorldServer): boolean {
    if (this.#maimed.size > 0 || server.replica === undefined) return false;
    const status = this.world.leader()?.replica?.status();
    if (status === undefined || status.configurationChanging) return false;
    const voters = status.servers.filter(({ membership }) => membership === 1);
    return voters.length >= 3 && voters.every(({ live, connected }) => live && connected);
  }

  kill(): boolean {
    const server = this.#pick();
    server.kill();
    return true;
  }

  start(): boolean {
    for (const server of this.world.servers) {
      const isNew = server === this.#joining;
      if (server.replica === undefined && server.removed === undefined && !isNew) server.start();
    }
    return true;
  }

  pause(): boolean {
    const server = this.#pick();
    if (server.replica === undefined) return false;
    server.paused = true;
    return true;
  }

  resume(): boolean {
    for (const server of this.world.servers) server.resume();
    return true;
  }

  hang(): boolean {
    this.#pick().diskHangs = true;
    return true;
  }

  wake(): boolean {
    for (const server of this.world.servers) server.diskHangs = false;
    return true;
  }

  cut(): boolean {
    const [a, b] = [this.#pick().id, this.#pick().id];
    this.world.cuts.add(a < b ? `${a}-${b}` : `${b}-${a}`);
    return true;
  }

  join(): boolean {
    this.world.cuts.clear();
    return true;
  }

  drop(): boolean {
    this.world.dropConnection(this.#pick().id, this.#pick().id);
    return true;
  }

  checkpoint(): boolean {
    const { replica } = this.#pick();
    replica?.admin.takeCheckpoint((answer) => {
      if (answer.kind === "done") answer.snapshot.close();
    });
    return replica !== undefined;
  }

  transfer(): boolean {
    this.world.leader()?.replica?.admin.transferLeadership(this.#pick().id, () => {});
    return true;
  }

  /** A planned stop. */
  leave(): boolean {
    const server = this.#pick();
    const { replica } = server;
    replica?.depart(() => {
      if (server.replica === replica) server.kill();
    });
    return replica !== undefined;
  }

  /** A new machine asks to be taken in, until it is. */
  add(): boolean {
    if (this.world.servers.length >= 8 || this.#joining !== undefined) return false;
    const via = this.world.leader();
    if (via?.replica === undefined) return false;
    const server = this.world.addServer();
    this.#joining = server;
    this.#ask(server, via);
    return true;
  }

  #ask(server: WorldServer, via: WorldServer): void {
    const { replicaId, birthNonce } = server.disk.identity;
    const member = {
      replicaId,
      birthNonce,
      peerAddress: `peer-${replicaId}`,
      clientAddress: `http://server-${replicaId}`,
      tokenNonce: BigInt(1_000 + replicaId),
      reader: false,
      away: false,
    };
    const again = () =>
      this.world.time.at(200, () => this.#ask(server, this.world.leader() ?? this.#pick()));
    if (via.replica === undefined || via === server) {
      again();
      return;
    }
    const { replica } = via;
    replica.admin.changeMembers({ kind: "add", member }, (answer) => {
      // It was asked twice, since the first answer took so long.
      if (server.disk.identity.formed !== undefined) return;
      const facts = replica.admin.clusterFacts();
      if (answer.kind !== "done" || facts === undefined) {
        again();
        return;
      }
      server.disk.identity = {
        ...server.disk.identity,
        formed: { clusterId: facts.clusterId, founders: facts.founders },
        joinedIndex: answer.index,
        contacts: facts.members,
      };
      this.#joining = undefined;
      server.start();
    });
    // The asked one may die, and its answer with it: the wish may be repeated.
    const isOpen = () => server.disk.identity.formed === undefined && via.replica !== replica;
    this.world.time.at(15_000, () => {
      if (isOpen()) again();
    });
  }

  remove(): boolean {
    const server = this.#pick();
    const at = this.world.leader()?.replica;
    // A machine that only asks to be taken in is none to be removed.
    if (at === undefined || server.disk.identity.formed === undefined) return false;
    if (at.status().servers.length <= 3) return false;
    at.admin.changeMembers({ kind: "remove", replicaId: server.id }, () => {});
    return true;
  }

  loseDisk(): boolean {
    const server = this.#pick();
    if (!this.#mayMaim(server)) return false;
    this.#maimed.add(server);
    server.kill();
    server.loseDisk();
    // Settings that name this server alone would found another cluster.
    server.founders = this.world.servers.map(({ id }) => ({
      replicaId: id,
      peerAddress: `peer-${id}`,
    }));
    return true;
  }

  /** The end of the log is unreadable: mending.ts cuts it, and the server abstains. */
  loseLog(): boolean {
    const server = this.#pick();
    if (!this.#mayMaim(server)) return false;
    this.#maimed.add(server);
    server.kill();
    const { disk } = server;
    const kept = this.random.nextInteger(0, disk.entries.length + 1);
    disk.entries = disk.entries.slice(0, kept);
    const lastIndex = disk.base.index + kept;
    disk.durable = Math.min(disk.durable, lastIndex);
    const { identity } = disk;
    disk.identity = { ...identity, abstains: true, logEpoch: identity.logEpoch + 1 };
    if (disk.applied.index > lastIndex) disk.applied = { index: 0, commands: new Map() };
    return true;
  }

  loseState(): boolean {
    const server = this.#pick();
    if (!this.#mayMaim(server)) return false;
    this.#maimed.add(server);
    server.kill();
    server.disk.applied = { index: 0, commands: new Map() };
    return true;
  }

  /** A row is wrong: found at the next checkpoint. */
  spoilState(): boolean {
    const server = this.#pick();
    const last = [...server.disk.applied.commands].at(-1);
    if (!this.#mayMaim(server) || last === undefined) return false;
    this.#maimed.add(server);
    const [id, row] = last;
    server.disk.applied.commands.set(id, { ...row, timestampMs: rot });
    // Until the next checkpoint that all can compare nobody knows of it, and it may be given on.
    this.join();
    this.resume();
    this.wake();
    for (let tries = 0; isSpoiled(server) && server.removed === undefined; tries++) {
      expect(tries, "the wrong state is replaced").toBeLessThan(10);
      this.start();
      this.checkpoint();
      this.#spend(2_000);
    }
    return true;
  }

  /** Peace: everybody comes back, and all are equal. */
  end(): void {
    const { world } = this;
    world.cuts.clear();
    this.resume();
    this.wake();
    // Those who were about to stop have stopped then.
    this.#spend(3_000);
    this.start();
    world.until(() => this.#joining === undefined, "everybody is taken in", 60_000);
    // One that lost its disk, and its place before it was back, is told to join.
    const isMember = ({ removed, replica }: WorldServer) =>
      removed === undefined && replica?.condition.includes("does not know") === false;
    const members = () => world.servers.filter(isMember);
    const isCalm = () => {
      const status = world.leader()?.replica?.status();
      if (status === undefined || status.configurationChanging) return false;
      const isVoter = ({ membership }: { readonly membership: number }) => membership === 1;
      return status.servers.length === members().length && status.servers.every(isVoter);
    };
    world.until(isCalm, "all members have votes", 120_000);
    // A checkpoint shows whoever differs.
    for (let round = 0; round < 2; round++) {
      let isTaken = false;
      world.leader()?.replica?.admin.takeCheckpoint((answer) => {
        if (answer.kind === "done") answer.snapshot.close();
        isTaken = true;
      });
      world.until(() => isTaken, "a checkpoint", 130_000);
      this.#spend(1_000);
    }
    // Whoever takes it may be put together anew just then: it is sent again, as clients do.
    for (let tries = 0, isStored = false; !isStored; tries++) {
      expect(tries, "the last command is stored").toBeLessThan(5);
      const last = world.propose(world.untilLeader().id, "last");
      const endMs = world.time.nowMs + 12_000;
      world.until(
        () => last.answer !== undefined || world.time.nowMs > endMs,
        "an answer to the last command",
      );
      isStored = last.answer?.kind === "applied";
    }
    const rows = () => members().map(({ disk }) => JSON.stringify([...disk.applied.commands]));
    world.until(() => new Set(rows()).size === 1, "all servers are equal", 120_000);
    const { commands } = members()[0]!.disk.applied;
    expect(members().some(isSpoiled), "no row is spoiled any more").toBe(false);
    for (const server of world.servers) expect(server.fatal, `server ${server.id}`).toBeUndefined();
    for (const { id, answer } of this.proposed) {
      if (answer?.kind !== "applied") continue;
      expect(commands.get(id)?.number, `acknowledged ${id} is there`).toBe(answer.outcome.number);
    }
    const { term } = world.untilLeader().disk.hardState;
    this.#spend(3_000);
    expect(world.leader()?.disk.hardState.term, "nobody disturbs the term").toBe(term);
  }
}

const faults = [
  "kill",
  "kill",
  "start",
  "start",
  "start",
  "pause",
  "resume",
  "resume",
  "hang",
  "wake",
  "cut",
  "join",
  "join",
  "drop",
  "checkpoint",
  "checkpoint",
  "transfer",
  "leave",
  "add",
  "remove",
  "loseDisk",
  "loseLog",
  "loseState",
  "spoilState",
  undefined,
  undefined,
] as const;

function run(seed: number): Run {
  const one = new Run(seed);
  for (let round = 0; round < 100; round++) one.round(round);
  one.end();
  return one;
}

it("members, disks and states that come and go: nothing acknowledged is lost or doubled", () => {
  const count = Number(process.env["HOLDFAST_SEEDS"] ?? 20);
  const first = Number(process.env["HOLDFAST_FIRST_SEED"] ?? 1);
  const did = new Map<string, number>();
  for (let seed = first; seed < first + count; seed++) {
    try {
      for (const [what, times] of run(seed).did) did.set(what, (did.get(what) ?? 0) + times);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
  if (count < 20) return;
  for (const what of faults) {
    if (what !== undefined) expect(did.get(what), `${what} has happened`).toBeGreaterThan(0);
  }
}, 120_000);
