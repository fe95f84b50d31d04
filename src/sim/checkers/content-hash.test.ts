// That the hash repeats, and tells things apart.
import { describe, expect, it } from "vitest";
import { Random } from "../../base/random.ts";
import { ContentHash } from "./content-hash.ts";

describe("ContentHash", () => {
  const hash = new ContentHash();

  it("gives the same for the same, whatever was hashed before", () => {
    const once = hash
      .reset(5)
      .text("abc")
      .number(2 ** 40)
      .bytes(Uint8Array.of(1, 2, 3))
      .value();
    hash.reset().text("other").value();
    const again = hash
      .reset(5)
      .text("abc")
      .number(2 ** 40)
      .bytes(Uint8Array.of(1, 2, 3))
      .value();
    expect(again).toBe(once);
    expect(Number.isSafeInteger(once) && once >= 0).toBe(true);
  });

  it("tells apart a hundred thousand near values, and where one part ends", () => {
    const seen = new Set<number>();
    for (let at = 0; at < 50_000; at++) seen.add(hash.reset().number(at).value());
    for (let at = 1; at <= 50_000; at++) seen.add(hash.reset(at * 2 ** 32).value());
    expect(seen.size).toBe(100_000);
    const split = hash.reset().text("ab").text("c").value();
    expect(hash.reset().text("a").text("bc").value()).not.toBe(split);
  });

  it("sees every single bit of a long text of bytes", () => {
    const random = new Random(1);
    const bytes = Uint8Array.from({ length: 67 }, () => random.nextInteger(0, 256));
    const seen = new Set([hash.reset().bytes(bytes).value()]);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      seen.add(hash.reset().bytes(bytes).value());
      bytes[bit >> 3]! ^= 1 << (bit & 7);
    }
    expect(seen.size).toBe(1 + bytes.length * 8);
  });
});
