// What a leader believes of one follower when its connection breaks.
import { expect, it } from "vitest";
import { Progress } from "./progress.ts";

const limits = { appendsInFlightMax: 4, activeTicksMax: 10 };

it("a follower lost before its first answer is asked again where it was", () => {
  const progress = new Progress(100, limits);
  progress.sentAppend(99, 0);
  progress.unreachable();
  expect(progress).toMatchObject({ state: "probe", nextIndex: 100, isPaused: false });
});

it("a follower lost while it kept up is asked again after what it is known to hold", () => {
  const progress = new Progress(100, limits);
  progress.accepted(99);
  progress.becomeReplicate();
  progress.sentAppend(120, 10);
  progress.unreachable();
  expect(progress).toMatchObject({ state: "probe", nextIndex: 100, inFlightCount: 0 });
});
