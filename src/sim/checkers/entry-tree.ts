// Every entry that any server of a run ever put into its log, by index and term, each with the
// entry before it: by Log Matching (Raft §5.3) these make a tree, and a log is the way from one of
// its nodes to the root. Knows no servers. Memory: three numbers an index, and a few more where
// terms competed for one.
import type { Entry } from "../../raft/index.ts";
import type { LoggedConfiguration } from "./configurations.ts";
import { ContentHash } from "./content-hash.ts";

/** An entry that shares its index with another one of another term. */
interface Sibling {
  readonly previousTerm: number;
  readonly chain: number;
}

const kinds = { noop: 1, commands: 2, configuration: 3 } as const;
/** Above every term, so that index and term make one key. */
const termsMax = 0x10_0000;

/** All entries of a run. */
export class EntryTree {
  /** By index: the first entry that was seen there. Index 0 is the root. */
  readonly #terms: number[] = [0];
  readonly #previousTerms: number[] = [0];
  /** By index: hash over that entry and all before it. */
  readonly #chains: number[] = [0];
  /** By index and term: the entries that came there later. */
  readonly #siblings = new Map<number, Sibling>();
  readonly #hash = new ContentHash();
  /** By index and term: entries that hold a configuration. */
  readonly #configurations = new Map<number, LoggedConfiguration>();

  /**
   * Adds an entry after the one with `previousTerm`, which is there. False: an entry of this index
   * and term is known, and it is another one or stands after another one.
   */
  add(entry: Entry, previousTerm: number): boolean {
    const { index, term } = entry;
    const previousChain = this.#chain(index - 1, previousTerm);
    if (previousChain === undefined) return false;
    const hash = this.#hash.reset(previousChain).number(index).number(term);
    const chain = hash.number(kinds[entry.kind]).bytes(entry.payload).value();
    const known = this.#chain(index, term);
    if (known !== undefined) return known === chain;
    if (this.#terms[index] === undefined) {
      this.#terms[index] = term;
      this.#previousTerms[index] = previousTerm;
      this.#chains[index] = chain;
    } else {
      this.#siblings.set(index * termsMax + term, { previousTerm, chain });
    }
    return true;
  }

  /** What this entry holds, where that is a configuration. */
  configuration(index: number, term: number): LoggedConfiguration | undefined {
    return this.#configurations.get(index * termsMax + term);
  }

  /** An entry that was added holds this configuration. */
  setConfiguration(configuration: LoggedConfiguration): void {
    const { index, term } = configuration;
    this.#configurations.set(index * termsMax + term, configuration);
  }

  has(index: number, term: number): boolean {
    return this.#chain(index, term) !== undefined;
  }

  /** The term of the entry before this one, which must be known. */
  previousTerm(index: number, term: number): number {
    if (this.#terms[index] === term) return this.#previousTerms[index]!;
    return this.#siblings.get(index * termsMax + term)?.previousTerm ?? 0;
  }

  #chain(index: number, term: number): number | undefined {
    if (this.#terms[index] === term) return this.#chains[index];
    return this.#siblings.get(index * termsMax + term)?.chain;
  }
}
