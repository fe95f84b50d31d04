// The screen of the chat: what comes in is printed above what is being typed.
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { eventually } from "../testing/index.ts";
import { openScreen, type Screen } from "./chat-screen.ts";

/** Two streams that stand in for a terminal, or for pipes. */
function setUp(kind: "terminal" | "pipe", columns = 40) {
  const isTTY = kind === "terminal";
  const input = Object.assign(new PassThrough(), { isTTY, setRawMode: () => input });
  const output = Object.assign(new PassThrough(), { isTTY, columns });
  let written = "";
  output.setEncoding("utf8").on("data", (text: string) => {
    written += text;
  });
  const screen = openScreen(
    input as unknown as NodeJS.ReadStream,
    output as unknown as NodeJS.WriteStream,
  );
  return { input, screen, written: () => written };
}

/** What a terminal shows after these bytes; knows the few sequences that the screen uses. */
function render(bytes: string, columns = 40): string[] {
  const rows: string[][] = [[]];
  let [row, column] = [0, 0];
  for (const [token] of bytes.matchAll(/\x1b\[(\d*)([A-Z])|[\s\S]/g)) {
    const sequence = /^\x1b\[(\d*)([A-Z])$/.exec(token);
    const count = Number(sequence?.[1] || 1);
    if (sequence?.[2] === "A") row = Math.max(0, row - count);
    else if (sequence?.[2] === "G") column = count - 1;
    else if (sequence?.[2] === "J") {
      rows.splice(row + 1);
      rows[row]?.splice(column);
    } else if (token === "\n") row += 1;
    else if (token === "\r") column = 0;
    else {
      if (column >= columns) [row, column] = [row + 1, 0];
      rows[row] ??= [];
      rows[row]![column] = token;
      column += 1;
    }
    rows[row] ??= [];
  }
  return rows.map((letters) => Array.from(letters, (letter) => letter ?? " ").join(""));
}

async function linesOf(screen: Screen): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of screen.lines) lines.push(line);
  return lines;
}

test("C6: a line that comes in leaves what is being typed whole, below it", async () => {
  const { input, screen, written } = setUp("terminal");
  screen.setPrompt("team> ");
  input.write("half a li");
  await eventually("the typed text", () => written().includes("half a li"));
  screen.print("bob: hello");
  await eventually("the printed line", () => render(written()).length === 2);
  expect(render(written())).toEqual(["bob: hello", "team> half a li"]);
  screen.close();
});

test("C6: so it is where the typed line takes several rows", async () => {
  const { input, screen, written } = setUp("terminal", 20);
  screen.setPrompt("team> ");
  const typed = "a line that takes three rows of them";
  input.write(typed);
  await eventually("the typed text", () => render(written(), 20).join("").endsWith(typed));
  screen.print("bob: hello");
  await eventually("the printed line", () => written().includes("bob: hello"));
  const rows = render(written(), 20);
  expect(rows[0]).toBe("bob: hello");
  expect(rows.slice(1).join("")).toBe(`team> ${typed}`);
  screen.close();
});

test("a typed line that is taken back is gone, and typed lines come one by one", async () => {
  const { input, screen, written } = setUp("terminal");
  screen.setPrompt("team> ");
  const reading = linesOf(screen);
  input.write("hello\r");
  await eventually("the end of the line", () => written().includes("hello\r"));
  screen.eraseTyped("hello");
  screen.setPrompt("team> ");
  screen.print("ada: hello");
  expect(render(written()).filter((row) => row !== "")).toEqual(["ada: hello", "team> "]);
  input.write("again\r");
  await eventually("the second line", () => written().includes("again\r"));
  screen.close();
  expect(await reading).toEqual(["hello", "again"]);
});

test("what follows a screen that was left in the middle of a line begins a line of its own", async () => {
  const left = setUp("terminal");
  left.screen.setPrompt("team> ");
  const reading = linesOf(left.screen);
  const controlC = "\x03";
  left.input.write(controlC);
  await reading;
  left.screen.print("Bye.");
  expect(render(left.written())).toEqual(["team> ", "Bye.", ""]);

  const ended = setUp("terminal");
  ended.screen.setPrompt("team> ");
  ended.input.write("exit\r");
  await eventually("the end of the line", () => ended.written().includes("exit\r"));
  ended.screen.close();
  ended.screen.print("Bye.");
  expect(render(ended.written())).toEqual(["team> exit", "Bye.", ""]);
});

test("without a terminal there is no prompt and no control sequence", async () => {
  const { input, screen, written } = setUp("pipe");
  screen.setPrompt("team> ");
  input.end("one\ntwo\n");
  screen.print("bob: hello");
  screen.eraseTyped("one");
  expect(await linesOf(screen)).toEqual(["one", "two"]);
  expect(written()).toBe("bob: hello\n");
});
