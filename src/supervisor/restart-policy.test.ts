// When dead processes come back.
import { expect, test } from "vitest";
import { restartDelayMaxMs, restartDelayMinMs, stableRunMs } from "./limits.ts";
import { RestartPolicy } from "./restart-policy.ts";

test("a process that has run for long comes back at once, however often it dies", () => {
  const policy = new RestartPolicy();
  for (let death = 0; death < 5; death++) expect(policy.nextDelayMs(stableRunMs, 0.5)).toBe(0);
});

test("a process that dies right away waits longer each time, up to a limit", () => {
  const policy = new RestartPolicy();
  const delays = Array.from({ length: 12 }, () => policy.nextDelayMs(10, 0.999_999));
  expect(delays[0]).toBe(0);
  expect(delays[1]).toBeCloseTo(restartDelayMinMs, 1);
  expect(delays[2]).toBeCloseTo(2 * restartDelayMinMs, 1);
  expect(delays.at(-1)).toBeCloseTo(restartDelayMaxMs, 1);
  expect(delays).toEqual(delays.toSorted((a, b) => a - b));
});

test("chance spreads a wait over its upper half", () => {
  const early = new RestartPolicy();
  early.nextDelayMs(0, 0);
  expect(early.nextDelayMs(0, 0)).toBe(restartDelayMinMs / 2);
});

test("one long run makes up for earlier deaths", () => {
  const policy = new RestartPolicy();
  for (let death = 0; death < 5; death++) policy.nextDelayMs(1, 0);
  expect(policy.nextDelayMs(stableRunMs, 0)).toBe(0);
  expect(policy.nextDelayMs(1, 0)).toBeGreaterThan(0);
});
