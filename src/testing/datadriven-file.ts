// The grammar of scenario files, that of cockroachdb/datadriven. Does not run or compare anything.

const separator = "----";

/**
 * A command's arguments by name: no values for a flag, one for `arg=a`, any number for `arg=(a,b)`.
 */
export type CommandArguments = ReadonlyMap<string, readonly string[]>;

/**
 * One command with what surrounds it; concatenating `verbatim` and the output gives the file again.
 */
export interface Block {
  /** Everything up to the output: comments, blank lines, command, input and the first separator. */
  readonly verbatim: string;
  /** Absent in the last block when only comments and blank lines are left. */
  readonly command?: {
    readonly name: string;
    readonly args: CommandArguments;
    readonly input: string;
    readonly line: number;
  };
  /** The recorded output. */
  readonly expected: string;
}

/**
 * Reads a scenario file. Throws, with `name:line`, where it breaks the grammar:
 *
 *     # comment
 *     command flag arg=a list=(a, b)
 *     input, any number of lines
 *     ----
 *     output
 *
 * A blank line ends the output; output that holds blank lines stands between doubled separators,
 * two lines of `----` before and after it. A command line that ends in `\` goes on in the next one.
 */
export function parseBlocks(name: string, text: string): Block[] {
  return new FileParser(name, text).parse();
}

/**
 * What stands in the file for this output: its lines, then a blank line; between doubled separators
 * where the output could be mistaken otherwise. `at` is the place for the error when no form can
 * hold it.
 */
export function formatOutput(at: string, output: string): string {
  const lines = output.split("\n").slice(0, -1);
  const isAmbiguous = lines.some((line) => line.trim() === "") || lines[0] === separator;
  if (!isAmbiguous) return `${output}\n`;
  if (`\n${output}`.includes(`\n${separator}\n${separator}\n`)) {
    throw new Error(`${at}: output holds a doubled "${separator}", which a scenario file cannot`);
  }
  return `${separator}\n${output}${separator}\n${separator}\n\n`;
}

class FileParser {
  readonly #name: string;
  readonly #lines: string[];
  /** The next line to read, from 0. */
  #next = 0;

  constructor(name: string, text: string) {
    this.#name = name;
    this.#lines = text.split("\n");
    // A newline ends a line; it does not begin another one.
    if (this.#lines.at(-1) === "") this.#lines.pop();
  }

  parse(): Block[] {
    const blocks: Block[] = [];
    while (this.#next < this.#lines.length) blocks.push(this.#parseBlock());
    return blocks;
  }

  #parseBlock(): Block {
    const start = this.#next;
    while (this.#next < this.#lines.length && isSkipped(this.#peek())) this.#next += 1;
    if (this.#next === this.#lines.length) return { verbatim: this.#slice(start), expected: "" };
    const line = this.#next + 1;
    const directive = this.#readDirective();
    const input = this.#readInput(line);
    const verbatim = this.#slice(start);
    const expected = this.#readOutput(line);
    const { name, args } = parseDirective(`${this.#name}:${line}`, directive);
    return { verbatim, command: { name, args, input, line }, expected };
  }

  #readDirective(): string {
    let directive = this.#read();
    while (directive.endsWith("\\") && this.#next < this.#lines.length) {
      directive = `${directive.slice(0, -1)} ${this.#read()}`;
    }
    return directive;
  }

  #readInput(line: number): string {
    const start = this.#next;
    while (this.#next < this.#lines.length) {
      if (this.#read() === separator) return this.#lines.slice(start, this.#next - 1).join("\n");
    }
    throw new Error(`${this.#name}:${line}: command without "${separator}" and output`);
  }

  #readOutput(line: number): string {
    const start = this.#next;
    if (this.#peek() === separator) return this.#readDoubled(line);
    while (this.#next < this.#lines.length && this.#peek().trim() !== "") this.#next += 1;
    const output = this.#slice(start);
    this.#skipBlank();
    return output;
  }

  #readDoubled(line: number): string {
    this.#next += 1;
    const start = this.#next;
    while (this.#next + 1 < this.#lines.length) {
      if (this.#read() === separator && this.#peek() === separator) {
        const output = this.#lines.slice(start, this.#next - 1);
        this.#next += 1;
        this.#skipBlank();
        return output.map((text) => `${text}\n`).join("");
      }
    }
    throw new Error(
      `${this.#name}:${line}: output begins with a doubled "${separator}", never ends`,
    );
  }

  /** Skips the one blank line that ends an output. */
  #skipBlank(): void {
    if (this.#next < this.#lines.length && this.#peek().trim() === "") this.#next += 1;
  }

  #peek(): string {
    return this.#lines[this.#next] ?? "";
  }

  #read(): string {
    const text = this.#peek();
    this.#next += 1;
    return text;
  }

  #slice(start: number): string {
    return this.#lines
      .slice(start, this.#next)
      .map((line) => `${line}\n`)
      .join("");
  }
}

function isSkipped(line: string): boolean {
  const text = line.trim();
  return text === "" || text.startsWith("#");
}

function parseDirective(at: string, directive: string): { name: string; args: CommandArguments } {
  const [name, ...words] = splitOutside(directive.trim(), /\s/);
  if (name === undefined || !/^[a-zA-Z0-9._/-]+$/.test(name)) {
    throw new Error(`${at}: not a command: "${directive}"`);
  }
  const args = new Map<string, readonly string[]>();
  for (const word of words) {
    const [, key, value] = /^([^=()]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (key === undefined || !isBalanced(word)) {
      throw new Error(`${at}: not an argument: "${word}"`);
    }
    if (args.has(key)) throw new Error(`${at}: argument "${key}" is given twice`);
    args.set(key, value === undefined ? [] : parseValues(value));
  }
  return { name, args };
}

function parseValues(value: string): string[] {
  if (!value.startsWith("(") || !value.endsWith(")")) return [value];
  const inner = value.slice(1, -1).trim();
  if (inner === "") return [];
  return splitOutside(inner, /,/, "keepEmpty").map((part) => part.trim());
}

/** Splits where the character matches `at`, but not inside parentheses. */
function splitOutside(text: string, at: RegExp, empty: "keepEmpty" | "dropEmpty" = "dropEmpty") {
  const parts: string[] = [""];
  let depth = 0;
  for (const char of text) {
    if (char === "(") depth += 1;
    if (char === ")") depth -= 1;
    if (depth === 0 && at.test(char)) parts.push("");
    else parts.push(`${parts.pop()}${char}`);
  }
  return empty === "keepEmpty" ? parts : parts.filter((part) => part !== "");
}

function isBalanced(text: string): boolean {
  let depth = 0;
  for (const char of text) {
    if (char === "(") depth += 1;
    if (char === ")") depth -= 1;
    if (depth < 0) return false;
  }
  return depth === 0;
}
