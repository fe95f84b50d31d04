// Takes TypeScript apart as far as the rules of tidy need it: code without comments and strings,
// and the strings by themselves. A scanner of some dozens of lines, not a parser; it knows nothing
// of types or scopes.

/** A string or a piece of a template, without its quotes. */
export interface StringLiteral {
  readonly text: string;
  /** Counted from 1. */
  readonly line: number;
  /**
   * The code before it on its statement, comments and strings blanked, for telling an import from a
   * text.
   */
  readonly before: string;
  /** Whether it goes on after a `${}` of the template that the string before it belongs to. */
  readonly isContinued: boolean;
}

/** A source file taken apart. */
export interface SourceText {
  /**
   * The source with comments, strings and regular expressions turned to blanks; lines are where
   * they were.
   */
  readonly code: string;
  readonly strings: readonly StringLiteral[];
}

/** How much code before a string is kept. */
const beforeLength = 40;

/** Words after which a slash begins a regular expression. */
const wordsBeforeRegExp = new Set(
  "return typeof case in of delete void throw new else do yield await".split(" "),
);

/** Takes a source file apart. */
export function readSource(source: string): SourceText {
  return new Scanner(source).scan();
}

class Scanner {
  readonly #source: string;
  readonly #strings: StringLiteral[] = [];
  #code = "";
  #at = 0;
  #line = 1;
  /** For each template that is open: how many braces are open in its present `${}`. */
  readonly #templates: number[] = [];

  constructor(source: string) {
    this.#source = source;
  }

  scan(): SourceText {
    while (this.#at < this.#source.length) this.#scanToken();
    return { code: this.#code, strings: this.#strings };
  }

  #scanToken(): void {
    const char = this.#peek();
    const pair = char + this.#peek(1);
    if (pair === "//") this.#blankTo(this.#indexOf("\n"));
    else if (pair === "/*") this.#blankTo(this.#indexOf("*/") + 2);
    else if (char === '"' || char === "'") this.#scanString(char);
    else if (char === "`") this.#scanTemplate();
    else if (char === "/" && this.#isRegExp()) this.#scanRegExp();
    else if (char === "}" && this.#templates.at(-1) === 0) {
      this.#templates.pop();
      this.#scanTemplate();
    } else {
      const depth = this.#templates.length - 1;
      if (depth >= 0 && char === "{") this.#templates[depth]! += 1;
      if (depth >= 0 && char === "}") this.#templates[depth]! -= 1;
      this.#take(char);
    }
  }

  #scanString(quote: string): void {
    const start = this.#at + 1;
    let end = start;
    while (end < this.#source.length && this.#source[end] !== quote && this.#source[end] !== "\n") {
      end += this.#source[end] === "\\" ? 2 : 1;
    }
    this.#addString(start, end, false);
    this.#blankTo(end + 1);
  }

  /**
   * From a backquote, or from the brace that ends a `${}`, to the next `${` or the end of the
   * template.
   */
  #scanTemplate(): void {
    const isContinued = this.#peek() === "}";
    const start = this.#at + 1;
    let end = start;
    while (end < this.#source.length && this.#source[end] !== "`") {
      if (this.#source.startsWith("${", end)) break;
      end += this.#source[end] === "\\" ? 2 : 1;
    }
    this.#addString(start, end, isContinued);
    const isHole = this.#source.startsWith("${", end);
    if (isHole) this.#templates.push(0);
    this.#blankTo(end + (isHole ? 2 : 1));
  }

  #scanRegExp(): void {
    let end = this.#at + 1;
    let isInClass = false;
    while (end < this.#source.length && this.#source[end] !== "\n") {
      const char = this.#source[end];
      if (char === "[") isInClass = true;
      if (char === "]") isInClass = false;
      if (char === "/" && !isInClass) break;
      end += char === "\\" ? 2 : 1;
    }
    this.#blankTo(end + 1);
  }

  /** Whether a slash here can only begin a regular expression, by what stands before it. */
  #isRegExp(): boolean {
    const before = this.#code.trimEnd();
    const word = /[\w$]+$/.exec(before)?.[0];
    if (word !== undefined) return wordsBeforeRegExp.has(word);
    return before === "" || "(,=:[!&|?{};+-*%<>~^".includes(before.at(-1)!);
  }

  #addString(start: number, end: number, isContinued: boolean): void {
    const before = this.#code.slice(-beforeLength);
    const text = this.#source.slice(start, end);
    this.#strings.push({ text, line: this.#line, before, isContinued });
  }

  #blankTo(end: number): void {
    const text = this.#source.slice(this.#at, end);
    this.#code += text.replace(/[^\n]/g, " ");
    this.#line += text.split("\n").length - 1;
    this.#at = Math.min(end, this.#source.length);
  }

  #take(char: string): void {
    this.#code += char;
    if (char === "\n") this.#line += 1;
    this.#at += 1;
  }

  #peek(offset = 0): string {
    return this.#source[this.#at + offset] ?? "";
  }

  #indexOf(text: string): number {
    const index = this.#source.indexOf(text, this.#at);
    return index === -1 ? this.#source.length : index;
  }
}
