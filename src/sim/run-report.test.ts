// The sums of many runs, and the names of what was never reached.
import { expect, it } from "vitest";
import { RunReport } from "./run-report.ts";
import { runResult } from "./run-result.test-support.ts";

it("adds up runs and names what was never reached", () => {
  const report = new RunReport();
  report.add(runResult(), 30_000);
  report.add(runResult({ verdict: "liveness", faults: { kill: 1, pause: 4 } }), 30_000);
  report.addDead(60_000);
  const figures = report.figures();
  expect(figures).toMatchObject({
    runs: 3,
    verdicts: { passed: 1, liveness: 1, crash: 1, safety: 0 },
    simulatedHours: 2,
    hoursPerMinute: 1,
    operations: 20,
    acknowledged: 10,
    faults: { kill: 3, pause: 4 },
  });
  expect(figures.crashPoints["after-append"]).toBe(2);
  expect(figures.crashPointsNeverReached).toContain("before-vote-save");
  expect(figures.crashPointsNeverReached).not.toContain("after-append");
  expect(figures.commandsNeverApplied).toContain("leaveRoom");
  expect(figures.commandsNeverApplied).not.toContain("sendMessage");
  const text = report.lines().join("\n");
  expect(text).toContain("faults: kill 3, pause 4");
  expect(text).toMatch(/crash points never reached: before-vote-save, /);
  expect(text).toMatch(/commands never applied: .*leaveRoom/);
});
