// What the scenario files mean, and that a wrong output cannot pass.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  checkDatadriven,
  type DatadrivenCommand,
  listDatadriven,
  runDatadriven,
} from "./datadriven.ts";
import { createTemporaryFolder, type TemporaryFolder } from "./temporary-folder.ts";

/** The commands of a file, as the handler sees them. */
function commandsOf(text: string): DatadrivenCommand[] {
  const commands: DatadrivenCommand[] = [];
  const handle = (command: DatadrivenCommand) => {
    commands.push(command);
    return "";
  };
  checkDatadriven({ name: "a.txt", text, handle, stopAtMismatch: false });
  return commands;
}

/** Runs a file whose commands all answer with `output`. */
function check(text: string, output: string) {
  return checkDatadriven({ name: "a.txt", text, handle: () => output, stopAtMismatch: false });
}

describe("a scenario file", () => {
  test("has commands with flags, values and lists as arguments", () => {
    const [command] = commandsOf("campaign 1 pre-vote term=3 voters=(1, 2,f(3,4)) none=()\n----\n");
    expect(command?.name).toBe("campaign");
    expect([...(command?.args ?? [])]).toEqual([
      ["1", []],
      ["pre-vote", []],
      ["term", ["3"]],
      ["voters", ["1", "2", "f(3,4)"]],
      ["none", []],
    ]);
  });

  test("goes on in the next line after a backslash", () => {
    const [command] = commandsOf("add a=1 \\\n  b=2\nin\n----\n");
    expect([...(command?.args.keys() ?? [])]).toEqual(["a", "b"]);
    expect(command?.input).toBe("in");
  });

  test("gives each command its input and its line, past comments and blank lines", () => {
    const text = "# One.\n\nfirst\none\n\n  two\n----\nx\n\n# Two.\n\n\nsecond\n----\n";
    const commands = commandsOf(text);
    expect(commands.map(({ name, input, line }) => ({ name, input, line }))).toEqual([
      { name: "first", input: "one\n\n  two", line: 3 },
      { name: "second", input: "", line: 13 },
    ]);
  });

  test.each([
    ["a command without a separator", "one\n----\n\ntwo\ninput\n", "a.txt:4"],
    ["a doubled separator that never ends", "one\n----\n----\nout\n----\n", "a.txt:1"],
    ["an argument that is given twice", "one a=1 a=2\n----\n", "a.txt:1"],
    ["parentheses that stay open", "one a=(1, 2\n----\n", "a.txt:1"],
    ["a command that is none", "?!\n----\n", "a.txt:1"],
  ])("is refused for %s", (_what, text, place) => {
    expect(() => commandsOf(text)).toThrow(place);
  });
});

describe("recorded output", () => {
  test.each([
    ["nothing", "one\n----\n", ""],
    ["one line", "one\n----\nout\n", "out"],
    ["a blank line inside", "one\n----\n----\na\n\nb\n----\n----\n", "a\n\nb\n"],
    ["a separator line first", "one\n----\n----\n----\nb\n----\n----\n", "----\nb"],
  ])("passes when it is the same: %s", (_what, text, output) => {
    expect(check(text, output)).toEqual({ commands: 1, mismatches: [], rewritten: text });
  });

  test("that differs is reported with its place and a diff", () => {
    const { mismatches } = check("\none\n----\na\nb\nc\n", "a\nB\nc\n");
    expect(mismatches).toEqual([
      'a.txt:2: output of "one" is not what was recorded\n  a\n- b\n+ B\n  c',
    ]);
  });

  test.each([
    ["is missing", "one\n----\n", "x", "+ x"],
    ["is too much", "one\n----\nx\n", "", "- x"],
    ["has other blanks", "one\n----\nx \n", "x", "- x \n+ x"],
  ])("that %s is a mismatch", (_what, text, output, diff) => {
    expect(check(text, output).mismatches.join()).toContain(diff);
  });

  test("is rewritten in the form that it needs, and nothing else is touched", () => {
    const text = "# Keep.\n\none a=1\nin\n----\nold\n\n\ntwo\n----\n----\nold\n\nold\n----\n----\n";
    const outputs = ["new\n\nnew", "new"];
    const handle = () => outputs.shift() ?? "";
    const first = checkDatadriven({ name: "a.txt", text, handle, stopAtMismatch: false });
    expect(first.rewritten).toBe(
      "# Keep.\n\none a=1\nin\n----\n----\nnew\n\nnew\n----\n----\n\n\ntwo\n----\nnew\n",
    );
    const again = ["new\n\nnew", "new"];
    const second = checkDatadriven({
      name: "a.txt",
      text: first.rewritten,
      handle: () => again.shift() ?? "",
      stopAtMismatch: false,
    });
    expect(second).toEqual({ commands: 2, mismatches: [], rewritten: first.rewritten });
  });

  test("that no file can hold is an error", () => {
    expect(() => check("one\n----\n", "a\n\n----\n----\n")).toThrow("a.txt:1");
  });
});

describe("a scenario file on disk", () => {
  let folder: TemporaryFolder;
  let path: string;

  beforeEach(() => {
    folder = createTemporaryFolder();
    path = join(folder.path, "scenario.txt");
    vi.stubEnv("UPDATE", "");
    writeFileSync(path, "one\n----\nold\n\ntwo\n----\nold\n");
  });

  afterEach(() => {
    vi.unstubAllEnvs();
    folder.remove();
  });

  test("throws at the first mismatch and runs nothing after it", () => {
    const handle = vi.fn(() => "new");
    expect(() => runDatadriven(pathToFileURL(path), handle)).toThrow("scenario.txt:1: output of");
    expect(handle).toHaveBeenCalledTimes(1);
    expect(() => runDatadriven(path, () => "old")).not.toThrow();
  });

  test("is rewritten with UPDATE=1 and passes from then on", () => {
    vi.stubEnv("UPDATE", "1");
    runDatadriven(path, () => "new");
    expect(readFileSync(path, "utf8")).toBe("one\n----\nnew\n\ntwo\n----\nnew\n");
    vi.stubEnv("UPDATE", "");
    expect(() => runDatadriven(path, () => "new")).not.toThrow();
  });

  test("stays as it was when a handler throws, which names the command", () => {
    vi.stubEnv("UPDATE", "1");
    const handle = (command: DatadrivenCommand) => {
      if (command.name === "two") throw new Error("no such command");
      return "new";
    };
    expect(() => runDatadriven(path, handle)).toThrow('scenario.txt:5: "two" threw: no such');
    expect(readFileSync(path, "utf8")).toContain("old");
  });

  test("fails without a single command", () => {
    writeFileSync(path, "# Nothing.\n");
    expect(() => runDatadriven(path, () => "")).toThrow("has no commands");
  });

  test("is found by its folder, and a folder without any is an error", () => {
    writeFileSync(join(folder.path, "a.txt"), "");
    expect(listDatadriven(folder.path)).toEqual([join(folder.path, "a.txt"), path]);
    expect(() => listDatadriven(new URL("./", import.meta.url))).toThrow("no scenario files");
  });
});
