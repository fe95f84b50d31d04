// Each rule of tidy on a project of a few lines: that it fires where it should, and only there.
import { describe, expect, test } from "vitest";
import { tidy } from "./tidy.ts";

const node = { compilerOptions: { types: ["node"] } };

function floor(config: object, ...references: string[]): string {
  return JSON.stringify({
    ...config,
    references: references.map((name) => ({ path: `../${name}` })),
  });
}

/** Floors as in the project: base and io and chat are pure, host and gateways are not. */
const floors: Readonly<Record<string, string>> = {
  "src/base/tsconfig.json": floor({}),
  "src/io/tsconfig.json": floor({}, "base"),
  "src/storage/tsconfig.json": floor({}, "base", "io"),
  "src/host/tsconfig.json": floor(node, "base", "io"),
  "src/chat/tsconfig.json": floor({}, "base", "io"),
  "src/gateways/tsconfig.json": floor(node, "base", "io", "chat"),
  "src/server/tsconfig.json": floor(node, "base", "gateways"),
  "tsconfig.json": JSON.stringify({
    references: ["base", "io", "storage", "host", "chat", "gateways", "server"].map((name) => ({
      path: `./src/${name}`,
    })),
  }),
};

const sections = ["Purpose", "Start here", "Invariants", "Why it is so", "Not here"];
const readme = sections.map((section) => `## ${section}\n`).join("\n");
const readmes = { "src/chat/README.md": readme, "src/storage/README.md": readme };

/** What is found in these files, as "path:line: the first words of the message". */
function check(files: Readonly<Record<string, string>>): string[] {
  const texts = new Map(Object.entries({ ...floors, ...readmes, ...files }));
  return tidy(texts).map(({ path, line, message }) => `${path}:${line}: ${message}`);
}

/** One source file with a header, its code from line 2 on; the messages without the path. */
function checkCode(path: string, ...code: string[]): string[] {
  const found = check({ [path]: ["// What it is for.", ...code, ""].join("\n") });
  return found.map((problem) => problem.replace(`${path}:`, ""));
}

test("a project that keeps the rules has no problems", () => {
  expect(check({})).toEqual([]);
  expect(
    checkCode(
      "src/gateways/hub.ts",
      'import { assert } from "../base/assert.ts";',
      'import type { Clock } from "../io/clock.ts";',
      'import { Chat } from "../chat/index.ts";',
      'import { other } from "./other.ts";',
      "/** When it is. */",
      "export const now = () => Date.now();",
    ),
  ).toEqual([]);
});

describe("imports", () => {
  test.each([
    [
      "a floor that is only referenced by way of another",
      "../chat/index.ts",
      "server may not import chat",
    ],
    ["a floor that is higher", "../host/index.ts", "server may not import host"],
    [
      "a file behind a door",
      "../gateways/hub.ts",
      "src/gateways/hub.ts is behind a door: import it from src/gateways/index.ts",
    ],
    ["a file without its ending", "./nearest", '"./nearest" has no ending'],
    ["what is not in src", "../../tools/steps.ts", '"../../tools/steps.ts" is outside of src'],
    ["the floor's own door", "./index.ts", "a floor does not use its own door"],
  ])("of %s are found", (_what, specifier, message) => {
    for (const form of [`import { a } from "${specifier}";`, `export * from "${specifier}";`]) {
      expect(checkCode("src/server/server.ts", form)).toEqual([expect.stringContaining(message)]);
    }
    const dynamic = `const a = await import("${specifier}");`;
    expect(checkCode("src/server/server.ts", dynamic)).toHaveLength(1);
  });

  test("in a text or a comment are none", () => {
    const code = ['const a = "import x from ../host/y.ts";', '// from "../host/index.ts"'];
    expect(checkCode("src/server/server.ts", ...code)).toEqual([]);
  });

  test("of node: are found in pure floors, not in their tests, nor on the host", () => {
    const code = ['import { readFileSync } from "node:fs";', 'import { a } from "./a.ts";'];
    expect(checkCode("src/chat/a.ts", ...code)).toEqual([
      '2: "node:fs" in a pure floor: use a port of src/io, which src/host fulfils',
    ]);
    expect(checkCode("src/chat/a.test.ts", ...code)).toEqual([]);
    expect(checkCode("src/host/a.ts", ...code)).toEqual([]);
  });

  test("of tests may name any floor, but only by its door or its contract", () => {
    const path = "src/host/disk.test.ts";
    const beside = 'import { a } from "./disk.ts";';
    const door = 'import { b } from "../storage/index.ts";';
    const contract = 'import { c } from "../storage/storage.contract.ts";';
    expect(checkCode(path, beside, door, contract)).toEqual([]);
    expect(checkCode(path, beside, 'import { d } from "../storage/record.ts";')).toEqual([
      expect.stringContaining("behind a door"),
    ]);
  });

  test("of the end-to-end tests reach the client and the simulator's door only", () => {
    const code = 'import { Chat } from "../src/chat/index.ts";';
    expect(checkCode("e2e/cluster.ts", code)).toEqual([
      "2: e2e does not look into chat: start ./holdfast, or use src/client",
    ]);
    const door = 'import { Workload } from "../../src/sim/index.ts";';
    expect(checkCode("e2e/faults/run.ts", door)).toEqual([]);
    expect(checkCode("e2e/faults/run.ts", 'import { Town } from "../../src/sim/town.ts";')).toEqual(
      [expect.stringContaining("behind a door")],
    );
  });
});

describe("determinism", () => {
  test.each([
    ["new Date()", "src/io/clock.ts"],
    ["Date.now()", "src/io/clock.ts"],
    ["Math.random()", "src/base/random.ts"],
    ["performance.now()", "Clock.monotonicMs"],
    ["crypto.randomUUID()", "random bytes as an argument"],
    ["(5).toLocaleString()", "locale"],
    ['"a".localeCompare("b")', "compare with < and >"],
    ["new Intl.Collator()", "locale"],
  ])("%s is found in a pure floor and names its replacement", (code, message) => {
    expect(checkCode("src/chat/a.ts", `const a = ${code};`)).toEqual([
      expect.stringContaining(message),
    ]);
    expect(checkCode("src/host/a.ts", `const a = ${code};`)).toEqual([]);
  });

  test("words that only look like it are none", () => {
    const code = ["// Date.now() is not used here.", 'const a = "Math.random()";'];
    expect(checkCode("src/chat/a.ts", ...code, "const b = entry.Date + updateDate;")).toEqual([]);
  });

  test.each([
    "INSERT INTO a VALUES (random())",
    "INSERT INTO a VALUES (randomblob(8))",
    "UPDATE a SET b = CURRENT_TIMESTAMP",
    "UPDATE a SET b = datetime('now')",
    "UPDATE a SET b = strftime('%s', 'now')",
    "UPDATE a SET b = unixepoch()",
  ])("%s is found", (sql) => {
    expect(checkCode("src/chat/a.ts", `const sql = "${sql}";`)).toEqual([
      expect.stringContaining("as a parameter"),
    ]);
  });

  test.each([
    ["SELECT a FROM b WHERE c = ?", 1],
    ["SELECT a, count(*) FROM b GROUP BY a", 1],
    ["SELECT count(*) FROM b GROUP BY a", 1],
    ["SELECT a FROM b ORDER BY a LIMIT 1", 0],
    ["SELECT count(*) FROM b", 0],
    ["SELECT EXISTS (SELECT 1 FROM b)", 0],
    ["INSERT INTO a SELECT b FROM c", 1],
    ["DELETE FROM a WHERE b = ?", 0],
    ["SELECT one from the list, please", 1],
    ["Please SELECT one", 0],
  ])("a SELECT without ORDER BY is found in chat: %s", (sql, count) => {
    expect(checkCode("src/chat/a.ts", `const sql = "${sql}";`)).toHaveLength(count);
    expect(checkCode("src/storage/a.ts", `const sql = "${sql}";`)).toEqual([]);
  });

  test("an ORDER BY after a hole of a template counts", () => {
    const sql = ["const sql = `SELECT $", "{columns} FROM a", "  ORDER BY b`;"];
    expect(checkCode("src/chat/a.ts", sql.join(""))).toEqual([]);
  });
});

describe("the shape of files", () => {
  test("a line of more than 100 columns is found; a link and a test's title are not", () => {
    const long = `const a = "${"é".repeat(100)}";`;
    expect(checkCode("src/host/a.ts", long)).toEqual(["2: 113 columns: break the line at 100"]);
    expect(checkCode("src/host/a.ts", `const a = "${"é".repeat(87)}";`)).toEqual([]);
    expect(checkCode("src/host/a.ts", `// https://example.org/${"a".repeat(90)}`)).toEqual([]);
    const title = `test("${"a".repeat(100)}", () => {});`;
    expect(checkCode("src/host/a.test.ts", 'import "./a.ts";', title)).toEqual([]);
  });

  test("a file of more than 500 lines is found", () => {
    const lines = Array.from({ length: 500 }, () => "f();");
    expect(checkCode("src/host/a.ts", ...lines)).toEqual([
      expect.stringContaining("501: 501 lines, at most 500 are allowed: find the two things"),
    ]);
    expect(checkCode("src/host/a.ts", ...lines.slice(1))).toEqual([]);
  });

  test.each([
    ["src/host/hostDisk.ts", "kebab-case"],
    ["src/host/Disk.ts", "kebab-case"],
    ["src/host/disk-utils.ts", '"utils" says nothing'],
    ["src/host/common/disk.ts", '"common" says nothing'],
    ["src/host/disk-manager.ts", '"manager" says nothing'],
  ])("the name %s is found", (path, message) => {
    expect(checkCode(path, "f();")).toEqual([expect.stringContaining(message)]);
  });

  test("a test that neither is named after nor imports a file of its folder is found", () => {
    const path = "src/host/a.test.ts";
    const header = "// What it is for.\n";
    expect(check({ [path]: header, "src/host/a.ts": header })).toEqual([]);
    expect(checkCode(path, 'import { a } from "../base/a.ts";')).toEqual([
      expect.stringContaining("tests nothing in its folder"),
    ]);
    expect(checkCode(path, 'const url = new URL("./testdata/", import.meta.url);')).toEqual([]);
  });

  test("a missing and an endless opening comment are found", () => {
    expect(check({ "src/host/a.ts": "f();\n" })).toEqual([
      expect.stringContaining("no opening comment"),
    ]);
    expect(check({ "src/host/a.ts": "// a\n".repeat(7) })).toEqual([
      expect.stringContaining("opening comment of 7 lines"),
    ]);
    expect(check({ "src/host/a.ts": "#!/usr/bin/env node\n// a\nf();\n" })).toEqual([]);
  });

  test.each([
    "export function a() {}",
    "export async function a() {}",
    "export class a {}",
    "export abstract class a {}",
    "export const a = 1;",
    "export interface a {}",
    "export type a = 1;",
  ])("%s without a doc comment is found", (code) => {
    expect(checkCode("src/host/a.ts", code)).toEqual([
      expect.stringContaining("a is exported without a doc comment"),
    ]);
    expect(checkCode("src/host/a.ts", "/** What a is. */", code)).toEqual([]);
    expect(checkCode("src/host/a.test.ts", 'import "./a.ts";', code)).toEqual([]);
  });

  test("marks of unfinished work are found in code", () => {
    const marks = ["TO" + "DO", "FIX" + "ME", "X" + "XX"];
    for (const mark of marks) {
      expect(checkCode("src/host/a.ts", `// ${mark}: later`)).toEqual([
        `2: ${mark} does not stay in the tree: do it, or open an issue`,
      ]);
    }
    expect(check({ "docs/STYLE.md": `Write no ${marks[0]}.\n` })).toEqual([]);
  });

  test("paths of one machine are found, also in documents; those of a server are not", () => {
    const path = ["", "home", "ada", "holdfast"].join("/");
    expect(check({ "docs/a.md": `cd ${path}\n` })).toEqual([
      expect.stringContaining("exists on one machine: write a relative path"),
    ]);
    expect(checkCode("src/host/a.ts", `const a = "${path}";`)).toHaveLength(1);
    expect(
      check({ "docs/a.md": "/var/lib/holdfast, ./home/x and https://a.org/home/x\n" }),
    ).toEqual([]);
  });

  test("generated files are left alone", () => {
    expect(
      check({ "src/proto/gen/a_pb.ts": `${"x".repeat(200)}\n`, "src/proto/tsconfig.json": "{}" }),
    ).toEqual([expect.stringContaining("src/proto is not built")]);
  });
});

describe("floors", () => {
  test("without a tsconfig, or not in the root tsconfig, are found", () => {
    expect(check({ "src/web/page.ts": "// A page.\n" })).toEqual([
      expect.stringContaining("src/web is not compiled"),
    ]);
    expect(check({ "src/web/tsconfig.json": floor(node) })).toEqual([
      expect.stringContaining("src/web is not built"),
    ]);
  });

  test("that newcomers begin with have a README with all its sections", () => {
    expect(check({ "src/chat/README.md": readme.replace("## Not here\n", "") })).toEqual([
      'src/chat/README.md:1: has no section "## Not here": write it, one page in all',
    ]);
  });
});
