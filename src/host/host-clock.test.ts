// The machine's clocks behind the port; nothing here depends on how long anything takes.
import { describe, expect, it } from "vitest";
import { HostClock } from "./host-clock.ts";

describe("the host's clock", () => {
  const clock = new HostClock();

  it("never runs backwards", () => {
    let before = clock.monotonicMs();
    for (let round = 0; round < 1000; round++) {
      const now = clock.monotonicMs();
      expect(now).toBeGreaterThanOrEqual(before);
      before = now;
    }
  });

  it("tells the date in milliseconds since 1970", () => {
    expect(clock.wallMs()).toBeGreaterThan(Date.UTC(2020, 0));
    expect(Number.isInteger(clock.wallMs())).toBe(true);
  });

  it("calls back timers but those that were cancelled, in their order", async () => {
    const called: string[] = [];
    await new Promise<void>((resolve) => {
      clock.setTimer(1, () => called.push("cancelled")).cancel();
      const first = clock.setTimer(1, () => called.push("first"));
      clock.setTimer(10, () => {
        first.cancel();
        resolve();
      });
    });
    expect(called).toEqual(["first"]);
  });

  it("calls back soon, but never from inside the call", async () => {
    let inside = true;
    const wasInside = await new Promise<boolean>((resolve) => {
      clock.setSoon(() => resolve(inside));
      inside = false;
    });
    expect(wasInside).toBe(false);
  });
});
