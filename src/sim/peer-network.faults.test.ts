// What each fault of the links between servers does, and what it leaves alone.
import { describe, expect, it } from "vitest";
import { PeerRig } from "./peer-rig.test-support.ts";

function connectedRig(options: ConstructorParameters<typeof PeerRig>[0] = {}): PeerRig {
  const rig = new PeerRig(options);
  rig.run(100);
  return rig;
}

function numbers(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, at) => String(from + at));
}

describe("a cut", () => {
  it("that is short delays what was sent into it and breaks nothing", () => {
    const rig = connectedRig();
    rig.cutBoth(1, 2);
    for (const text of numbers(10)) rig.server(1).send(2, text);
    rig.run(1500);
    expect(rig.server(2).framesOf(1)).toEqual([]);
    rig.mendBoth(1, 2);
    rig.run(1100);
    expect(rig.server(2).framesOf(1)).toEqual(numbers(10));
    expect(rig.server(2).heard.filter((line) => line.includes("disconnected"))).toEqual([]);
  });

  it.each([
    [
      "both ways",
      [
        [1, 2],
        [2, 1],
      ],
    ],
    ["one way", [[1, 2]]],
    ["the other way", [[2, 1]]],
  ] as const)("%s that is long is given up by both sides and leaves nothing behind", (_, cuts) => {
    const rig = connectedRig();
    for (const [from, to] of cuts) rig.network.faults.cut(from, to);
    for (const text of numbers(10)) rig.server(1).send(2, text);
    for (const text of numbers(10)) rig.server(2).send(1, text);
    const givenUpMs = rig.until(
      () => !rig.server(1).connected.has(2) && !rig.server(2).connected.has(1),
    );
    expect(givenUpMs).toBeGreaterThan(2900);
    expect(givenUpMs).toBeLessThan(5500);
    rig.run(20_000);
    expect(rig.server(1).connected.has(2)).toBe(false);
    expect(rig.server(1).connected.has(3)).toBe(true);
    expect(rig.server(2).connected.has(3)).toBe(true);
    const before = [rig.server(1).framesOf(2).length, rig.server(2).framesOf(1).length];
    expect(before).toEqual([
      cuts.some(([from]) => from === 2) ? 0 : 10,
      cuts.some(([from]) => from === 1) ? 0 : 10,
    ]);
    rig.mendBoth(1, 2);
    expect(rig.until(() => rig.server(1).connected.has(2))).toBeLessThan(4000);
    rig.run(1000);
    expect([rig.server(1).framesOf(2).length, rig.server(2).framesOf(1).length]).toEqual(before);
  });

  it("ends with everything else by mendAll", () => {
    const rig = connectedRig();
    const { faults } = rig.network;
    for (const from of rig.ids) for (const to of rig.ids) if (from !== to) faults.cut(from, to);
    faults.setLoss(1);
    faults.setDelayMs(500);
    faults.clog(1, 2, 1e9);
    rig.run(10_000);
    expect(rig.server(1).connected.size).toBe(0);
    faults.mendAll();
    rig.run(4000);
    for (const id of rig.ids) expect(rig.server(id).connected.size).toBe(2);
    rig.server(1).send(2, "well again");
    rig.run(2);
    expect(rig.server(2).framesOf(1)).toEqual(["well again"]);
  });
});

describe("a paused process", () => {
  it("gets everything in order when it goes on, and hears nothing before", () => {
    const rig = connectedRig();
    rig.server(2).life.pause();
    for (const text of numbers(20)) {
      expect(rig.server(1).send(2, text)).toBe(true);
      rig.run(50);
    }
    expect(rig.server(2).framesOf(1)).toEqual([]);
    rig.server(2).life.resume();
    rig.run(2);
    expect(rig.server(2).framesOf(1)).toEqual(numbers(20));
    expect(rig.server(1).connected.has(2)).toBe(true);
  });

  it("is not sent more than the buffer holds", () => {
    const rig = connectedRig({ limits: { peerBufferBytesMax: 100 } });
    rig.server(2).life.pause();
    const sent = numbers(100, 10).filter((text) => rig.server(1).send(2, text));
    expect(sent.length).toBe(50);
    rig.run(1000);
    expect(rig.server(1).send(2, "99")).toBe(false);
    rig.server(2).life.resume();
    rig.run(2);
    expect(rig.server(2).framesOf(1)).toEqual(sent);
    expect(rig.server(1).send(2, "99")).toBe(true);
  });

  it("is given up after some seconds, hears so when it goes on, and is connected again", () => {
    const rig = connectedRig();
    rig.server(2).life.pause();
    rig.run(8000);
    expect(rig.server(1).connected.has(2)).toBe(false);
    expect(rig.server(2).connected.has(1)).toBe(true);
    rig.server(2).life.resume();
    rig.run(3000);
    expect(rig.server(2).heard.filter((line) => line === "1 disconnected")).toHaveLength(1);
    expect(rig.server(1).connected.has(2)).toBe(true);
    expect(rig.server(2).connected.has(1)).toBe(true);
  });
});

describe("clogged, slow and unfaithful links", () => {
  it("let everything pass at once when they are clear again", () => {
    const rig = connectedRig();
    rig.network.faults.clog(1, 2, 1000);
    rig.server(1).send(2, "a");
    rig.run(500);
    rig.server(1).send(2, "b");
    rig.server(2).send(1, "back");
    rig.run(499);
    expect(rig.server(2).framesOf(1)).toEqual([]);
    expect(rig.server(1).framesOf(2)).toEqual(["back"]);
    rig.run(3);
    expect(rig.server(2).framesOf(1)).toEqual(["a", "b"]);
  });

  it("stay in order when they are slow", () => {
    const rig = connectedRig();
    rig.network.faults.setDelayMs(20);
    for (const text of numbers(200)) {
      rig.server(1).send(2, text);
      rig.run(1);
    }
    expect(rig.server(2).framesOf(1).length).toBeLessThan(198);
    rig.run(500);
    expect(rig.server(2).framesOf(1)).toEqual(numbers(200));
  });

  it("lose, double and reorder single frames beyond the contract", () => {
    const rig = connectedRig();
    const { faults } = rig.network;
    const struck = (strike: (share: number) => void): string[] => {
      const before = rig.server(2).framesOf(1).length;
      strike(0.2);
      for (const text of numbers(500, 100)) {
        rig.server(1).send(2, text);
        rig.run(1);
      }
      strike(0);
      rig.run(100);
      return rig.server(2).framesOf(1).slice(before);
    };
    const lossy = struck(faults.setLoss);
    expect(lossy).toEqual(lossy.toSorted());
    expect(lossy.length).toBeGreaterThan(350);
    expect(lossy.length).toBeLessThan(450);
    const doubled = struck(faults.setDoubling);
    expect(doubled.length).toBeGreaterThan(550);
    expect(new Set(doubled).size).toBe(500);
    const reordered = struck(faults.setReordering);
    expect(reordered).not.toEqual(numbers(500, 100));
    expect(reordered.toSorted()).toEqual(numbers(500, 100));
    expect(rig.server(2).connected.has(1)).toBe(true);
  });
});
