// The waits between attempts, as a table.
import { expect, test } from "vitest";
import { backoffMs, handshakeBoundMs, spreadMs } from "./retry.ts";

test.each([
  // failures, freeAttempts, chance → ms
  [0, 0, 0, 0],
  [1, 3, 0.99, 0],
  [3, 3, 0.99, 0],
  [4, 3, 0, 13],
  [4, 3, 0.999, 25],
  [5, 3, 0, 25],
  [5, 3, 0.999, 50],
  [6, 3, 0.5, 75],
  [11, 3, 0.5, 2_400],
  [12, 3, 0, 2_500],
  [12, 3, 0.999, 4_998],
  [5_000, 3, 0.5, 3_750],
])(
  "after %i failures with %i free attempts, chance %f waits %i ms",
  (failures, free, chance, ms) => {
    expect(backoffMs({ failures, freeAttempts: free, chance })).toBe(ms);
  },
);

test("a server's own wait is honoured, and spread by up to a quarter", () => {
  expect(spreadMs(400, 0)).toBe(400);
  expect(spreadMs(400, 0.999)).toBe(500);
  expect(spreadMs(0, 0.999)).toBe(0);
});

test.each([
  [0, 3, 1_000],
  [2, 3, 1_000],
  [3, 3, 2_000],
  [6, 3, 4_000],
  [1, 1, 2_000],
  [9_999, 3, 10_000],
])("after %i failures over %i servers an attempt has %i ms", (failures, servers, ms) => {
  expect(handshakeBoundMs(failures, servers)).toBe(ms);
});
