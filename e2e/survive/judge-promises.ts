// Reads every room on every server by itself, and judges it against what servers have promised:
// everything acknowledged or held is there once, numbered without a gap, the same on all servers.
import { createHash } from "node:crypto";
import type { Item } from "../../src/client/index.ts";
import { eventually } from "../../src/testing/index.ts";
import type { Cluster } from "../cluster.ts";
import { readWholeTimeline } from "../judge.ts";
import type { LoadOutcome, Promised } from "./constant-load.ts";
import { hasCommand, verifyDigests } from "./operator.ts";
import type { Town } from "./senders.ts";

/** What was found. */
export interface PromiseVerdict {
  readonly acked: number;
  readonly held: number;
  /** Promised messages that some server does not hold, or holds otherwise. */
  readonly lost: number;
  /** Messages that some server holds more than once. */
  readonly doubled: number;
  readonly equalDigests: boolean;
  /**
   * Of what: `state` where the servers themselves compute them over all that they have stored;
   * `timelines` while they cannot: over everything that can be read from them.
   */
  readonly digestsOf: "state" | "timelines";
}

/** What is read and judged. */
export interface Judged {
  readonly cluster: Cluster;
  readonly members: readonly number[];
  readonly town: Town;
  readonly promised: LoadOutcome;
}

/** How long merging what was held may take when the servers are whole again, ms. */
const mergedTimeoutMs = 30_000;

/** Reads and judges everything. */
export async function judgePromises(judged: Judged): Promise<PromiseVerdict> {
  const { cluster, members, town, promised } = judged;
  const inRoom = (room: string): PromisedInRoom => ({
    acked: promised.acked.filter((message) => message.room === room),
    held: promised.held.filter((message) => message.room === room),
  });
  const rooms: JudgedRoom[] = [];
  for (const room of town.rooms) {
    const untilNumber = await waitMerged(judged, room, inRoom(room));
    const timelines: Item[][] = [];
    for (const id of members) timelines.push(await readRoom(judged, { id, room, untilNumber }));
    rooms.push({ ...inRoom(room), timelines });
  }
  const { areEqual, ...found } = judgeRooms(rooms);
  const counts = { acked: promised.acked.length, held: promised.held.length, ...found };
  if (!(await hasCommand("verify"))) {
    return { ...counts, equalDigests: areEqual, digestsOf: "timelines" };
  }
  const addresses = members.map((id) => cluster.server(id).clientAddress);
  const { dataFolder } = cluster.server(members[0]!);
  const areStatesEqual = await verifyDigests({ addresses, dataFolder });
  return { ...counts, equalDigests: areEqual && areStatesEqual, digestsOf: "state" };
}

/** What was promised in one room, and the room as each server has it. */
export interface JudgedRoom extends PromisedInRoom {
  readonly timelines: readonly (readonly Item[])[];
}

/** What was promised in one room. */
export interface PromisedInRoom {
  readonly acked: readonly Promised[];
  readonly held: readonly Promised[];
}

/** `areEqual`: every server has the same, numbered 1, 2, 3, … */
export function judgeRooms(rooms: readonly JudgedRoom[]): {
  readonly lost: number;
  readonly doubled: number;
  readonly areEqual: boolean;
} {
  const lost = new Set<string>();
  const doubled = new Set<string>();
  let areEqual = true;
  for (const { timelines, ...promised } of rooms) {
    for (const items of timelines) {
      for (const commandId of findLost(items, promised)) lost.add(commandId);
      for (const body of findDoubled(items)) doubled.add(body);
      areEqual &&= items.every(({ number }, i) => number === i + 1);
    }
    areEqual &&= new Set(timelines.map(digest)).size === 1;
  }
  return { lost: lost.size, doubled: doubled.size, areEqual };
}

/**
 * Waits until the first server has merged what was held in a room, and answers the room's last
 * number. What is not merged in time is found lost by the judge.
 */
async function waitMerged(
  judged: Judged,
  room: string,
  { acked, held }: PromisedInRoom,
): Promise<number> {
  const id = judged.members[0]!;
  const untilNumber = Math.max(0, ...acked.map(({ number }) => number));
  let items = await readRoom(judged, { id, room, untilNumber });
  const isMerged = async (): Promise<boolean> => {
    const there = new Set(items.map(({ commandId }) => commandId));
    if (held.every(({ commandId }) => there.has(commandId))) return true;
    items = await readRoom(judged, { id, room, untilNumber });
    return false;
  };
  await eventually("what was held to be merged", isMerged, { timeoutMs: mergedTimeoutMs }).catch(
    () => undefined,
  );
  return items.at(-1)?.number ?? 0;
}

function readRoom(
  { cluster, town }: Judged,
  ask: { readonly id: number; readonly room: string; readonly untilNumber: number },
): Promise<Item[]> {
  const { id, room, untilNumber } = ask;
  const address = cluster.server(id).clientAddress;
  return readWholeTimeline({ address, token: town.readerToken, room, untilNumber });
}

function findLost(items: readonly Item[], { acked, held }: PromisedInRoom): string[] {
  const byId = new Map(items.map((item) => [item.commandId, item]));
  const isThere = ({ commandId, body }: Promised): boolean => {
    const content = byId.get(commandId)?.content;
    return content?.kind === "message" && content.body === body;
  };
  const hasNumber = ({ commandId, number }: Promised): boolean =>
    byId.get(commandId)?.number === number;
  return [
    ...acked.filter((message) => !isThere(message) || !hasNumber(message)),
    ...held.filter((message) => !isThere(message)),
  ].map(({ commandId }) => commandId);
}

/** No two messages of a load have the same body. */
function findDoubled(items: readonly Item[]): string[] {
  const bodies = items.flatMap(({ content }) => (content.kind === "message" ? content.body : []));
  const seen = new Set<string>();
  return bodies.filter((body) => seen.size === seen.add(body).size);
}

function digest(items: readonly Item[]): string {
  const described = items.map((item) => {
    const { number, position, timestampMs, authorId, commandId, content } = item;
    return [number, position, timestampMs, authorId, commandId, content];
  });
  return createHash("sha256").update(JSON.stringify(described)).digest("hex");
}
