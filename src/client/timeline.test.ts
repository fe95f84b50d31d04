// A room's items as they come in any order: the law of timeline.ts, and its corners one by one.
import { describe, expect, test } from "vitest";
import { Random } from "../base/random.ts";
import { timelineAheadMax, timelineItemsMax } from "./limits.ts";
import { TimelineItems } from "./timeline.ts";
import type { Item } from "./types.ts";

function item(number: number): Item {
  return {
    roomId: 1,
    number,
    position: number * 10,
    timestampMs: 0,
    authorId: 1,
    authorUsername: "ada",
    commandId: "",
    content: { kind: "message", body: `message ${number}` },
  };
}

function range(from: number, to: number): Item[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => item(from + i));
}

function numbers(items: readonly Item[]): number[] {
  return items.map(({ number }) => number);
}

function loaded(from: number, to: number): TimelineItems {
  const timeline = new TimelineItems();
  timeline.applyPage(range(from, to));
  return timeline;
}

describe("live items", () => {
  test("are appended in order", () => {
    const timeline = loaded(1, 4);
    expect(numbers(timeline.apply(item(4)))).toEqual([4]);
    expect(numbers(timeline.items())).toEqual([1, 2, 3, 4]);
    expect(timeline.gap()).toBeUndefined();
  });

  test("that are here already change nothing, not even the array", () => {
    const timeline = loaded(1, 4);
    const before = timeline.items();
    for (const number of [3, 1]) expect(timeline.apply(item(number))).toEqual([]);
    expect(timeline.items()).toBe(before);
  });

  test("beyond a gap wait, and the gap is named", () => {
    const timeline = loaded(1, 4);
    expect(timeline.apply(item(7))).toEqual([]);
    expect(timeline.apply(item(8))).toEqual([]);
    expect(timeline.gap()).toEqual({ from: 4, to: 7 });
    expect(numbers(timeline.items())).toEqual([1, 2, 3]);
    expect(timeline.applyPage(range(4, 6))).toEqual({ kind: "added", items: range(4, 6) });
    expect(timeline.gap()).toEqual({ from: 6, to: 7 });
    expect(timeline.applyPage(range(6, 7))).toEqual({ kind: "added", items: range(6, 9) });
    expect(timeline.gap()).toBeUndefined();
  });

  test("that come before the first page wait for it", () => {
    const timeline = new TimelineItems();
    expect(timeline.apply(item(12))).toEqual([]);
    expect(timeline.apply(item(13))).toEqual([]);
    expect(timeline.loaded).toBe(false);
    expect(timeline.applyPage(range(5, 13))).toEqual({ kind: "replaced" });
    expect(numbers(timeline.items())).toEqual(numbers(range(5, 14)));
    expect(timeline.gap()).toBeUndefined();
  });

  test("past the bound of what waits are named as missing, not kept", () => {
    const timeline = loaded(1, 2);
    for (const each of range(3, timelineAheadMax + 100)) timeline.apply(each);
    expect(timeline.gap()).toEqual({ from: 2, to: 3 });
    timeline.applyPage(range(2, 3));
    expect(timeline.items().length).toBe(timelineAheadMax + 2);
    expect(timeline.gap()).toEqual({ from: timelineAheadMax + 3, to: timelineAheadMax + 100 });
  });

  test("past the bound of a timeline push the oldest out", () => {
    const timeline = loaded(1, 2);
    for (const each of range(2, timelineItemsMax + 2)) timeline.apply(each);
    const items = timeline.items();
    expect(items.length).toBeLessThanOrEqual(timelineItemsMax);
    expect(items.at(-1)?.number).toBe(timelineItemsMax + 1);
    expect(timeline.hasOlder).toBe(true);
  });
});

describe("pages", () => {
  test("of an empty room make an empty timeline that takes item 1", () => {
    const timeline = loaded(1, 1);
    expect(timeline.loaded).toBe(true);
    expect(timeline.hasOlder).toBe(false);
    expect(numbers(timeline.apply(item(1)))).toEqual([1]);
  });

  test("that join on are added, whatever they repeat", () => {
    const timeline = loaded(1, 4);
    expect(timeline.applyPage(range(2, 6))).toEqual({ kind: "added", items: range(4, 6) });
    expect(timeline.applyPage(range(1, 3))).toEqual({ kind: "added", items: [] });
  });

  test("that lie beyond a gap replace what is here", () => {
    const timeline = loaded(1, 4);
    timeline.apply(item(41));
    expect(timeline.applyPage(range(21, 41))).toEqual({ kind: "replaced" });
    expect(numbers(timeline.items())).toEqual(numbers(range(21, 42)));
  });

  test("of older items are put in front, when they fit", () => {
    const timeline = loaded(5, 8);
    expect(timeline.hasOlder).toBe(true);
    expect(timeline.prepend(range(1, 3))).toEqual([]);
    expect(numbers(timeline.prepend(range(2, 5)))).toEqual([2, 3, 4]);
    expect(numbers(timeline.prepend(range(1, 2)))).toEqual([1]);
    expect(timeline.hasOlder).toBe(false);
  });

  test("with holes are a bug", () => {
    expect(() => loaded(1, 3).applyPage([item(3), item(5)])).toThrow("no holes");
  });
});

test("law: whatever comes in whatever order, what is here is a run that filling completes", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = new Random(seed);
    const timeline = new TimelineItems();
    let newest = random.nextInteger(0, 30);
    for (let step = 0; step < 60; step++) {
      const chance = random.nextFloat();
      if (chance < 0.6) {
        newest += 1;
        if (random.nextBoolean(0.7)) timeline.apply(item(newest));
      } else if (chance < 0.75 && newest > 0) {
        timeline.apply(item(random.nextInteger(1, newest + 1)));
      } else if (chance < 0.9) {
        timeline.applyPage(range(Math.max(1, newest - 4), newest + 1));
      } else if (timeline.loaded) {
        const oldest = timeline.items()[0]?.number ?? 1;
        timeline.prepend(range(Math.max(1, oldest - 5), oldest));
      }
      const here = numbers(timeline.items());
      expect(here).toEqual(numbers(range(here[0] ?? 1, (here[0] ?? 1) + here.length)));
    }
    timeline.applyPage(range(Math.max(1, newest - 4), newest + 1));
    for (let gap = timeline.gap(); gap !== undefined; gap = timeline.gap()) {
      timeline.applyPage(range(gap.from, gap.to));
    }
    expect(timeline.items().at(-1)?.number ?? 0).toBe(newest);
  }
});
