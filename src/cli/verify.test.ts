// What comparing the servers' digests comes to.
import { expect, test } from "vitest";
import { judge } from "./verify.ts";

const of = (...digests: readonly (string | undefined)[]) =>
  digests.map((digest, i) => ({ replicaId: i + 1, digest }));

test("S5: servers are equal where all have answered and are the same", () => {
  expect(judge(of("aa", "aa", "aa"))).toEqual({
    equal: true,
    sentence: "All 3 servers have the same state.",
  });
});

test("S5: one that differs, or could not be asked, is no success", () => {
  expect(judge(of("aa", "bb", "aa"))).toMatchObject({ equal: false });
  expect(judge(of("aa", "bb", undefined)).sentence).toContain("differ");
  expect(judge(of("aa", undefined, "aa"))).toEqual({
    equal: false,
    sentence: "2 of 3 servers have the same state; server 2 could not be compared.",
  });
  expect(judge(of(undefined)).equal).toBe(false);
  expect(judge([]).equal).toBe(false);
});
