// What the fault plan may do to a cluster. Fulfilled by cluster.ts; the plan (faults.ts) decides
// what and when. Everything is idempotent or answers whether it was possible.
import type { Random } from "../base/random.ts";
import type { CrashPoint, MembershipChange } from "../replica/index.ts";
import type { ServerId } from "./cluster-event.ts";

/** What is known of a server from outside. */
export interface ServerCondition {
  readonly server: ServerId;
  readonly up: boolean;
  readonly paused: boolean;
  /**
   * It runs and takes full part: no damage can be left in its folder, and what that took is here
   * again.
   */
  readonly isWhole: boolean;
  /** How many processes have run, or tried to, on this machine. */
  readonly lives: number;
  /** Its settings name all founders, so that it finds the cluster with an empty folder too. */
  readonly isFounder: boolean;
  /** Everything in its log is durable up to here, as the disk really holds it. */
  readonly durableIndex: number;
  /**
   * Term of its last durable entry, as its log says while the process is up. Undefined: not known,
   * and nothing may be done that depends on it.
   */
  readonly durableTerm?: number | undefined;
  /** The highest term that it has ever made durable, whatever its folder was replaced by. */
  readonly term?: number | undefined;
}

/** Frames between two servers; each direction has its own. */
export interface LinkFaults {
  /** Nothing passes; the connection seems to stand until somebody gives it up. */
  cut(from: ServerId, to: ServerId): void;
  mend(from: ServerId, to: ServerId): void;
  /** The connection breaks, both sides are told; it is made again by itself. */
  breakConnection(a: ServerId, b: ServerId): void;
  /** Nothing passes for so long, then all of it at once. */
  clog(from: ServerId, to: ServerId, durationMs: number): void;
  /** Extra delay of each frame, drawn up to this; frames stay in order. */
  setDelayMs(meanMs: number): void;
  /** Share of frames that are lost one by one: beyond the transport's contract. */
  setLoss(probability: number): void;
  setDoubling(probability: number): void;
  /** Share of frames that overtake earlier ones: beyond the transport's contract. */
  setReordering(probability: number): void;
  /** Everything above is over. */
  mendAll(): void;
}

/** Connections of clients. */
export interface ClientLinkFaults {
  /** Breaks each connection with this server now; clients are told at once. */
  breakConnections(server: ServerId): void;
  /** Clients cannot reach the server and it cannot reach them; nobody is told. */
  cut(server: ServerId): void;
  mend(server: ServerId): void;
  mendAll(): void;
}

/** One server's data folder. What is told of a next call is over when the process ends. */
export interface DiskFaults {
  /** The next call of this kind fails; the replica stops and starts anew from what is there. */
  failNext(operation: "read" | "write" | "sync" | "allocate", code: "EIO" | "ENOSPC"): void;
  /** Each sync takes about so long more, until told otherwise. */
  setSlowMs(meanMs: number): void;
  /**
   * Flips one bit of what is on the platter, in any file, or in one whose name begins so; the
   * server may be running. False: no such file holds anything.
   */
  flipBit(of?: string): boolean;
  /** The next write to a file in this folder ("log"; any, without) lands elsewhere in that file. */
  misdirectNextWrite(folder?: string): void;
  /** The next read answers bytes from somewhere else in the same file. */
  misdirectNextRead(): void;
}

/** The cluster as the fault plan sees it. */
export interface FaultTarget {
  readonly random: Random;
  /** Machines in use, by id: they come and go. */
  readonly servers: readonly ServerId[];
  /** Who decides: each of these lists by majority. */
  voterSets(): readonly (readonly ServerId[])[];
  /** A removal or a planned stop is under way, after which there may be fewer voters. */
  isShrinking(): boolean;
  /** Members by the newest committed configuration. */
  members(): readonly ServerId[];
  condition(server: ServerId): ServerCondition;
  nowMs(): number;
  /** Calls back after so much virtual time. */
  after(delayMs: number, callback: () => void): void;
  kill(server: ServerId): void;
  losePower(server: ServerId): void;
  /** SIGTERM; it is down some time later. */
  stop(server: ServerId): void;
  /** Starts its process; harmless when it is up. */
  start(server: ServerId): void;
  pause(server: ServerId): void;
  resume(server: ServerId): void;
  /** Kills the process when it reaches this point for the n-th time from now. */
  armCrashPoint(server: ServerId, point: CrashPoint, passes: number): void;
  disarmCrashPoints(): void;
  /** The machine's date jumps by so much. */
  jumpClock(server: ServerId, byMs: number): void;
  /** 1 is right; 1.001 gains a millisecond a second. */
  setClockRate(server: ServerId, rate: number): void;
  disk(server: ServerId): DiskFaults;
  /** The server, which is down, gets a folder without anything in it. */
  emptyDisk(server: ServerId): void;
  /** Keeps a copy of the folder of a server, which is down, as it is now. */
  keepDiskCopy(server: ServerId): void;
  /**
   * The server, which is down, gets its folder back as it was when the copy was kept. False: there
   * is no copy.
   */
  restoreDiskCopy(server: ServerId): boolean;
  /** One value in the state of a server, which is down, is another one. False: there is none. */
  rotRow(server: ServerId): boolean;
  /** Nobody can read the server's state any more; a process that runs goes on until it must. */
  corruptState(server: ServerId): void;
  /** A machine that may join; undefined where all are in use. */
  spareMachine(): ServerId | undefined;
  /** The machine comes into use, with a new folder, and asks until it is taken in. */
  joinServer(server: ServerId, as: { readonly reader: boolean }): void;
  /** The three ask some server that runs. False: none does. */
  changeMembers(change: MembershipChange): boolean;
  transferLeadership(target: ServerId): boolean;
  takeCheckpoint(): boolean;
  /** Two servers, both down, find each other's folders; again: it is undone. */
  swapDisks(a: ServerId, b: ServerId): void;
  readonly links: LinkFaults;
  readonly clientLinks: ClientLinkFaults;
}
