// That a repeated complaint is counted instead of logged, and that keys do not pile up.
import { expect, test } from "vitest";
import { LogLimiter } from "./log-limiter.ts";

test("one line a key passes in each interval, and the next one says how many were held back", () => {
  let nowMs = 0;
  const limiter = new LogLimiter(100, () => nowMs);
  expect(limiter.pass("a")).toBe(0);
  nowMs = 99;
  expect([limiter.pass("a"), limiter.pass("a"), limiter.pass("b")]).toEqual([
    undefined,
    undefined,
    0,
  ]);
  nowMs = 100;
  expect(limiter.pass("a")).toBe(2);
  nowMs = 200;
  expect(limiter.pass("a")).toBe(0);
});

test("the key that passed longest ago is forgotten when there are too many", () => {
  const limiter = new LogLimiter(100, () => 0);
  for (let i = 0; i < 257; i += 1) expect(limiter.pass(`key ${i}`)).toBe(0);
  expect(limiter.pass("key 256")).toBeUndefined();
  expect(limiter.pass("key 0")).toBe(0);
});
