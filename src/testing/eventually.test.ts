// That waiting ends with the condition, and with an error that says what was waited for.
import { expect, test } from "vitest";
import { eventually } from "./eventually.ts";

test("answers with what the condition answers, as soon as there is something", async () => {
  let calls = 0;
  const answer = await eventually("the third call", () => {
    calls += 1;
    return calls === 3 ? "there" : undefined;
  });
  expect(answer).toBe("there");
  expect(calls).toBe(3);
});

test("fails with what was waited for", async () => {
  const waiting = eventually("the moon", () => false, { timeoutMs: 5 });
  await expect(waiting).rejects.toThrow("waited 5 ms for the moon");
});

test("passes on an error of the condition", async () => {
  const waiting = eventually("anything", () => {
    throw new Error("broken");
  });
  await expect(waiting).rejects.toThrow("broken");
});
