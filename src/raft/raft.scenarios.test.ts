// Plays the scenarios of testdata/*.txt on a cluster in one process and shows what its cores do.
// The commands are in the table below; `npm run test:update` records the output anew.
import { describe, test } from "vitest";
import { listDatadriven, runDatadriven } from "../testing/index.ts";
import type { Observer } from "./observer.ts";
import type { PeerMessage } from "./peer-message.ts";
import { RaftCluster } from "./raft-cluster.test-support.ts";
import type { Configuration, LogIndex, ReplicaId } from "./types.ts";

type Args = ReadonlyMap<string, readonly string[]>;

function numbers(args: Args, name: string): number[] {
  return (args.get(name) ?? []).map(Number);
}

function number(args: Args, name: string, otherwise?: number): number {
  const value = args.get(name)?.[0] ?? otherwise;
  if (value === undefined) throw new Error(`${name} is missing`);
  return Number(value);
}

/** One line for a message: what it is, then what it says. */
function describeMessage(message: PeerMessage): string {
  const { kind, from, to, term } = message;
  return `${from}>${to} ${kind} term=${term}${describeBody(message)}`;
}

function describeBody(message: PeerMessage): string {
  switch (message.kind) {
    case "requestVote": {
      const { preVote, transfer, lastLogIndex, lastLogTerm } = message;
      const how = (preVote ? " pre" : "") + (transfer ? " transfer" : "");
      return `${how} last=${lastLogIndex}/${lastLogTerm}`;
    }
    case "requestVoteResponse":
      return `${message.preVote ? " pre" : ""} ${message.granted ? "granted" : "refused"}`;
    case "appendEntries": {
      const entries = message.entries.map(({ index, term }) => `${index}/${term}`);
      const previous = `${message.previousLogIndex}/${message.previousLogTerm}`;
      return ` after=${previous} entries=[${entries.join(" ")}] commit=${message.commitIndex}`;
    }
    case "appendEntriesResponse": {
      const { accepted, index, hintIndex, hintTerm } = message;
      return accepted ? ` accepted=${index}` : ` refused=${index} hint=${hintIndex}/${hintTerm}`;
    }
    case "heartbeat":
      return (
        ` commit=${message.commitIndex} read=${message.readSequence}` +
        (message.wantsAnswer ? "" : " quiet")
      );
    case "heartbeatResponse":
      return ` read=${message.readSequence}`;
    case "installSnapshot": {
      const { lastIndex, lastTerm, offset, chunk, done } = message;
      const what = `offset=${offset} bytes=${chunk.length}${done ? " done" : ""}`;
      return ` last=${lastIndex}/${lastTerm} ${what}`;
    }
    case "installSnapshotResponse": {
      const { lastIndex, nextOffset, refused, installed } = message;
      const what = installed ? "installed" : `next=${nextOffset}`;
      return ` last=${lastIndex} ${refused ? "refused" : what}`;
    }
    case "readIndex":
      return ` request=${message.requestId}`;
    case "readIndexResponse":
      return ` request=${message.requestId} ${describeIndex(message)}`;
    case "transferLeadership":
      return ` target=${message.target}`;
    case "timeoutNow":
      return "";
  }
}

function describeIndex(read: { readonly index: LogIndex; readonly refused: boolean }): string {
  return read.refused ? "refused" : `index=${read.index}`;
}

/** One line for who takes part. */
function describeConfiguration({ voters, votersOutgoing, learners }: Configuration): string {
  const outgoing = votersOutgoing.length === 0 ? "" : ` outgoing=${votersOutgoing.join(",")}`;
  const listening = learners.length === 0 ? "" : ` learners=${learners.join(",")}`;
  return `voters=${voters.join(",")}${outgoing}${listening}`;
}

/** A cluster and the trace of what it does. */
class Scenario {
  #cluster: RaftCluster | undefined;
  #trace: string[] = [];

  get cluster(): RaftCluster {
    if (this.#cluster === undefined) throw new Error("a scenario begins with `cluster`");
    return this.#cluster;
  }

  create(args: Args): void {
    const observer: Observer = {
      roleChanged: ({ id, role, hardState, leader }) =>
        this.#trace.push(`${id} ${role} term=${hardState.term} leader=${leader}`),
      messageSent: (message) => this.#trace.push(describeMessage(message)),
      configurationChanged: ({ id, configuration }) =>
        this.#trace.push(`${id} ${describeConfiguration(configuration)}`),
      committed: ({ id, commitIndex }) => this.#trace.push(`${id} committed ${commitIndex}`),
    };
    this.#cluster = new RaftCluster({
      voters: numbers(args, "voters"),
      learners: numbers(args, "learners"),
      observer,
      chunkBytes: number(args, "chunk-bytes", 3),
      config: {
        appendBytesMax: number(args, "append-bytes", 1024),
        appendsInFlightMax: number(args, "window", 4),
        electionTimeoutTicksMin: 30,
        electionTimeoutTicksMax: 60,
        heartbeatIntervalTicks: 5,
      },
    });
  }

  /** What has happened since the last call, without what `quiet` leaves out. */
  takeTrace(args: Args): string {
    for (const { id, reads } of this.cluster.members.values()) {
      for (const { requestId, index, refused } of reads.splice(0)) {
        this.#trace.push(`${id} read ${requestId} ${refused ? "refused" : `at ${index}`}`);
      }
    }
    const trace = this.#trace;
    this.#trace = [];
    return args.has("quiet") ? "" : trace.join("\n");
  }
}

/** One line a replica, as in `status`. */
function describeMembers(cluster: RaftCluster): string {
  const lines: string[] = [];
  for (const { id, raft, disk, appliedIndex, isWaiting } of cluster.members.values()) {
    if (raft === undefined) {
      lines.push(isWaiting ? `${id} waits` : `${id} down`);
      continue;
    }
    const terms = Array.from(
      { length: disk.visible.lastIndex() - disk.visible.baseIndex },
      (_, i) => disk.visible.term(disk.visible.firstIndex() + i),
    );
    const begin = disk.visible.baseIndex > 0 ? `(${disk.visible.baseIndex}) ` : "";
    const { role, term, leader, commitIndex } = raft;
    const state = `${id} ${role} term=${term} leader=${leader} commit=${commitIndex}`;
    lines.push(`${state} applied=${appliedIndex} log=${begin}${terms.join(" ")}`.trimEnd());
  }
  return lines.join("\n");
}

function describeProgress(cluster: RaftCluster, id: ReplicaId): string {
  return [...cluster.raft(id).progress()]
    .map(([to, { state, matchIndex, nextIndex, recentActive }]) => {
      const silent = recentActive ? "" : " inactive";
      return `${to} ${state} match=${matchIndex} next=${nextIndex}${silent}`;
    })
    .join("\n");
}

/** Every command of the scenarios. Each shows what the cores did because of it. */
const commands: Record<string, (scenario: Scenario, args: Args) => string | undefined> = {
  // cluster voters=(1,2,3) [learners=(4)] [window=4] [append-bytes=1024] [chunk-bytes=3]
  cluster: (scenario, args) => void scenario.create(args),
  // tick id=1 [count=1]: no packet moves meanwhile.
  tick: ({ cluster }, args) => {
    for (let i = 0; i < number(args, "count", 1); i++) {
      cluster.step(number(args, "id"), { kind: "tick" });
    }
    return undefined;
  },
  // run [ticks=1]: everybody ticks, and everything is done after each tick.
  run: ({ cluster }, args) => void cluster.tickAll(number(args, "ticks", 1)),
  // campaign id=1: ticks it until it stands, then everything is done.
  campaign: ({ cluster }, args) => void cluster.campaign(number(args, "id")),
  // propose id=1 texts=(a,b): nothing else happens yet.
  propose: ({ cluster }, args) => {
    const effects = cluster.propose(number(args, "id"), ...(args.get("texts") ?? []));
    return effects.proposalDropped ? "dropped" : undefined;
  },
  // stabilize: packets, writes, chunks and restores until nothing is left to do.
  stabilize: ({ cluster }) => void cluster.stabilize(),
  // persist id=1: its writes become durable.
  persist: ({ cluster }, args) => {
    const id = number(args, "id");
    cluster.completeWrites(id, cluster.member(id).disk.writes.length);
    return undefined;
  },
  // deliver to=1: the packets on their way to it arrive.
  deliver: ({ cluster }, args) => {
    const id = number(args, "to");
    const arriving = cluster.packets.filter(({ to }) => to === id);
    cluster.packets = cluster.packets.filter(({ to }) => to !== id);
    for (const packet of arriving) cluster.deliver(packet);
    return undefined;
  },
  // lose: all packets under way are lost.
  lose: ({ cluster }) => void cluster.packets.splice(0),
  // isolate ids=(1): cut off from everybody, connections seem to stand.
  isolate: ({ cluster }, args) => {
    for (const id of numbers(args, "ids")) cluster.isolate(id);
    return undefined;
  },
  heal: ({ cluster }) => void cluster.heal(),
  // crash id=1 [hint]: kill -9; with hint its connections break at once.
  crash: ({ cluster }, args) => {
    const id = number(args, "id");
    cluster.crash(id);
    if (!args.has("hint")) return undefined;
    for (const other of cluster.members.keys()) {
      if (other !== id) cluster.breakConnection(id, other);
    }
    return undefined;
  },
  restart: ({ cluster }, args) => void cluster.restart(number(args, "id")),
  // break a=1 b=2: the connections between them break, and both learn it.
  break: ({ cluster }, args) => void cluster.breakConnection(number(args, "a"), number(args, "b")),
  transfer: ({ cluster }, args) => {
    cluster.step(number(args, "id"), { kind: "transferLeadership", target: number(args, "to", 0) });
    return undefined;
  },
  // read id=1 request=7
  read: ({ cluster }, args) => {
    cluster.step(number(args, "id"), { kind: "readIndex", requestId: number(args, "request") });
    return undefined;
  },
  // chunk id=1: the chunk that it asked for is read and sent.
  chunk: ({ cluster }, args) => void cluster.readChunk(number(args, "id")),
  // compact id=1: a snapshot of what it has applied takes the place of those entries.
  compact: ({ cluster }, args) => void cluster.compact(number(args, "id")),
  // restore id=3: starts anew on the snapshot that it has fetched.
  restore: ({ cluster }, args) => void cluster.restoreByRestart(number(args, "id")),
  // change id=1 voters=(1,2,3) [learners=(4)]: nothing else happens yet.
  change: ({ cluster }, args) => {
    const voters = numbers(args, "voters");
    const effects = cluster.change(number(args, "id"), {
      voters,
      learners: numbers(args, "learners"),
    });
    return effects.configurationRefused ?? `at ${effects.configurationIndex}`;
  },
  // await id=4: an empty server waits to become a member, also in the place of an old one.
  await: ({ cluster }, args) => {
    const id = number(args, "id");
    if (cluster.members.has(id)) cluster.loseFolder(id);
    else cluster.await(id);
    return undefined;
  },
  // admit id=4 joined=2: it is told that the entry at 2 has added it, and starts.
  admit: ({ cluster }, args) => void cluster.admit(number(args, "id"), number(args, "joined")),
  // lose-log id=3 last=2: crashes, and comes back with a log that ends there.
  "lose-log": ({ cluster }, args) => {
    const id = number(args, "id");
    cluster.loseLog(id, number(args, "last"));
    cluster.restart(id);
    return undefined;
  },
  trust: ({ cluster }, args) => void cluster.trust(number(args, "id")),
  status: ({ cluster }) => describeMembers(cluster),
  progress: ({ cluster }, args) => describeProgress(cluster, number(args, "id")),
};

describe("scenarios", () => {
  for (const file of listDatadriven(new URL("testdata/", import.meta.url))) {
    test(file.slice(file.lastIndexOf("/") + 1, -".txt".length), () => {
      const scenario = new Scenario();
      runDatadriven(file, ({ name, args }) => {
        const run = commands[name];
        if (run === undefined) throw new Error(`unknown command ${name}`);
        const answer = run(scenario, args);
        const trace = scenario.takeTrace(args);
        return [trace, answer ?? ""].filter((part) => part !== "").join("\n");
      });
    });
  }
});
