// A cluster as the fault plan sees it, with a rough model of Raft inside: logs as lists of terms,
// votes as terms, elections among whoever is linked. It knows what each fault does to a server, and
// finds out when the plan has gone too far: something committed is lost, a term has two leaders, a
// server comes up on a folder that hides its damage. Models no messages, no clients, no bytes.
import { assert } from "../base/assert.ts";
import { Random } from "../base/random.ts";
import type { ServerId } from "./cluster-event.ts";
import type { DiskFaults, FaultTarget, ServerCondition } from "./fault-target.ts";
import { VirtualTime } from "./virtual-time.ts";

/** What a disk holds. */
interface FakeDisk {
  owner: ServerId;
  /** Term of each entry; entry 1 is at 0. Never changed in place. */
  log: readonly number[];
  /** The highest term voted in. */
  term: number;
  isEmpty: boolean;
  flips: number;
  /** A stray batch, and how many batches were written after it. */
  strayFollowers: number | undefined;
}

interface FakeServer {
  readonly id: ServerId;
  disk: FakeDisk;
  up: boolean;
  paused: boolean;
  leads: boolean;
  stopping: boolean;
  crashPasses: number | undefined;
  armedFailures: number;
  armedRead: boolean;
  /** Batches until the stray one; undefined: none is armed. */
  strayIn: number | undefined;
  slowMs: number;
  rate: number;
  clientsCut: boolean;
  copy: FakeDisk | undefined;
  /** The highest term ever voted in, whatever happened to the disk. */
  termEver: number;
}

const restartMs = 1_000;
const stopMs = 2_500;

/** The cluster; every call of the plan is in `calls`. */
export class FakeCluster implements FaultTarget {
  readonly random: Random;
  readonly servers: readonly ServerId[];
  readonly time = new VirtualTime();
  readonly calls: string[] = [];
  /** Servers whose copy the plan has struck. */
  readonly struck = new Set<ServerId>();
  /** Pairs of servers whose disks are swapped. */
  readonly swapped = new Set<string>();
  readonly weather: Record<string, number> = {};
  committed: readonly number[] = [];
  refusals = 0;
  clogs = 0;
  readonly #chance: Random;
  readonly #machines: FakeServer[];
  readonly #cut = new Set<string>();
  readonly #leaders = new Map<number, ServerId>();

  constructor(options: {
    readonly servers: number;
    readonly seed: number;
    readonly turnMs: number;
  }) {
    const random = new Random(options.seed);
    this.random = new Random(random.nextUint32());
    this.#chance = new Random(random.nextUint32());
    this.servers = Array.from({ length: options.servers }, (_, at) => at + 1);
    this.#machines = this.servers.map((id) => createServer(id));
    const turn = () => {
      this.#turn();
      this.time.at(options.turnMs * (0.5 + this.#chance.nextFloat()), turn);
    };
    turn();
  }

  runUntil(endMs: number, after: () => void = () => {}): void {
    while ((this.time.nextMs ?? endMs) < endMs) {
      this.time.step();
      after();
    }
  }

  machine(server: ServerId): Readonly<FakeServer> {
    return this.#machine(server);
  }

  isLinked(a: ServerId, b: ServerId): boolean {
    return a === b || !(this.#cut.has(`${a}-${b}`) || this.#cut.has(`${b}-${a}`));
  }

  get isCut(): boolean {
    return this.#cut.size > 0;
  }

  // ---- A rough Raft -----------------------------------------------------------------------------

  #turn(): void {
    for (const server of this.#machines) this.#passFaults(server);
    const working = this.#machines.filter(({ up, paused, disk }) => up && !paused && !disk.isEmpty);
    const candidate = working[this.#chance.nextInteger(0, working.length)];
    const hasLeader = working.some(
      (server) => server.leads && this.#near(server, working).length > this.servers.length / 2,
    );
    if (candidate !== undefined && !hasLeader) this.#campaign(candidate, working);
    for (const server of working) if (server.leads) this.#replicate(server, working);
  }

  #campaign(candidate: FakeServer, working: readonly FakeServer[]): void {
    const near = this.#near(candidate, working);
    const term = candidate.disk.term + 1;
    this.#vote(candidate, term);
    let votes = 1;
    for (const voter of near) {
      if (voter === candidate || voter.disk.term >= term) continue;
      if (isNewerLog(voter.disk.log, candidate.disk.log)) continue;
      this.#vote(voter, term);
      votes += 1;
    }
    if (votes <= this.servers.length / 2) {
      this.#vote(candidate, Math.max(...near.map(({ disk }) => disk.term)));
      return;
    }
    const known = this.#leaders.get(term);
    assert(known === undefined || known === candidate.id, `term ${term} has two leaders`);
    this.#leaders.set(term, candidate.id);
    candidate.leads = true;
    this.committed.forEach((entry, at) => {
      assert(candidate.disk.log[at] === entry, `entry ${at + 1} is lost: ${candidate.id} leads`);
    });
  }

  #vote(voter: FakeServer, term: number): void {
    voter.disk.term = term;
    voter.termEver = Math.max(voter.termEver, term);
    voter.leads = false;
  }

  #replicate(leader: FakeServer, working: readonly FakeServer[]): void {
    const { term } = leader.disk;
    const near = this.#near(leader, working);
    if (near.some(({ disk }) => disk.term > term)) {
      this.#vote(leader, Math.max(...near.map(({ disk }) => disk.term)));
      return;
    }
    leader.disk.log = [...leader.disk.log, term];
    this.#wrote(leader);
    let copies = 1;
    for (const follower of near) {
      if (follower === leader || this.#chance.nextBoolean(0.2)) continue;
      this.#vote(follower, term);
      follower.disk.log = leader.disk.log;
      this.#wrote(follower);
      copies += 1;
    }
    if (copies > this.servers.length / 2) this.committed = leader.disk.log;
  }

  #wrote(server: FakeServer): void {
    if (server.disk.strayFollowers !== undefined) server.disk.strayFollowers += 1;
    if (server.strayIn === undefined) return;
    server.strayIn -= 1;
    if (server.strayIn > 0) return;
    server.strayIn = undefined;
    server.disk.strayFollowers ??= 0;
  }

  #near(server: FakeServer, working: readonly FakeServer[]): FakeServer[] {
    return working.filter((other) => this.isLinked(server.id, other.id));
  }

  #passFaults(server: FakeServer): void {
    if (!server.up || server.paused) return;
    const isDamaged = server.disk.flips > 0 || server.disk.strayFollowers !== undefined;
    const isStruck = server.armedFailures > 0 || server.armedRead || isDamaged;
    if (isStruck && this.#chance.nextBoolean(isDamaged ? 0.02 : 0.2)) {
      this.#end(server);
      this.time.at(restartMs, () => this.#start(server));
    } else if (server.crashPasses !== undefined) {
      server.crashPasses -= 1;
      if (server.crashPasses <= 0) this.#end(server);
    }
  }

  #end(server: FakeServer): void {
    Object.assign(server, { up: false, paused: false, leads: false, stopping: false });
    Object.assign(server, { crashPasses: undefined, armedFailures: 0, armedRead: false });
    server.strayIn = undefined;
  }

  #start(server: FakeServer): void {
    if (server.up) return;
    const { disk } = server;
    if (disk.owner !== server.id) {
      this.refusals += 1;
      return;
    }
    assert(disk.strayFollowers !== 0, `server ${server.id} cannot see its damage`);
    // What is damaged is set aside: it has no say until somebody has taken it in again.
    if (disk.flips > 0 || disk.strayFollowers !== undefined) {
      server.disk = { ...createDisk(server.id), isEmpty: true };
    }
    if (server.armedFailures > 0 && this.#chance.nextBoolean(0.7)) {
      server.armedFailures = 0;
      this.time.at(restartMs, () => this.#start(server));
      return;
    }
    server.up = true;
  }

  #strike(server: ServerId): void {
    this.struck.add(server);
    const max = Math.floor((this.servers.length - 1) / 2);
    assert(this.struck.size <= max, `${this.struck.size} copies are destroyed`);
  }

  #machine(server: ServerId): FakeServer {
    const found = this.#machines[server - 1];
    assert(found !== undefined, `there is no server ${server}`);
    return found;
  }

  #call(what: string): void {
    this.calls.push(`${this.time.nowMs} ${what}`);
  }

  // ---- FaultTarget ------------------------------------------------------------------------------

  /** Nobody comes or goes here, but the wishes are counted. */
  voterSets(): readonly (readonly ServerId[])[] {
    return [this.servers];
  }

  members(): readonly ServerId[] {
    return this.servers;
  }

  isShrinking(): boolean {
    return false;
  }

  spareMachine(): ServerId | undefined {
    return undefined;
  }

  joinServer(): void {
    assert(false, "a machine that is not there joins");
  }

  changeMembers({ kind, replicaId }: { readonly kind: string; readonly replicaId?: ServerId }) {
    this.#call(`${kind} ${replicaId}`);
    if (kind === "remove") assert(this.struck.size === 0, "a removal while a copy is destroyed");
    return true;
  }

  transferLeadership(target: ServerId): boolean {
    this.#call(`transferLeadership ${target}`);
    return true;
  }

  takeCheckpoint(): boolean {
    this.#call("takeCheckpoint");
    return true;
  }

  rotRow(server: ServerId): boolean {
    this.#call(`rotRow ${server}`);
    assert(!this.#machine(server).up, "the state of a running server is changed");
    this.#strike(server);
    return true;
  }

  corruptState(server: ServerId): void {
    this.#call(`corruptState ${server}`);
    this.#strike(server);
  }

  condition(server: ServerId): ServerCondition {
    const { up, paused, disk, termEver } = this.#machine(server);
    return {
      server,
      up,
      paused,
      isWhole: up && !this.struck.has(server),
      lives: 1,
      isFounder: true,
      durableIndex: disk.log.length,
      durableTerm: up ? (disk.log.at(-1) ?? 0) : undefined,
      term: termEver,
    };
  }

  nowMs(): number {
    return this.time.nowMs;
  }

  after(delayMs: number, callback: () => void): void {
    assert(delayMs >= 0, "a time in the past");
    this.time.at(delayMs, callback);
  }

  kill(server: ServerId): void {
    this.#call(`kill ${server}`);
    this.#end(this.#machine(server));
  }

  losePower(server: ServerId): void {
    this.#call(`losePower ${server}`);
    this.#end(this.#machine(server));
  }

  stop(server: ServerId): void {
    this.#call(`stop ${server}`);
    const machine = this.#machine(server);
    machine.stopping = true;
    this.time.at(stopMs, () => {
      if (machine.stopping) this.#end(machine);
    });
  }

  start(server: ServerId): void {
    this.#call(`start ${server}`);
    this.#start(this.#machine(server));
  }

  pause(server: ServerId): void {
    this.#call(`pause ${server}`);
    this.#machine(server).paused = this.#machine(server).up;
  }

  resume(server: ServerId): void {
    this.#call(`resume ${server}`);
    this.#machine(server).paused = false;
  }

  armCrashPoint(server: ServerId, point: string, passes: number): void {
    this.#call(`armCrashPoint ${server} ${point} ${passes}`);
    assert(Number.isInteger(passes) && passes >= 1 && passes <= 50, "passes");
    if (this.#machine(server).up) this.#machine(server).crashPasses = passes;
  }

  disarmCrashPoints(): void {
    this.#call("disarmCrashPoints");
    for (const server of this.#machines) server.crashPasses = undefined;
  }

  jumpClock(server: ServerId, byMs: number): void {
    this.#call(`jumpClock ${server} ${byMs}`);
    assert(Math.abs(byMs) <= 86_400_000, "a jump by more than a day");
  }

  setClockRate(server: ServerId, rate: number): void {
    this.#call(`setClockRate ${server} ${rate}`);
    this.#machine(server).rate = rate;
  }

  disk(server: ServerId): DiskFaults {
    const machine = this.#machine(server);
    return {
      failNext: (operation, code) => {
        this.#call(`failNext ${server} ${operation} ${code}`);
        machine.armedFailures += 1;
      },
      setSlowMs: (meanMs) => {
        this.#call(`setSlowMs ${server} ${meanMs}`);
        machine.slowMs = meanMs;
      },
      flipBit: () => {
        this.#call(`flipBit ${server}`);
        this.#strike(server);
        machine.disk.flips += 1;
        return true;
      },
      misdirectNextWrite: (folder) => {
        this.#call(`misdirectNextWrite ${server} ${folder}`);
        assert(folder === "log", "a vote that goes astray is forgotten");
        this.#strike(server);
        // One batch may be under way already.
        machine.strayIn = this.#chance.nextInteger(1, 3);
      },
      misdirectNextRead: () => {
        this.#call(`misdirectNextRead ${server}`);
        assert(machine.up, "a start that reads amiss forgets");
        machine.armedRead = true;
      },
    };
  }

  emptyDisk(server: ServerId): void {
    this.#call(`emptyDisk ${server}`);
    assert(!this.#machine(server).up, "the disk of a running server is emptied");
    this.#strike(server);
    this.#machine(server).disk = { ...createDisk(server), isEmpty: true };
  }

  keepDiskCopy(server: ServerId): void {
    this.#call(`keepDiskCopy ${server}`);
    const machine = this.#machine(server);
    assert(!machine.up && machine.disk.owner === server, "no copy can be kept");
    machine.copy = { ...machine.disk };
  }

  restoreDiskCopy(server: ServerId): boolean {
    const machine = this.#machine(server);
    this.#call(`restoreDiskCopy ${server}`);
    if (machine.up || machine.copy === undefined) return false;
    machine.disk = { ...machine.copy };
    return true;
  }

  swapDisks(a: ServerId, b: ServerId): void {
    this.#call(`swapDisks ${a} ${b}`);
    const [one, other] = [this.#machine(a), this.#machine(b)];
    assert(!one.up && !other.up, "the disks of running servers are swapped");
    [one.disk, other.disk] = [other.disk, one.disk];
    const pair = `${a}-${b}`;
    if (!this.swapped.delete(pair)) this.swapped.add(pair);
  }

  readonly links: FaultTarget["links"] = {
    cut: (from, to) => {
      this.#call(`cut ${from} ${to}`);
      this.#cut.add(`${from}-${to}`);
    },
    mend: (from, to) => {
      this.#call(`mend ${from} ${to}`);
      this.#cut.delete(`${from}-${to}`);
    },
    breakConnection: (a, b) => this.#call(`breakConnection ${a} ${b}`),
    clog: (from, to, durationMs) => this.#call(`clog ${from} ${to} ${durationMs}`),
    setDelayMs: (meanMs) => this.#setWeather("delay", meanMs),
    setLoss: (share) => this.#setWeather("loss", share),
    setDoubling: (share) => this.#setWeather("doubling", share),
    setReordering: (share) => this.#setWeather("reordering", share),
    mendAll: () => {
      this.#call("mendAll");
      this.#cut.clear();
    },
  };

  readonly clientLinks: FaultTarget["clientLinks"] = {
    breakConnections: (server) => this.#call(`breakConnections ${server}`),
    cut: (server) => {
      this.#call(`cutClients ${server}`);
      this.#machine(server).clientsCut = true;
    },
    mend: (server) => {
      this.#call(`mendClients ${server}`);
      this.#machine(server).clientsCut = false;
    },
    mendAll: () => {
      for (const server of this.#machines) server.clientsCut = false;
    },
  };

  #setWeather(name: string, strength: number): void {
    this.#call(`${name} ${strength}`);
    this.weather[name] = strength;
  }
}

function createServer(id: ServerId): FakeServer {
  return {
    id,
    disk: createDisk(id),
    up: true,
    paused: false,
    leads: false,
    stopping: false,
    crashPasses: undefined,
    armedFailures: 0,
    armedRead: false,
    strayIn: undefined,
    slowMs: 0,
    rate: 1,
    clientsCut: false,
    copy: undefined,
    termEver: 0,
  };
}

function createDisk(owner: ServerId): FakeDisk {
  return { owner, log: [], term: 0, isEmpty: false, flips: 0, strayFollowers: undefined };
}

/** Whether the first is more up to date than the second: Raft §5.4.1. */
function isNewerLog(a: readonly number[], b: readonly number[]): boolean {
  const [termA, termB] = [a.at(-1) ?? 0, b.at(-1) ?? 0];
  return termA > termB || (termA === termB && a.length > b.length);
}
