// Drawn workloads stay within their bounds, differ, and leave out what is not indispensable.
import { expect, test } from "vitest";
import { Random } from "../base/random.ts";
import { actions, drawWorkload } from "./draw-workload.ts";

const drawn = Array.from({ length: 500 }, (_, seed) => drawWorkload(new Random(seed)));

test("a workload has 2 to 8 people with 2 to 12 devices, and is plain JSON", () => {
  for (const options of drawn) {
    const devices = options.devices.reduce((sum, count) => sum + count, 0);
    expect(options.devices.length).toBeGreaterThanOrEqual(2);
    expect(options.devices.length).toBeLessThanOrEqual(8);
    expect(devices).toBeLessThanOrEqual(12);
    expect(options.thinkMs).toBeGreaterThanOrEqual(20);
    expect(options.thinkMs).toBeLessThanOrEqual(5_000);
    expect(JSON.parse(JSON.stringify(options))).toEqual(options);
  }
});

test("each action is left out of some runs, but for those without which there is nothing to judge", () => {
  for (const action of actions) {
    const absent = drawn.filter(({ weights }) => weights[action] === 0).length;
    const isIndispensable = ["send", "createRoom", "joinRoom", "readPage"].includes(action);
    if (isIndispensable) expect(absent).toBe(0);
    else expect(absent).toBeGreaterThan(20);
    expect(absent).toBeLessThan(200);
  }
});

test("the same seed draws the same workload", () => {
  expect(drawWorkload(new Random(77))).toEqual(drawn[77]);
});
