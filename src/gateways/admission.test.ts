// Rates and slots, on a clock that stands still unless told otherwise.
import { describe, expect, it } from "vitest";
import type { Clock } from "../io/clock.ts";
import { addressKey } from "./address-key.ts";
import { RateLimiter, Slots } from "./admission.ts";

function limiter(options: { burst: number; perSecond: number; keysMax?: number }) {
  let nowMs = 1_000;
  const clock = { monotonicMs: () => nowMs } as Clock;
  const rate = new RateLimiter({ clock, keysMax: 100, ...options });
  return {
    take: (key: string) => rate.take(key),
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
}

describe("a rate limiter", () => {
  it("allows a burst, then says how long to wait, then allows one after that time", () => {
    const { take, pass } = limiter({ burst: 2, perSecond: 0.5 });
    expect([take("a"), take("a"), take("a")]).toEqual([0, 0, 2_000]);
    pass(1_500);
    expect(take("a")).toBe(500);
    pass(500);
    expect([take("a"), take("a")]).toEqual([0, 2_000]);
  });

  it("never saves up more than a burst, and keeps keys apart", () => {
    const { take, pass } = limiter({ burst: 2, perSecond: 10 });
    take("a");
    pass(60_000);
    expect([take("a"), take("a"), take("a") > 0, take("b")]).toEqual([0, 0, true, 0]);
  });

  it("forgets the key that was longest unused, and no other", () => {
    const { take } = limiter({ burst: 1, perSecond: 0.001, keysMax: 2 });
    for (const key of ["a", "b", "a", "c"]) take(key);
    expect([take("a") > 0, take("c") > 0]).toEqual([true, true]);
    expect(take("b")).toBe(0);
  });
});

describe("slots", () => {
  it("run so many at once, let so many wait in order, and refuse the rest", async () => {
    const slots = new Slots({ runningMax: 2, waitingMax: 2 });
    const started: number[] = [];
    const finish: (() => void)[] = [];
    const works = [0, 1, 2, 3, 4].map((i) =>
      slots.run(() => {
        started.push(i);
        return new Promise<number>((resolve) => finish.push(() => resolve(i)));
      }),
    );
    expect([started, works[4]]).toEqual([[0, 1], undefined]);
    finish[1]?.();
    expect(await works[1]).toBe(1);
    await expect.poll(() => started).toEqual([0, 1, 2]);
    finish[0]?.();
    await expect.poll(() => started).toEqual([0, 1, 2, 3]);
    finish[2]?.();
    finish[3]?.();
    expect(await Promise.all(works)).toEqual([0, 1, 2, 3, undefined]);
    expect(await slots.run(async () => 5)).toBe(5);
  });

  it("are free again after work that failed", async () => {
    const slots = new Slots({ runningMax: 1, waitingMax: 1 });
    const failing = slots.run(() => Promise.reject(new Error("no")));
    const next = slots.run(async () => 2);
    await expect(failing).rejects.toThrow("no");
    expect(await next).toBe(2);
  });
});

describe("the key of an address", () => {
  it.each([
    ["127.0.0.1", "127.0.0.1"],
    ["::ffff:10.1.2.3", "10.1.2.3"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::9", "2001:db8:1:2::/64"],
    ["2001:db8::9", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["fe80::", "fe80:0:0:0::/64"],
    ["", ""],
  ])("of %s is %s", (address, key) => {
    expect(addressKey(address)).toBe(key);
  });
});
