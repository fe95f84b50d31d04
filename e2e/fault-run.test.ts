// A short run of `npm run e2e:faults`: what it does with real servers, and that its judges are
// awake.
import { expect, test } from "vitest";
import type { HistoryRecord } from "../src/sim/index.ts";
import { runFaults } from "./faults/fault-run.ts";
import { exitCodeOf, judgeHistory } from "./faults/judgement.ts";

test("R3 R4 R6 R8: kills, pauses and bad links under the simulator's workload", async () => {
  const startedAtMs = Date.now();
  const lines: string[] = [];
  const { report, history } = await runFaults({
    seed: 43,
    runMs: 12_000,
    servers: 3,
    faults: ["kill", "pause", "link-cut", "link-stall-one-way", "link-loss", "client-reset"],
    say: (line) => lines.push(line),
  });
  expect(report.violations, lines.join("\n")).toEqual([]);
  expect(exitCodeOf(report.violations)).toBe(0);
  expect(report.couldNotDo).toEqual([]);
  for (const fault of ["kill", "pause", "link-cut", "link-stall-one-way", "link-loss"] as const) {
    expect(report.faults[fault], fault).toBeGreaterThan(0);
  }
  expect(report.acknowledged).toBeGreaterThan(50);
  expect(report.deliveries).toBeGreaterThan(20);

  // The same history with one item missing, doubled or misdated on one server: each is found.
  const run = { startedAtMs, endedAtMs: Date.now() };
  expect(judgeHistory(history, run)).toEqual([]);
  for (const forged of forge(history)) {
    const found = judgeHistory(forged, run);
    expect(exitCodeOf(found)).toBe(129);
  }
});

/** Histories in which the last server's longest timeline is wrong in one place. */
function forge(history: readonly HistoryRecord[]): HistoryRecord[][] {
  const timelines = history.filter((record) => record.kind === "finalTimeline");
  const [longest] = timelines.toSorted((a, b) => b.items.length - a.items.length);
  if (longest === undefined) throw new Error("no timeline was read");
  const { items } = longest;
  const last = items.at(-1)!;
  const forgeries = [
    items.slice(0, -1),
    [...items, last],
    [...items.slice(0, -1), { ...last, timestampMs: last.timestampMs + 86_400_000 }],
  ];
  return forgeries.map((forged) =>
    history.map((record) => (record === longest ? { ...longest, items: forged } : record)),
  );
}
