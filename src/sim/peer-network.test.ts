// What a replica may expect of the simulated transport, and what it must be ready for.
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

describe("a whole network", () => {
  it("connects every server with every other within milliseconds", () => {
    const rig = new PeerRig({ size: 5 });
    expect(rig.server(1).send(2, "too early")).toBe(false);
    rig.run(20);
    for (const id of rig.ids) {
      expect([...rig.server(id).connected].sort()).toEqual(rig.ids.filter((peer) => peer !== id));
    }
  });

  it("brings frames in order, each once, within about a millisecond", () => {
    const rig = connectedRig();
    for (const text of numbers(50)) {
      expect(rig.server(1).send(2, text)).toBe(true);
      rig.run(0.01);
    }
    rig.run(1.5);
    expect(rig.server(2).framesOf(1)).toEqual(numbers(50));
    expect(rig.server(3).framesOf(1)).toEqual([]);
  });

  it("hands out a copy, which later changes of the sender do not reach", () => {
    const rig = connectedRig();
    const frame = Buffer.from("before");
    rig.server(1).transport.send(2, frame);
    frame.write("after!");
    rig.run(2);
    expect(rig.server(2).framesOf(1)).toEqual(["before"]);
  });

  it("costs next to nothing while idle", () => {
    const rig = connectedRig({ size: 5 });
    rig.events = 0;
    rig.run(60_000);
    expect(rig.events).toBeLessThan(100);
  });

  it("does the same again with the same seed, whatever strikes", () => {
    const story = (seed: number): string[] => {
      const rig = connectedRig({ seed });
      const { faults } = rig.network;
      faults.setDelayMs(3);
      faults.setLoss(0.1);
      faults.setDoubling(0.1);
      faults.setReordering(0.1);
      for (let at = 0; at < 200; at++) {
        rig.server((at % 3) + 1).send(((at + 1) % 3) + 1, String(at));
        if (at === 50) faults.cut(1, 2);
        if (at === 60) rig.server(3).end();
        if (at === 150) rig.server(3).boot();
        if (at === 170) faults.breakConnection(2, 3);
        rig.run(40);
      }
      return rig.trace;
    };
    expect(story(7)).toEqual(story(7));
    expect(story(7)).not.toEqual(story(8));
  });
});

describe("a process that ends", () => {
  it("is seen by the others at once, and found again when it is back", () => {
    const rig = connectedRig();
    rig.run(1000);
    rig.server(3).end();
    expect(rig.server(1).connected.has(3)).toBe(true);
    rig.run(3);
    expect([...rig.server(1).connected, ...rig.server(2).connected]).toEqual([2, 1]);
    rig.run(30_000);
    rig.server(3).boot();
    expect(rig.until(() => rig.server(3).connected.size === 2)).toBeLessThan(600);
    rig.run(5);
    rig.server(1).send(3, "welcome");
    rig.run(2);
    expect(rig.server(3).framesOf(1)).toEqual(["welcome"]);
  });

  it("loses a tail of what it had sent at that moment, never a part before it", () => {
    const counts = new Set<number>();
    for (let seed = 1; seed <= 20; seed++) {
      const rig = connectedRig({ seed });
      for (const text of numbers(10)) rig.server(1).send(2, text);
      rig.server(1).end();
      rig.run(10);
      const frames = rig.server(2).framesOf(1);
      expect(frames).toEqual(numbers(frames.length));
      counts.add(frames.length);
    }
    expect(counts.size).toBeGreaterThan(4);
  });

  it("is seen late when its link is cut", () => {
    const rig = connectedRig();
    rig.cutBoth(1, 3);
    rig.server(3).end();
    rig.run(100);
    expect(rig.server(1).connected.has(3)).toBe(true);
    expect(rig.server(2).connected.has(3)).toBe(false);
    expect(rig.until(() => !rig.server(1).connected.has(3))).toBeGreaterThan(2000);
  });

  it("is seen late when the machine lost power, unless it is back before", () => {
    const rig = connectedRig();
    rig.server(3).end("powerLost");
    const lateMs = rig.until(() => rig.server(1).connected.size === 1);
    expect(lateMs).toBeGreaterThan(2900);
    expect(lateMs).toBeLessThan(5500);
    rig.server(3).boot();
    rig.until(() => rig.server(3).connected.size === 2);
    rig.run(1000);
    rig.server(3).end("powerLost");
    rig.server(3).boot();
    expect(rig.until(() => !rig.server(1).connected.has(3))).toBeLessThan(1100);
    expect(rig.until(() => rig.server(3).connected.size === 2)).toBeLessThan(1100);
  });

  it("is found out within a second even if nobody tells of its death", () => {
    const rig = connectedRig();
    rig.server(3).life.end();
    expect(rig.until(() => !rig.server(1).connected.has(3))).toBeLessThan(1100);
  });

  it("says goodbye in order when it closes its transport", () => {
    const rig = connectedRig();
    rig.server(3).transport.close();
    rig.run(3);
    expect(rig.server(1).connected.has(3)).toBe(false);
    expect(rig.server(3).heard.at(-1)).toBe("2 connected");
    expect(rig.server(3).send(1, "more")).toBe(false);
  });
});

describe("a hello", () => {
  it("that is refused is said again, with growing pauses, until it is accepted", () => {
    const rig = new PeerRig({ size: 2 });
    rig.server(2).refuses = true;
    rig.run(1000);
    const early = rig.server(1).hellos;
    rig.run(10_000);
    const late = rig.server(1).hellos - early;
    expect(rig.server(1).connected.size).toBe(0);
    expect(early).toBeGreaterThan(5);
    expect(late).toBeGreaterThan(15);
    expect(late).toBeLessThan(150);
    rig.server(2).refuses = false;
    rig.until(() => rig.server(1).connected.has(2), 600);
  });

  it("of another replica than the one at that address connects nobody", () => {
    const rig = connectedRig();
    for (const id of [2, 3]) rig.server(id).end();
    rig.server(2).identity = 3;
    rig.server(3).identity = 2;
    for (const id of [2, 3]) rig.server(id).boot();
    rig.run(3000);
    expect(rig.server(1).connected.size).toBe(0);
  });
});

describe("a connection", () => {
  it("that breaks is told to both sides and made again at once", () => {
    const rig = connectedRig();
    rig.run(2000);
    rig.network.faults.breakConnection(1, 2);
    rig.run(3);
    expect(rig.server(1).heard).toContain("2 disconnected");
    expect(rig.server(2).heard).toContain("1 disconnected");
    expect(rig.until(() => rig.server(1).connected.has(2), 100)).toBeLessThan(100);
    expect(rig.server(3).heard.filter((line) => line.includes("disconnected"))).toEqual([]);
  });

  it("that one side drops needs hellos anew", () => {
    const rig = connectedRig();
    const hellos = rig.server(1).hellos;
    rig.server(1).transport.disconnect(2, "again");
    expect(rig.server(1).heard).not.toContain("2 disconnected");
    rig.run(100);
    expect(rig.server(1).heard).toContain("2 disconnected");
    expect(rig.server(2).heard).toContain("1 disconnected");
    expect(rig.server(1).connected.has(2)).toBe(true);
    expect(rig.server(1).hellos).toBeGreaterThan(hellos);
  });

  it("ends with a peer that is no longer among the peers", () => {
    const rig = connectedRig();
    rig.server(1).transport.setPeers([{ peerId: 3, address: "server-3:9080" }]);
    rig.run(2000);
    expect([...rig.server(1).connected]).toEqual([3]);
    expect([...rig.server(2).connected]).toEqual([3]);
    rig.server(1).transport.setPeers([
      { peerId: 3, address: "server-3:9080" },
      { peerId: 2, address: "server-2:9080" },
      { peerId: 4, address: "nowhere" },
    ]);
    rig.run(1000);
    expect([...rig.server(1).connected].sort()).toEqual([2, 3]);
  });
});
