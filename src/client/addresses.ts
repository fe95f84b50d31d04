// Which server to try next. It knows addresses and how they fared, opens nothing, and has no clock
// of its own.
import type { ClientRandom } from "./clock.ts";
import { RejectedError } from "./errors.ts";
import { addressesMax } from "./limits.ts";

interface Known {
  readonly address: string;
  /** Given by the caller: kept for ever. Learned ones are replaced by what is learned next. */
  readonly given: boolean;
  /** Among those that a server named last. */
  listed: boolean;
  /** When it failed, as a count of failures; 0 when it has not since it last worked. */
  failedAt: number;
  /** Not to be tried before this moment if any other can be had. */
  notBeforeMs: number;
}

/** The servers' addresses, best first. */
export class Addresses {
  readonly #known = new Map<string, Known>();
  readonly #random: ClientRandom;
  #failures = 0;
  #listed: readonly string[] = [];
  /** Where the client is or was last; undefined when that one failed. */
  #current: string | undefined;
  #everWorked = false;
  /**
   * Two names of one server: the one that the caller gave and the one that the server has for
   * itself. When one fails the other would fail, too.
   */
  readonly #aliases = new Map<string, string>();

  /**
   * `given` by the caller, and `remembered` of an earlier run, which are tried first: at least one
   * address. Throws INVALID_ARGUMENT for what is none.
   */
  constructor(given: readonly string[], random: ClientRandom, remembered: readonly string[] = []) {
    this.#random = random;
    for (const text of given) {
      const address = parseAddress(text);
      if (address === undefined)
        throw invalid(`"${text}" is not an address like http://host:port.`);
      if (this.#known.size < addressesMax) this.#add(address, true);
    }
    this.learn(remembered);
    if (this.#known.size === 0) throw invalid("At least one address is needed.");
  }

  /** Those that a server named last; before that, those of an earlier run. */
  get listed(): readonly string[] {
    return this.#listed;
  }

  /** All addresses, given ones first. */
  list(): string[] {
    return [...this.#known.keys()];
  }

  /** How many different servers the addresses stand for, as far as is known. */
  get servers(): number {
    return Math.max(1, this.#known.size - this.#aliases.size / 2);
  }

  /**
   * Takes over what a server tells of all servers; what was learned before and is not among them is
   * forgotten, what was given becomes the last resort. `via` is the address under which the server
   * was reached, if it tells its own first.
   */
  learn(addresses: readonly string[], via?: string): void {
    const parsed = addresses.map(parseAddress).filter((address) => address !== undefined);
    const learned = [...new Set(parsed)].slice(0, addressesMax);
    const own = learned[0];
    if (own === undefined) return;
    this.#listed = learned;
    for (const known of this.#known.values()) {
      known.listed = learned.includes(known.address);
      if (!known.given && !known.listed) this.#forget(known.address);
    }
    for (const address of learned) this.#add(address, false);
    if (via !== undefined) this.#setAlias(via, own);
    this.#putUnlistedLast();
  }

  /** As if they had failed just now: whatever is listed and has not failed since comes first. */
  #putUnlistedLast(): void {
    this.#failures++;
    for (const known of this.#known.values()) {
      const isAlias = this.#aliases.has(known.address);
      if (!known.listed && !isAlias && known.address !== this.#current)
        known.failedAt = this.#failures;
    }
  }

  /** Where to go now: where the client is already, otherwise the best of the others. */
  next(nowMs: number): string {
    if (this.#current !== undefined) return this.#current;
    let best: Known[] = [];
    for (const known of this.#known.values()) {
      const order = best[0] === undefined ? -1 : compare(known, best[0], nowMs);
      if (order < 0) best = [known];
      else if (order === 0) best.push(known);
    }
    // The caller's order counts for the first attempts only. Later, chance spreads those who lost
    // the same server.
    const choice = this.#everWorked ? Math.floor(this.#random.nextFloat() * best.length) : 0;
    return (best[choice] as Known).address;
  }

  /** The server there has answered. */
  worked(address: string): void {
    this.#everWorked = true;
    this.#current = address;
    this.#each(address, (known) => {
      known.failedAt = 0;
      known.notBeforeMs = 0;
    });
  }

  /** The server there did not answer, or asked to be left alone until `notBeforeMs`. */
  failed(address: string, notBeforeMs = 0): void {
    this.#failures++;
    // Also where it is known no more: a removed server.
    if (this.#current === address) this.#current = undefined;
    this.#each(address, (known) => {
      known.failedAt = this.#failures;
      known.notBeforeMs = notBeforeMs;
      if (this.#current === known.address) this.#current = undefined;
    });
  }

  #add(address: string, given: boolean): void {
    if (this.#known.has(address)) return;
    const listed = !given;
    this.#known.set(address, { address, given, listed, failedAt: 0, notBeforeMs: 0 });
  }

  #forget(address: string): void {
    this.#known.delete(address);
    this.#dropAlias(address);
    if (this.#current === address) this.#current = undefined;
  }

  #setAlias(a: string, b: string): void {
    this.#dropAlias(a);
    this.#dropAlias(b);
    if (a === b || !this.#known.has(a) || !this.#known.has(b)) return;
    this.#aliases.set(a, b);
    this.#aliases.set(b, a);
  }

  #dropAlias(address: string): void {
    const other = this.#aliases.get(address);
    if (other !== undefined) this.#aliases.delete(other);
    this.#aliases.delete(address);
  }

  #each(address: string, visit: (known: Known) => void): void {
    for (const name of [address, this.#aliases.get(address)]) {
      const known = name === undefined ? undefined : this.#known.get(name);
      if (known !== undefined) visit(known);
    }
  }
}

/** Below 0 when `a` is to be tried before `b`; 0 when nothing speaks for either. */
function compare(a: Known, b: Known, nowMs: number): number {
  const asked = Number(a.notBeforeMs > nowMs) - Number(b.notBeforeMs > nowMs);
  return asked !== 0 ? asked : a.failedAt - b.failedAt;
}

/**
 * `http://host:port` without a slash at its end, or undefined where the text is no such address.
 */
export function parseAddress(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") return undefined;
  if (url.username !== "" || url.search !== "" || url.hash !== "") return undefined;
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

function invalid(message: string): RejectedError {
  return new RejectedError({ code: "INVALID_ARGUMENT", message });
}
