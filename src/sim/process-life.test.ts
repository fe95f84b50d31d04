// A process's life: what it guards runs in it or not at all.
import { expect, it } from "vitest";
import { ProcessLife } from "./process-life.ts";
import { VirtualTime } from "./virtual-time.ts";

function createLife() {
  const time = new VirtualTime();
  const life = new ProcessLife(time);
  const seen: string[] = [];
  const note = life.guard((what: string) => {
    seen.push(`${what} at ${time.nowMs}`);
  });
  const runAll = () => {
    while (time.step());
  };
  return { time, life, seen, note, runAll };
}

it("runs a callback at once while the process lives", () => {
  const { seen, note } = createLife();
  note("a");
  expect(seen).toEqual(["a at 0"]);
});

it("runs nothing in a dead process, whether it came before or after the death", () => {
  const { life, seen, note, runAll } = createLife();
  life.pause();
  note("before");
  life.resume();
  life.end();
  note("after");
  runAll();
  expect(seen).toEqual([]);
  expect(life.alive).toBe(false);
  expect(life.paused).toBe(false);
});

it("keeps what comes in a pause, and runs it in order when the process goes on", () => {
  const { time, life, seen, note, runAll } = createLife();
  life.pause();
  for (const [what, delayMs] of [
    ["b", 2],
    ["a", 1],
    ["d", 20],
  ] as const) {
    time.at(delayMs, () => note(what));
  }
  time.at(10, () => {
    life.resume();
    // It came after the others, which have not had their turns yet.
    note("c");
    expect(seen).toEqual([]);
  });
  runAll();
  expect(seen).toEqual(["a at 10", "b at 10", "c at 10", "d at 20"]);
});

it("stands still again in the middle of catching up", () => {
  const { time, life, seen, note, runAll } = createLife();
  life.pause();
  note("a");
  life.guard(() => life.pause())();
  note("b");
  note("c");
  life.resume();
  runAll();
  expect(seen).toEqual(["a at 0"]);
  time.at(5, () => life.resume());
  runAll();
  expect(seen).toEqual(["a at 0", "b at 5", "c at 5"]);
});

it("runs each once when it is resumed, paused and resumed in one moment", () => {
  const { life, seen, note, runAll } = createLife();
  life.pause();
  note("a");
  note("b");
  life.resume();
  life.pause();
  life.resume();
  life.resume();
  runAll();
  expect(seen).toEqual(["a at 0", "b at 0"]);
});

it("dies in the middle of catching up", () => {
  const { life, seen, note, runAll } = createLife();
  life.pause();
  note("a");
  life.guard(() => life.end())();
  note("b");
  life.resume();
  runAll();
  expect(seen).toEqual(["a at 0"]);
});

it("goes on catching up behind a callback that throws", () => {
  const { time, life, seen, note, runAll } = createLife();
  life.pause();
  life.guard(() => {
    throw new Error("a bug");
  })();
  note("a");
  life.resume();
  expect(() => time.step()).toThrow("a bug");
  runAll();
  expect(seen).toEqual(["a at 0"]);
});
