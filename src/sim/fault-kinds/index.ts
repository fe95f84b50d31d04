// The table of all faults: what each kind does when it strikes.
import type { ServerId } from "../cluster-event.ts";
import type { FaultKind } from "../fault-kind.ts";
import type { FaultScene } from "../fault-scene.ts";
import { corruptState, emptyDisk, flipBits, rotRow } from "./copy-faults.ts";
import { failDisk, fillDisk, misdirectRead } from "./disk-faults.ts";
import { olderDisk, swapDisks } from "./folder-faults.ts";
import * as islands from "./island-faults.ts";
import * as links from "./link-faults.ts";
import * as members from "./member-faults.ts";
import * as processes from "./process-faults.ts";
import { misdirectWrite } from "./stray-write.ts";
import * as surroundings from "./surroundings.ts";

/** Strikes once. False: nothing was struck, or the kind counts by itself. */
export type Strike = (scene: FaultScene) => boolean;

/** What each kind does; made for one run, since some remember. */
export function createStrikes(): Readonly<Record<FaultKind, Strike>> {
  const keptCopies = new Set<ServerId>();
  return {
    kill: processes.killAnybody,
    killFurthest: processes.killFurthest,
    powerLoss: processes.losePower,
    powerLossOfAll: processes.losePowerOfAll,
    stop: processes.stopGracefully,
    pause: processes.pause,
    crashPoint: processes.armCrashPoint,
    crashLoop: processes.crashLoop,
    partition: links.partition,
    isolate: links.isolate,
    oneWayCut: links.cutOneWay,
    partialCut: links.cutPartially,
    breakConnection: links.breakConnection,
    clog: links.clog,
    delay: links.delay,
    loss: links.lose,
    doubling: links.double,
    reordering: links.reorder,
    breakClients: surroundings.breakClients,
    cutClients: surroundings.cutClients,
    clockJump: surroundings.jumpClock,
    clockRate: surroundings.setClockRate,
    slowDisk: surroundings.slowDisk,
    diskError: failDisk,
    diskFull: fillDisk,
    misdirectedRead: misdirectRead,
    misdirectedWrite: misdirectWrite,
    bitFlip: flipBits,
    emptyDisk,
    olderDisk: (scene) => olderDisk(scene, keptCopies),
    swappedDisks: swapDisks,
    rotRow,
    corruptState,
    joinServer: members.joinServer,
    removeServer: members.removeServer,
    replaceServer: members.replaceServer,
    transferLeadership: members.transferLeadership,
    takeCheckpoint: members.takeCheckpoint,
    majorityDown: islands.takeMajority,
    islands: islands.cutIntoIslands,
  };
}
