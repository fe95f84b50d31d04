// A terminal, or piped text, that one types lines into while others come in: an incoming line is
// printed above the line that is being typed. Knows nothing of what the lines mean.
import {
  clearScreenDown,
  createInterface,
  cursorTo,
  type Interface,
  moveCursor,
} from "node:readline";
import { textWidth } from "./table.ts";

/** Where a person types and reads. */
export interface Screen {
  /** Shows lines at once, above what is being typed. */
  print(text: string): void;
  /**
   * What stands before the line that is typed from now on; nothing is shown of it where there is no
   * terminal.
   */
  setPrompt(prompt: string): void;
  /** Takes back the line that was typed last, since it will come again in another form. */
  eraseTyped(line: string): void;
  /** The typed lines, until input ends or `close` is called. To be read once. */
  readonly lines: AsyncIterable<string>;
  close(): void;
}

/** A screen over two streams; with a prompt and line editing where both are a terminal. */
export function openScreen(input: NodeJS.ReadStream, output: NodeJS.WriteStream): Screen {
  const isTerminal = input.isTTY === true && output.isTTY === true;
  const reader = createInterface({ input, output, terminal: isTerminal, prompt: "" });
  return isTerminal ? new TerminalScreen(reader, output) : new PipedScreen(reader, output);
}

class PipedScreen implements Screen {
  readonly lines: AsyncIterable<string>;
  readonly #reader: Interface;
  readonly #output: NodeJS.WriteStream;

  constructor(reader: Interface, output: NodeJS.WriteStream) {
    this.#reader = reader;
    this.#output = output;
    // Asked for at once: lines that come before anybody reads wait here instead of being lost.
    this.lines = reader[Symbol.asyncIterator]();
  }

  print(text: string): void {
    this.#output.write(`${text}\n`);
  }

  setPrompt(): void {}

  eraseTyped(): void {}

  close(): void {
    this.#reader.close();
  }
}

class TerminalScreen implements Screen {
  readonly lines: AsyncIterable<string>;
  readonly #reader: Interface;
  readonly #output: NodeJS.WriteStream;
  #isClosed = false;
  /** Whether the cursor stands behind the prompt, in a line that nobody has ended yet. */
  #isPrompting = false;

  constructor(reader: Interface, output: NodeJS.WriteStream) {
    this.#reader = reader;
    this.#output = output;
    // Asked for at once: lines that come before anybody reads wait here instead of being lost.
    this.lines = reader[Symbol.asyncIterator]();
    reader.on("line", () => {
      this.#isPrompting = false;
    });
    reader.once("close", () => {
      this.#isClosed = true;
      // By Control-C or Control-D, or from within: what follows begins a line of its own.
      if (this.#isPrompting) output.write("\r\n");
    });
  }

  print(text: string): void {
    if (this.#isClosed) {
      this.#output.write(`${text}\n`);
      return;
    }
    // The typed line may take several rows and the cursor stand in any of them.
    const { rows } = this.#reader.getCursorPos();
    moveCursor(this.#output, 0, -rows);
    cursorTo(this.#output, 0);
    clearScreenDown(this.#output);
    this.#output.write(`${text}\n`);
    this.#prompt();
  }

  setPrompt(prompt: string): void {
    if (this.#isClosed) return;
    this.#reader.setPrompt(prompt);
    this.#prompt();
  }

  #prompt(): void {
    this.#isPrompting = true;
    this.#reader.prompt(true);
  }

  eraseTyped(line: string): void {
    const width = textWidth(this.#reader.getPrompt() + line);
    // A terminal that does not know its width breaks no line.
    const { columns } = this.#output;
    const rows = columns > 0 ? Math.max(1, Math.ceil(width / columns)) : 1;
    moveCursor(this.#output, 0, -rows);
    cursorTo(this.#output, 0);
    clearScreenDown(this.#output);
  }

  close(): void {
    this.#reader.close();
  }
}
