// The form of names, bodies, ids, patterns and pages: what is just allowed and what is just not.
import { describe, expect, it } from "vitest";
import { codeOf } from "./test-chat.test-support.ts";
import {
  checkBody,
  checkCommandId,
  checkDevice,
  checkDisplayName,
  checkPassword,
  checkPasswordHash,
  checkPattern,
  checkRoomName,
  pageLimit,
  parseUsername,
  toLowerAscii,
} from "./validation.ts";

const good = "none";
const bad = "INVALID_ARGUMENT";
const large = "TOO_LARGE";

function check(judge: (text: string) => unknown, cases: readonly (readonly [string, string])[]) {
  for (const [text, expected] of cases) {
    const shown = `${JSON.stringify(text.slice(0, 40))} (${text.length})`;
    it(`${shown} is ${expected}`, () => {
      expect(codeOf(judge(text))).toBe(expected);
    });
  }
}

describe("AC3 a username", () => {
  check(parseUsername, [
    ["a", good],
    ["0", good],
    ["ada.lovelace_2-x", good],
    ["ADA", good],
    ["a".repeat(32), good],
    ["", bad],
    ["a".repeat(33), bad],
    [".ada", bad],
    ["_ada", bad],
    ["-ada", bad],
    ["@ada", bad],
    ["ada lovelace", bad],
    ["ada\n", bad],
    ["ada\u0000", bad],
    ["adä", bad],
    // The Kelvin sign, whose lower case is k, and the long s, whose upper case is S.
    ["\u212a", bad],
    ["\u017f", bad],
  ]);
  it("is stored in lower case", () => {
    expect(parseUsername("Ada.L")).toBe("ada.l");
  });
});

describe("RM2 a room name", () => {
  check(checkRoomName, [
    ["a", good],
    ["ops-2.eu_west", good],
    ["a".repeat(64), good],
    ["a".repeat(65), bad],
    ["", bad],
    ["Ops", bad],
    ["@ops", bad],
    ["#ops", bad],
    ["ops\n", bad],
    ["öps", bad],
  ]);
});

describe("AC5, SE3 a display or device name", () => {
  const cases = [
    ["", good],
    ["Ada Lovelace 🦑 ünï", good],
    ["🦑".repeat(64), good],
    ["🦑".repeat(65), bad],
    ["x".repeat(65), bad],
    ["x".repeat(1_000_000), bad],
    ["a\nb", bad],
    ["a\tb", bad],
    ["\u007f", bad],
    ["\u0085", bad],
    ["\ud800", bad],
    ["\udc00 ", bad],
  ] as const;
  check(checkDisplayName, cases);
  check(checkDevice, cases);
});

describe("a password", () => {
  check(checkPassword, [
    ["12345678", good],
    ["🦑".repeat(8), good],
    ["🦑".repeat(256), good],
    ["1234567", bad],
    ["🦑".repeat(7), bad],
    ["", bad],
    ["x".repeat(257), bad],
    ["1234567\ud800", bad],
  ]);
});

describe("AC6 a password hash", () => {
  check(checkPasswordHash, [
    ["$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA", good],
    ["", bad],
    ["correct horse battery staple", bad],
    ["$argon2i$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA", bad],
    ["$argon2id$with space", bad],
    [`$argon2id$${"x".repeat(512)}`, bad],
  ]);
});

describe("MS5 a body", () => {
  check(checkBody, [
    ["x", good],
    [" ", good],
    ["two\nlines\tand a tab", good],
    ["🦑", good],
    ["\u00a0", good],
    ["x".repeat(16_384), good],
    ["ü".repeat(8_192), good],
    ["€".repeat(5_461), good],
    ["🦑".repeat(4_096), good],
    ["", bad],
    ["x".repeat(16_385), large],
    [`${"ü".repeat(8_192)}x`, large],
    ["€".repeat(5_462), large],
    [`${"🦑".repeat(4_096)}x`, large],
    ["\r\n", bad],
    ["\u0000", bad],
    ["\u001b[31m", bad],
    ["\u007f", bad],
    ["\u0080", bad],
    ["\u009f", bad],
    ["\ud83e", bad],
    ["\udd91\ud83e", bad],
  ]);
});

describe("AC8 a pattern", () => {
  check(checkPattern, [
    ["", good],
    ["a*[?]", good],
    ["x".repeat(64), good],
    ["x".repeat(65), bad],
    ["a\u0000", bad],
    ["\ud800", bad],
  ]);
});

describe("ID1 a command id", () => {
  for (const length of [0, 15, 17, 1_000]) {
    it(`of ${length} bytes is refused`, () => {
      expect(codeOf(checkCommandId(new Uint8Array(length)))).toBe(bad);
    });
  }
  it("of 16 bytes is good", () => {
    expect(checkCommandId(new Uint8Array(16))).toBeUndefined();
  });
});

describe("RM10 a page limit", () => {
  const page = { default: 20, max: 500 };
  it("is the default when it is 0, and itself up to the maximum", () => {
    expect([0, 1, 500].map((limit) => pageLimit(limit, page))).toEqual([20, 1, 500]);
  });
  it("is refused above the maximum with the maximum in the sentence", () => {
    expect(pageLimit(501, page)).toMatchObject({ kind: "rejected" });
    expect(codeOf(pageLimit(501, page))).toBe(large);
    expect(JSON.stringify(pageLimit(501, page))).toContain("500");
  });
  for (const limit of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    it(`of ${limit} is refused`, () => {
      expect(codeOf(pageLimit(limit, page))).toBe(bad);
    });
  }
});

describe("toLowerAscii", () => {
  it("leaves letters beyond ASCII alone", () => {
    expect(toLowerAscii("ÄB\u212aC")).toBe("Äb\u212ac");
  });
});
