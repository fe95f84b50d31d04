// A machine's clocks: jumps, drift, pauses, restarts.
import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import { ProcessLife } from "./process-life.ts";
import { MachineDate, SimClock, virtualEpochMs } from "./sim-clock.ts";
import { VirtualTime } from "./virtual-time.ts";

function createClock(offsetMs = 0) {
  const time = new VirtualTime();
  const date = new MachineDate(time, { offsetMs });
  const life = new ProcessLife(time);
  const clock = new SimClock({ time, life, date });
  const wait = (delayMs: number) => {
    const untilMs = time.nowMs + delayMs;
    time.at(delayMs, () => {});
    while ((time.nextMs ?? Number.POSITIVE_INFINITY) <= untilMs) time.step();
  };
  return { time, date, life, clock, wait };
}

describe("the date", () => {
  it("begins at the first of January 2026, as far off as the machine is", () => {
    expect(new Date(createClock().clock.wallMs()).toISOString()).toBe("2026-01-01T00:00:00.000Z");
    expect(createClock(-90_000).clock.wallMs()).toBe(virtualEpochMs - 90_000);
  });

  it("jumps both ways, and neither monotonic time nor a timer notices", () => {
    const { time, date, clock, wait } = createClock();
    let firedMs = -1;
    clock.setTimer(1_000, () => {
      firedMs = time.nowMs;
    });
    wait(500);
    date.jump(3_600_000);
    expect(clock.wallMs()).toBe(virtualEpochMs + 3_600_500);
    date.jump(-7_200_000);
    expect(clock.wallMs()).toBe(virtualEpochMs - 3_599_500);
    expect(clock.monotonicMs()).toBe(500);
    wait(1_000);
    expect(firedMs).toBe(1_000);
  });

  it("is in whole milliseconds", () => {
    const { clock, wait } = createClock();
    wait(0.9);
    expect(clock.wallMs()).toBe(virtualEpochMs);
    expect(clock.monotonicMs()).toBe(0.9);
  });

  it("outlives a process, while monotonic time begins anew", () => {
    const { time, date, wait } = createClock(5_000);
    date.jump(1_000);
    wait(250);
    const next = new SimClock({ time, life: new ProcessLife(time), date });
    expect(next.wallMs()).toBe(virtualEpochMs + 6_250);
    expect(next.monotonicMs()).toBe(0);
    wait(10);
    expect(next.monotonicMs()).toBe(10);
  });
});

describe("drift", () => {
  it("stretches the date and monotonic time alike", () => {
    const { date, clock, wait } = createClock();
    date.setRate(1.01);
    wait(10_000);
    expect(clock.monotonicMs()).toBeCloseTo(10_100, 6);
    expect(clock.wallMs()).toBe(virtualEpochMs + 10_100);
    date.setRate(0.5);
    wait(1_000);
    expect(clock.monotonicMs()).toBeCloseTo(10_600, 6);
  });

  it("makes a timer of a fast machine come early and that of a slow one late", () => {
    for (const rate of [0.9, 1, 1.25]) {
      const { time, date, clock, wait } = createClock();
      date.setRate(rate);
      let firedMs = -1;
      clock.setTimer(1_000, () => {
        firedMs = time.nowMs;
      });
      wait(2_000);
      expect(firedMs).toBeCloseTo(1_000 / rate, 4);
    }
  });

  it("never lets a timer come before its delay by its machine's count, nor time run back", () => {
    for (let seed = 1; seed <= 100; seed++) {
      const random = new Random(seed);
      const { date, clock, wait } = createClock();
      let fired = 0;
      let beforeMs = 0;
      for (let step = 0; step < 50; step++) {
        if (random.nextBoolean(0.4)) date.setRate(0.9 + random.nextFloat() / 5);
        const delayMs = random.nextFloat() * 100;
        const dueMs = clock.monotonicMs() + delayMs;
        clock.setTimer(delayMs, () => {
          expect(clock.monotonicMs()).toBeGreaterThanOrEqual(dueMs);
          fired += 1;
        });
        wait(random.nextFloat() * 20);
        expect(clock.monotonicMs()).toBeGreaterThanOrEqual(beforeMs);
        beforeMs = clock.monotonicMs();
      }
      wait(1_000);
      expect(fired).toBe(50);
    }
  });
});

describe("a process's timers", () => {
  it("wait while it is paused, while its monotonic time goes on, and then run in order", () => {
    const { life, clock, wait } = createClock();
    const seen: string[] = [];
    clock.setTimer(200, () => seen.push("b"));
    clock.setTimer(100, () => {
      seen.push("a");
      clock.setSoon(() => seen.push("soon"));
    });
    const cancelled = clock.setTimer(150, () => seen.push("cancelled"));
    life.pause();
    wait(1_000);
    expect(seen).toEqual([]);
    expect(clock.monotonicMs()).toBe(1_000);
    cancelled.cancel();
    life.resume();
    wait(0);
    expect(seen).toEqual(["a", "b", "soon"]);
  });

  it("die with it", () => {
    const { life, clock, wait } = createClock();
    let ran = false;
    const run = () => {
      ran = true;
    };
    clock.setTimer(100, run);
    clock.setSoon(run);
    life.end();
    wait(1_000);
    expect(ran).toBe(false);
  });

  it("have setSoon run after all that is due, and before time goes on", () => {
    const { time, clock, wait } = createClock();
    const seen: string[] = [];
    clock.setTimer(5, () => {
      clock.setSoon(() => seen.push(`soon at ${time.nowMs}`));
      seen.push("first");
    });
    clock.setTimer(5, () => seen.push("second"));
    clock.setTimer(5.001, () => seen.push("third"));
    wait(10);
    expect(seen).toEqual(["first", "second", "soon at 5", "third"]);
  });
});
