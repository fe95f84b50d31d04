// When a write counts as acknowledged, follower by follower (product row R5).
import { describe, expect, it } from "vitest";
import { LeaderAcknowledgements } from "./acknowledgements.ts";

function make(
  options: {
    mode?: "live" | "majority";
    connected?: boolean[];
    silentSinceMs?: number;
    startIndex?: number;
  } = {},
) {
  const { mode = "live", connected = [true, true], silentSinceMs = 0, startIndex = 0 } = options;
  const acknowledgements = new LeaderAcknowledgements({
    mode,
    liveTimeoutMs: 500,
    nowMs: 0,
    startIndex,
    followers: connected.map((isConnected, i) => ({
      peer: i + 2,
      connected: isConnected,
      lastHeardMs: silentSinceMs,
    })),
  });
  const match = new Map<number, number>();
  const advance = (commitIndex: number, durableIndex = commitIndex): number => {
    acknowledgements.advance({ commitIndex, durableIndex }, (peer) => match.get(peer) ?? 0);
    return acknowledgements.point.index;
  };
  const check = (nowMs: number, commitIndex: number): void =>
    acknowledgements.checkLiveness({ nowMs, commitIndex }, (peer) => match.get(peer) ?? 0);
  const hear = (nowMs: number, ...peers: number[]): void => {
    for (const peer of peers) acknowledgements.handleHeard(peer, nowMs);
  };
  return { acknowledgements, match, advance, check, hear };
}

describe("acknowledgements (R5)", () => {
  it("waits for the leader's own disk and for every connected follower", () => {
    const { match, advance, acknowledgements } = make();
    match.set(2, 10);
    expect(advance(10)).toBe(0);
    match.set(3, 7);
    expect(advance(10)).toBe(7);
    match.set(3, 10);
    expect(advance(10, 9)).toBe(9);
    expect(advance(10)).toBe(10);
    expect(acknowledgements.point.disks).toBe(3);
  });

  it("in mode majority the commit alone counts", () => {
    const { match, advance, acknowledgements } = make({ mode: "majority" });
    match.set(2, 10);
    expect(advance(10)).toBe(10);
    expect(acknowledgements.point.disks).toBe(2);
  });

  it("nobody is live before it has what an earlier leader may have acknowledged", () => {
    const { match, advance, acknowledgements } = make({ startIndex: 8 });
    match.set(2, 7);
    match.set(3, 8);
    expect(advance(7)).toBe(7);
    expect([acknowledgements.isLive(2), acknowledgements.isLive(3)]).toEqual([false, true]);
    match.set(2, 8);
    advance(7);
    expect(acknowledgements.isLive(2)).toBe(true);
  });

  it("a newcomer is live once it has all that was acknowledged, and then is waited for", () => {
    const { match, advance, check, hear, acknowledgements } = make({ connected: [true] });
    match.set(2, 20);
    check(0, 20);
    advance(20);
    const newcomer = { peer: 3, connected: true, lastHeardMs: 0 };
    acknowledgements.setFollowers([{ peer: 2, connected: true, lastHeardMs: 0 }, newcomer]);
    match.set(3, 4);
    for (const nowMs of [10, 600]) {
      hear(nowMs, 2, 3);
      check(nowMs, 20);
      advance(20);
      expect(acknowledgements.isLive(3)).toBe(false);
    }
    match.set(3, 20);
    check(610, 20);
    advance(20);
    expect(acknowledgements.isLive(3)).toBe(true);
    match.set(2, 21);
    expect(advance(21)).toBe(20);
  });

  it("a broken connection counts at once", () => {
    const { match, advance, acknowledgements } = make();
    match.set(2, 10);
    acknowledgements.handleDisconnected(3);
    expect(advance(10)).toBe(10);
    expect(acknowledgements.isLive(3)).toBe(false);
    expect(acknowledgements.isLive(2)).toBe(true);
  });

  it("a follower that answers but does not get on is dropped after liveTimeoutMs", () => {
    const { match, advance, check, hear } = make();
    match.set(2, 10);
    check(10, 10);
    hear(500, 2, 3);
    check(500, 10);
    expect(advance(10)).toBe(0);
    check(511, 10);
    expect(advance(10)).toBe(10);
  });

  it("a silent follower is dropped after liveTimeoutMs even while nothing is written", () => {
    const { match, advance, check, hear } = make();
    hear(400, 2);
    check(501, 0);
    match.set(2, 5);
    expect(advance(5)).toBe(5);
  });

  it("one that was silent before the election is not given all of its time again", () => {
    const { match, advance, check, hear } = make({ silentSinceMs: -400 });
    match.set(2, 5);
    hear(90, 2);
    check(99, 5);
    expect(advance(5)).toBe(0);
    check(101, 5);
    expect(advance(5)).toBe(5);
  });

  it("one that comes back is waited for when near, and live when it holds all of it", () => {
    const { match, advance, check, hear, acknowledgements } = make({ connected: [true, false] });
    match.set(2, 100);
    expect(advance(100)).toBe(100);
    check(10, 100);
    acknowledgements.handleConnected(3, 20);
    match.set(3, 50);
    hear(20, 2, 3);
    check(20, 100);
    expect(acknowledgements.isLive(3)).toBe(false);
    match.set(2, 120);
    expect(advance(120)).toBe(120);
    match.set(3, 100);
    check(30, 120);
    match.set(2, 130);
    expect(advance(130)).toBe(120);
    expect(acknowledgements.isLive(3)).toBe(false);
    match.set(3, 130);
    expect(advance(130)).toBe(130);
    expect(acknowledgements.isLive(3)).toBe(true);
  });

  it("an overdue follower is not taken back while it hangs", () => {
    const { match, advance, check, hear } = make();
    match.set(2, 10);
    check(10, 10);
    for (let nowMs = 20; nowMs < 2_000; nowMs += 10) {
      hear(nowMs, 2, 3);
      check(nowMs, 10);
    }
    expect(advance(10)).toBe(10);
    match.set(2, 11);
    expect(advance(11)).toBe(11);
  });
});
