// The queue shares turns fairly and within bounds, on a clock that only its tasks move.
// What the tasks are in a running gateway is shown in rpc.test.ts.
import { describe, expect, it } from "vitest";
import type { Clock } from "../io/clock.ts";
import { TurnQueue } from "./turn-queue.ts";

function queueOf(options: { turnMs: number; waitingMax: number; taskMs: number }) {
  let nowMs = 0;
  const turns: (() => void)[] = [];
  const clock = {
    monotonicMs: () => nowMs,
    setSoon: (callback: () => void) => turns.push(callback),
  } as unknown as Clock;
  const queue = new TurnQueue({ clock, ...options });
  const done: number[] = [];
  return {
    done,
    turns,
    runTurn: () => turns.shift()?.(),
    add: (i: number, also?: () => void) =>
      queue.add(() => {
        nowMs += options.taskMs;
        done.push(i);
        also?.();
      }),
  };
}

describe("a turn queue", () => {
  it("does as much in a turn as the time allows, in order, and the rest in the next ones", () => {
    const { add, runTurn, done, turns } = queueOf({ turnMs: 4, waitingMax: 10, taskMs: 2 });
    for (const i of [1, 2, 3, 4, 5]) expect(add(i)).toBe(true);
    runTurn();
    expect(done).toEqual([1, 2]);
    runTurn();
    expect(done).toEqual([1, 2, 3, 4]);
    runTurn();
    expect([done, turns]).toEqual([[1, 2, 3, 4, 5], []]);
  });

  it("does at least one task a turn, however long it takes", () => {
    const { add, runTurn, done } = queueOf({ turnMs: 1, waitingMax: 10, taskMs: 50 });
    for (const i of [1, 2]) add(i);
    runTurn();
    expect(done).toEqual([1]);
  });

  it("refuses more than may wait, and takes more when some are done", () => {
    const { add, runTurn, done } = queueOf({ turnMs: 1, waitingMax: 2, taskMs: 1 });
    expect([add(1), add(2), add(3)]).toEqual([true, true, false]);
    runTurn();
    expect([add(4), add(5)]).toEqual([true, false]);
    runTurn();
    runTurn();
    expect(done).toEqual([1, 2, 4]);
  });

  it("goes on after a task that throws, and does not do it again", () => {
    const { add, runTurn, done } = queueOf({ turnMs: 9, waitingMax: 5, taskMs: 1 });
    add(1, () => {
      throw new Error("a bug");
    });
    add(2);
    expect(() => runTurn()).toThrow("a bug");
    runTurn();
    expect(done).toEqual([1, 2]);
  });
});
