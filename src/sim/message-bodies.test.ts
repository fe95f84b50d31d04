// Bodies are unique, within the limit up to its last byte, and those that should be refused are.
import { expect, test } from "vitest";
import { Random } from "../base/random.ts";
import { bodyBytesMax, checkBody } from "../chat/index.ts";
import { drawBody, drawRefusedBody } from "./message-bodies.ts";
import { bodyBytesMax as triedBytesMax } from "./workload-limits.ts";

test("every body is allowed and unique, and some have exactly the bytes that are allowed", () => {
  const random = new Random(1);
  const bodies = Array.from({ length: 2_000 }, (_, i) =>
    drawBody(random, `p1-1#${i}`, { bodyBytes: 100, largeBodyShare: 0.1 }),
  );
  for (const [i, body] of bodies.entries()) {
    expect(checkBody(body)).toBeUndefined();
    expect(body.startsWith(`p1-1#${i}`)).toBe(true);
  }
  expect(new Set(bodies).size).toBe(bodies.length);
  expect(bodies.some((body) => Buffer.byteLength(body) === bodyBytesMax)).toBe(true);
  expect(triedBytesMax).toBe(bodyBytesMax);
});

test("every body that should be refused is, in each of its ways", () => {
  const random = new Random(2);
  const codes = new Set<number>();
  for (let i = 0; i < 100; i++) {
    const rejection = checkBody(drawRefusedBody(random, `p1-1#${i}`));
    expect(rejection).toBeDefined();
    if (rejection !== undefined) codes.add(rejection.code);
  }
  expect(codes.size).toBe(2);
});
