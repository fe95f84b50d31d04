// Virtual time: order, ties, cancelling; and against a dumb twin that sorts a list.
import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import type { Timer } from "../io/clock.ts";
import { VirtualTime } from "./virtual-time.ts";

function runAll(time: VirtualTime): void {
  while (time.step());
}

describe("virtual time", () => {
  it("runs events in the order of their time, and leaps to each", () => {
    const time = new VirtualTime();
    const seen: [string, number][] = [];
    for (const [name, delayMs] of [
      ["c", 30],
      ["a", 0.5],
      ["b", 7],
    ] as const) {
      time.at(delayMs, () => seen.push([name, time.nowMs]));
    }
    expect(time.nextMs).toBe(0.5);
    runAll(time);
    expect(seen).toEqual([
      ["a", 0.5],
      ["b", 7],
      ["c", 30],
    ]);
    expect(time.step()).toBe(false);
    expect(time.nextMs).toBeUndefined();
  });

  it("runs events of equal times in the order in which they were set", () => {
    const time = new VirtualTime();
    const seen: number[] = [];
    for (let count = 0; count < 100; count++) time.at(5, () => seen.push(count));
    runAll(time);
    expect(seen).toEqual(Array.from({ length: 100 }, (_, at) => at));
  });

  it("runs what is set with no delay after what is due now, and before time goes on", () => {
    const time = new VirtualTime();
    const seen: string[] = [];
    time.at(1, () => {
      seen.push("first");
      time.at(0, () => seen.push("soon"));
      time.at(-5, () => seen.push("late"));
    });
    time.at(1, () => seen.push("second"));
    time.at(1.001, () => seen.push("third"));
    runAll(time);
    expect(seen).toEqual(["first", "second", "soon", "late", "third"]);
  });

  it("does not run what was cancelled, and cancelling what has run is harmless", () => {
    const time = new VirtualTime();
    const seen: string[] = [];
    const ran = time.at(1, () => seen.push("ran"));
    const cancelled = time.at(2, () => seen.push("cancelled"));
    time.at(3, () => seen.push("last"));
    time.step();
    ran.cancel();
    cancelled.cancel();
    cancelled.cancel();
    expect(time.nextMs).toBe(3);
    expect(time.pending).toBe(1);
    runAll(time);
    expect(seen).toEqual(["ran", "last"]);
  });

  it("goes on after an event that throws", () => {
    const time = new VirtualTime();
    let ran = false;
    time.at(1, () => {
      throw new Error("a bug");
    });
    time.at(2, () => {
      ran = true;
    });
    expect(() => time.step()).toThrow("a bug");
    runAll(time);
    expect(ran).toBe(true);
  });

  it("refuses a delay that is no time", () => {
    const time = new VirtualTime();
    expect(() => time.at(Number.NaN, () => {})).toThrow("never comes");
    expect(() => time.at(Number.POSITIVE_INFINITY, () => {})).toThrow("never comes");
  });

  it("does as a sorted list does, whatever is set and cancelled from wherever", () => {
    for (let seed = 1; seed <= 50; seed++) {
      expect(randomRun(new VirtualTime(), seed)).toEqual(randomRun(new SortedTime(), seed));
    }
  });
});

/** The dumb twin. */
class SortedTime {
  nowMs = 0;
  #events: { atMs: number; callback: () => void }[] = [];

  at(delayMs: number, callback: () => void): Timer {
    const event = { atMs: this.nowMs + delayMs, callback };
    this.#events.push(event);
    return {
      cancel: () => {
        this.#events = this.#events.filter((other) => other !== event);
      },
    };
  }

  step(): boolean {
    const next = this.#events.toSorted((a, b) => a.atMs - b.atMs)[0];
    if (next === undefined) return false;
    this.#events = this.#events.filter((other) => other !== next);
    this.nowMs = next.atMs;
    next.callback();
    return true;
  }
}

function randomRun(time: Pick<VirtualTime, "nowMs" | "at" | "step">, seed: number): string[] {
  const random = new Random(seed);
  const seen: string[] = [];
  const timers: Timer[] = [];
  let count = 0;
  const set = () => {
    const name = count++;
    // Small whole numbers, so that ties are common.
    timers.push(
      time.at(random.nextInteger(0, 12), () => {
        seen.push(`${name} at ${time.nowMs}`);
        if (count < 300) set();
        if (count < 300 && random.nextBoolean(0.5)) set();
        if (random.nextBoolean(0.7)) timers[random.nextInteger(0, timers.length)]!.cancel();
      }),
    );
  };
  for (let first = 0; first < 150; first++) set();
  for (let each = 0; each < 110; each++) timers[each]!.cancel();
  while (time.step());
  return seen;
}
