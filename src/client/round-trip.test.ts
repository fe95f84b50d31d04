// From which silence on a server counts as hung, by how long its answers took.
import { describe, expect, test } from "vitest";
import { hungMsMax, hungMsMin } from "./limits.ts";
import { RoundTrip } from "./round-trip.ts";

function measured(...tookMs: readonly number[]): RoundTrip {
  const roundTrip = new RoundTrip();
  for (const ms of tookMs) roundTrip.measure(ms);
  return roundTrip;
}

describe("a round trip", () => {
  test("a fast network has the lower bound, and is asked after a third of it", () => {
    expect(measured(2)).toMatchObject({ hungMs: hungMsMin, pingMs: hungMsMin / 3 });
  });

  test("a slow network has four round trips", () => {
    expect(measured(600).hungMs).toBe(2_400);
  });

  test("however slow, the bound has an end", () => {
    expect(measured(60_000).hungMs).toBe(hungMsMax);
  });

  test("a longer round trip counts at once, a shorter one bit by bit", () => {
    expect(measured(20, 800).hungMs).toBe(3_200);
    expect(measured(800, 20).hungMs).toBeCloseTo(4 * (800 - 780 / 8));
  });

  test("what takes its time by itself lowers the bound, and never raises it", () => {
    const roundTrip = measured(600);
    roundTrip.limit(10_000);
    expect(roundTrip.hungMs).toBe(2_400);
    for (let i = 0; i < 40; i++) roundTrip.limit(5);
    expect(roundTrip.hungMs).toBe(hungMsMin);
  });
});
