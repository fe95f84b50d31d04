// Where the operator token is found.
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createTemporaryFolder } from "../testing/index.ts";
import { findOperatorToken } from "./operator-options.ts";

function createData(...servers: readonly string[]): string {
  const { path, remove } = createTemporaryFolder();
  onTestFinished(remove);
  for (const server of servers) {
    mkdirSync(join(path, server), { recursive: true });
    writeFileSync(join(path, server, "operator-token"), `hfop_of_${server || "this"}\n`);
  }
  return path;
}

test("as given goes before the environment, that before the data folder", () => {
  const data = createData("");
  const environment = { HOLDFAST_OPERATOR_TOKEN: "hfop_env", HOLDFAST_DATA: data };
  expect(findOperatorToken({ operatorToken: "hfop_given" }, environment)).toBe("hfop_given");
  expect(findOperatorToken({}, environment)).toBe("hfop_env");
  expect(findOperatorToken({}, { HOLDFAST_DATA: data })).toBe("hfop_of_this");
  expect(findOperatorToken({ data: createData("2") }, { HOLDFAST_DATA: data })).toBe("hfop_of_2");
});

test("of several servers under one folder the first is taken", () => {
  expect(findOperatorToken({ data: createData("3", "9") }, {})).toBe("hfop_of_3");
  expect(findOperatorToken({ data: createData("", "1") }, {})).toBe("hfop_of_this");
});

test("where there is none, the sentence says where it is found", () => {
  const data = createData();
  expect(() => findOperatorToken({ data }, {})).toThrow(
    `there is no operator token in ${data}; each server keeps it in the file \`operator-token\``,
  );
});

test.skipIf(process.getuid?.() === 0)("one that may not be read is told of", () => {
  const data = createData("1");
  chmodSync(join(data, "1", "operator-token"), 0);
  expect(() => findOperatorToken({ data }, {})).toThrow("cannot be read");
});
