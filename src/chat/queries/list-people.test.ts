// listPeople: wildcards, pages, and characters that mean something to SQL (C1).
import { describe, expect, it } from "vitest";
import { isRejection } from "../rejections.ts";
import { codeOf, register, TestChat } from "../test-chat.test-support.ts";

const names = ["ada", "adam", "a.d", "a-d", "a_d", "bob", "bobby", "eve", "0x"];

function testChat(): TestChat {
  const test = new TestChat();
  for (const name of names) test.accept(register(name));
  return test;
}

function list(test: TestChat, pattern: string, page = { afterUsername: "", limit: 0 }) {
  const answer = test.chat.listPeople({ pattern, ...page });
  if (isRejection(answer)) throw new Error(answer.message);
  return { names: answer.items.map(({ username }) => username), more: answer.more };
}

describe("listPeople", () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ["", ["0x", "a-d", "a.d", "a_d", "ada", "adam", "bob", "bobby", "eve"]],
    ["*", ["0x", "a-d", "a.d", "a_d", "ada", "adam", "bob", "bobby", "eve"]],
    ["ada", ["ada"]],
    ["ADA", ["ada"]],
    ["ada*", ["ada", "adam"]],
    ["a?d", ["a-d", "a.d", "a_d"]],
    ["a.d", ["a.d"]],
    ["a_d", ["a_d"]],
    ["*b*", ["bob", "bobby"]],
    ["*bb?", ["bobby"]],
    ["???", ["a-d", "a.d", "a_d", "ada", "bob", "eve"]],
    ["?", []],
    ["%", []],
    ["a%", []],
    ["[ab]*", []],
    ["[a-z]ob", []],
    ["*[ab]*", []],
    ["?[d]?", []],
    ["*[^x]", []],
    ["a[", []],
    ["]", []],
    ["[", []],
    ["ada' OR 1=1 --", []],
    ["\u212aelvin", []],
    [`${"*a".repeat(31)}*`, []],
  ];
  for (const [pattern, expected] of cases) {
    it(`C1, AC8 ${JSON.stringify(pattern)} finds ${expected.length}`, () => {
      expect(list(testChat(), pattern)).toEqual({ names: expected, more: false });
    });
  }

  it("AC8 pages follow each other without a gap or a double, and the last one says so", () => {
    const test = testChat();
    const seen: string[] = [];
    const mores: boolean[] = [];
    for (let afterUsername = ""; ; ) {
      const page = list(test, "*", { afterUsername, limit: 4 });
      seen.push(...page.names);
      mores.push(page.more);
      afterUsername = page.names.at(-1) ?? "";
      if (!page.more) break;
    }
    expect(seen).toEqual([...names].sort());
    expect(mores).toEqual([true, true, false]);
  });

  it("AC8 a pattern of many stars costs no more than one of few", () => {
    const test = new TestChat();
    for (let i = 0; i < 50; i++) test.accept(register(`a${"a".repeat(28)}${100 + i}`));
    // A matcher that tries every way would take 32 over 30 steps a name: years.
    expect(list(test, `${"*a".repeat(29)}*x*`)).toEqual({ names: [], more: false });
  });

  it("S6, AC8 refuses a bad pattern or limit", () => {
    const test = testChat();
    const ask = (pattern: string, limit: number) =>
      codeOf(test.chat.listPeople({ pattern, afterUsername: "", limit }));
    expect(ask("x".repeat(65), 1)).toBe("INVALID_ARGUMENT");
    expect(ask("a\u0000*", 1)).toBe("INVALID_ARGUMENT");
    expect(ask("\ud800", 1)).toBe("INVALID_ARGUMENT");
    expect(ask("*", -1)).toBe("INVALID_ARGUMENT");
    expect(ask("*", 201)).toBe("TOO_LARGE");
    expect(ask("*", 200)).toBe("none");
  });

  it("AC9 credentials and people are found in any case, or not at all", () => {
    const test = testChat();
    expect(test.chat.credentials("ADA")).toMatchObject({ userId: 1, username: "ada" });
    for (const name of ["", "nobody", "ada ", "\u212aelvin", "' OR 1=1"]) {
      expect(test.chat.credentials(name)).toBeUndefined();
    }
    expect([0, 1, 99].map((id) => test.chat.person(id)?.username)).toEqual([
      undefined,
      "ada",
      undefined,
    ]);
  });
});
