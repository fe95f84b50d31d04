// That comments and strings are told from code, since every rule of tidy rests on it.
import { expect, test } from "vitest";
import { readSource } from "./source-text.ts";

/** A hole of a template, put together so that it is none here. */
const hole = (code: string) => ["$", "{", code, "}"].join("");

test.each([
  ["a line comment", "a; // Date\nb;", "a; \nb;"],
  ["a comment of lines", "a; /* x\ny */ b;", "a; \n b;"],
  ["strings with quotes in them", `f("a\\"b", 'c"d');`, "f( , );"],
  ["a regular expression with a slash in a class", 'x = /[/"]/g;', "x = g;"],
  ["a regular expression after return", "return /a'/;", "return ;"],
  ["a division", "a = b / c / d; // e", "a = b / c / d; "],
  ["a division after a parenthesis", "(a + b) / c; 'x'", "(a + b) / c; "],
  ["a template with code in it", `\`a ${hole("f({ b: `c` })")} d\` + e`, " f({ b: }) + e"],
])("blanks %s and keeps the code", (_what, source, expected) => {
  const { code } = readSource(source);
  expect(code).toHaveLength(source.length);
  expect(code.replace(/ +/g, " ")).toBe(expected);
});

test("gives each string with its line, the code before it, and whether it goes on a template", () => {
  const { strings } = readSource(`import a from "./a.ts";\n\nb = \`x${hole("a")}y\`;\n`);
  expect(strings).toEqual([
    { text: "./a.ts", line: 1, before: "import a from ", isContinued: false },
    expect.objectContaining({ text: "x", line: 3, isContinued: false }),
    expect.objectContaining({ text: "y", line: 3, isContinued: true }),
  ]);
});

test("keeps every line where it was", () => {
  const source = `\`a\n${hole("1")}\nb\`;\n// c\n/*\n*/ 'd'\n`;
  const { code, strings } = readSource(source);
  expect(code.split("\n")).toHaveLength(source.split("\n").length);
  expect(strings.map(({ line }) => line)).toEqual([1, 2, 6]);
});
