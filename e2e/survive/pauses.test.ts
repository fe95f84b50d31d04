// What counts as a pause.
import { expect, test } from "vitest";
import { type Answer, longestPauseMs } from "./pauses.ts";

/** Acknowledged every 20 ms from 0 until an event at 1,000, two ms after sending. */
const calm: Answer[] = Array.from({ length: 51 }, (_, i) => ({
  sentMs: 20 * i - 2,
  ackedMs: 20 * i,
}));
const window = { fromMs: 1_000, toMs: 2_000 };

test("a sender that stood still paused from its last answer to its next one, less the gap", () => {
  const answers = [...calm, { sentMs: 1_018, ackedMs: 1_320 }, { sentMs: 1_038, ackedMs: 1_320 }];
  expect(longestPauseMs(answers, window)).toBe(300);
});

test("a sender that is answered as evenly as before has no pause", () => {
  const answers = [...calm, { sentMs: 1_018, ackedMs: 1_020 }, { sentMs: 1_038, ackedMs: 1_040 }];
  expect(longestPauseMs(answers, window)).toBe(0);
});

test("a pause before the event does not count", () => {
  const early = calm.filter(({ ackedMs }) => ackedMs < 200 || ackedMs > 800);
  const answers = [...early, { sentMs: 1_018, ackedMs: 1_020 }];
  expect(longestPauseMs(answers, window)).toBe(0);
});

test("a sender that is never answered again waits until the end", () => {
  expect(longestPauseMs(calm, window, 1_018)).toBe(980);
});

test("a sender that has nothing to send does not wait, and one that begins again only then", () => {
  expect(longestPauseMs(calm, window)).toBe(0);
  expect(longestPauseMs([...calm, { sentMs: 1_900, ackedMs: 1_950 }], window)).toBe(30);
});
