// Cuts a stream of text into lines, so that the output of several processes can be shown in one
// place. Pure.
import { lineUnitsMax } from "./limits.ts";

/** Takes text in any pieces and gives whole lines. */
export class LineSplitter {
  readonly #take: (line: string) => void;
  #rest = "";

  constructor(take: (line: string) => void) {
    this.#take = take;
  }

  add(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#take(line);
    if (this.#rest.length > lineUnitsMax) this.end();
  }

  /** Gives what is left as a line, if there is anything. */
  end(): void {
    if (this.#rest !== "") this.#take(this.#rest);
    this.#rest = "";
  }
}
