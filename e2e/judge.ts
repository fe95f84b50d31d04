// Judges what the servers hold against what was acknowledged: everything once, in one order,
// without a gap. Reads each server through a client that knows no other server.
import { createClient, type Item } from "../src/client/index.ts";
import { eventually } from "../src/testing/index.ts";
import type { AckedMessage } from "./load.ts";

/** What was found. All counts are 0 where the promises hold. */
export interface Verdict {
  readonly acked: number;
  /** Acknowledged messages that some server does not hold. */
  readonly lost: number;
  /** Messages that some server holds more than once. */
  readonly doubled: number;
  /**
   * Places at which two servers' timelines differ, or at which a number is missing or out of order.
   */
  readonly differences: number;
}

/** The whole timeline of a room as one server alone tells it. */
export async function readWholeTimeline(options: {
  readonly address: string;
  readonly token: string;
  readonly room: string;
  /** Read at least up to this item. */
  readonly untilNumber: number;
}): Promise<Item[]> {
  const reader = createClient({
    addresses: [options.address],
    token: options.token,
    // The others must not answer for this one: what it tells of them is not learned.
    subscribe: false,
  });
  reader.start();
  try {
    const items: Item[] = [];
    await eventually(
      `item ${options.untilNumber} on ${options.address}`,
      async () => {
        const afterNumber = items.at(-1)?.number ?? 0;
        const page = await reader.readTimeline({ room: options.room, afterNumber, limit: 500 });
        if (reader.address !== options.address) {
          throw new Error(`read ${reader.address} instead of ${options.address}`);
        }
        items.push(...page.items);
        return page.items.length === 0 && (items.at(-1)?.number ?? 0) >= options.untilNumber;
      },
      { timeoutMs: 60_000 },
    );
    return items;
  } finally {
    await reader.stop();
  }
}

/** Compares timelines with each other and with what was acknowledged. */
export function judgeTimelines(
  timelines: readonly (readonly Item[])[],
  acked: readonly AckedMessage[],
): Verdict {
  let lost = 0;
  let doubled = 0;
  let differences = 0;
  const reference = timelines[0] ?? [];
  for (const timeline of timelines) {
    const seen = new Map<string, number>();
    for (const [i, item] of timeline.entries()) {
      const key = item.content.kind === "message" ? `${item.authorId} ${item.content.body}` : "";
      if (key !== "") seen.set(key, (seen.get(key) ?? 0) + 1);
      if (item.number !== i + 1) differences += 1;
      const other = reference[i];
      if (other === undefined || describe(other) !== describe(item)) differences += 1;
    }
    differences += Math.max(0, reference.length - timeline.length);
    for (const count of seen.values()) doubled += count - 1;
    const byId = new Map(timeline.map((item) => [item.commandId, item]));
    for (const message of acked) {
      const item = byId.get(message.commandId);
      const held =
        item?.content.kind === "message" &&
        item.content.body === message.body &&
        item.number === message.number;
      if (!held) lost += 1;
    }
  }
  return { acked: acked.length, lost, doubled, differences };
}

function describe(item: Item): string {
  return JSON.stringify([
    item.number,
    item.position,
    item.timestampMs,
    item.commandId,
    item.content,
  ]);
}

/** Reads a room on every server and judges it. */
export async function judgeServers(options: {
  readonly addresses: readonly string[];
  readonly token: string;
  readonly room: string;
  readonly acked: readonly AckedMessage[];
}): Promise<Verdict> {
  const untilNumber = Math.max(0, ...options.acked.map((message) => message.number));
  const timelines: Item[][] = [];
  for (const address of options.addresses) {
    const { token, room } = options;
    timelines.push(await readWholeTimeline({ address, token, room, untilNumber }));
  }
  return judgeTimelines(timelines, options.acked);
}
