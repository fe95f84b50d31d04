// Command ids.
import { expect, test } from "vitest";
import { CommandIds, commandIdText, parseCommandId } from "./ids.ts";
import { ManualClock, seededRandom } from "./manual-clock.test-support.ts";

test("ids are UUIDs of version 7 and all different", () => {
  const ids = new CommandIds(new ManualClock(), seededRandom(5));
  const texts = Array.from({ length: 2_000 }, () => commandIdText(ids.next()));
  expect(new Set(texts).size).toBe(2_000);
  for (const text of texts) expect(text).toMatch(/^[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
});

test("ids begin with the time, so that later ones sort later", () => {
  const clock = new ManualClock();
  const ids = new CommandIds(clock, seededRandom(5));
  const early = commandIdText(ids.next());
  clock.nowMs += 5;
  expect(commandIdText(ids.next()) > early).toBe(true);
  expect(Number.parseInt(early.slice(0, 12), 16)).toBe(1_700_000_001_000);
});

test("an id survives its text, and other texts are none", () => {
  const id = new CommandIds(new ManualClock(), seededRandom(9)).next();
  expect(parseCommandId(commandIdText(id))).toEqual(id);
  for (const text of ["", "0", "0".repeat(31), "0".repeat(33), "G".repeat(32), "A".repeat(32)]) {
    expect(parseCommandId(text)).toBeUndefined();
  }
});
