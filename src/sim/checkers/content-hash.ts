// A fast hash of 53 bits over numbers, bytes and texts, so that a checker can remember what was
// said at every index in one number each. Not for secrets, and not stable between versions.

/** Takes values one after the other; `reset` before, `value` after. To be used again and again. */
export class ContentHash {
  #a = 0;
  #b = 0;

  /** Begins anew, after what `seed` stands for: for a chain, the value of what came before. */
  reset(seed = 0): this {
    this.#a = 0x2545f491;
    this.#b = 0x6c62272e;
    return this.number(seed);
  }

  /** Any number that has no fraction and fits a double. */
  number(value: number): this {
    this.#mix(value | 0);
    this.#mix((value / 0x1_0000_0000) | 0);
    return this;
  }

  bytes(bytes: Uint8Array): this {
    const { length } = bytes;
    this.#mix(length);
    const wholeEnd = length - (length % 4);
    for (let at = 0; at < wholeEnd; at += 4) {
      const low = bytes[at]! | (bytes[at + 1]! << 8);
      this.#mix(low | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
    }
    for (let at = wholeEnd; at < length; at++) this.#mix(bytes[at]!);
    return this;
  }

  text(text: string): this {
    const { length } = text;
    this.#mix(length);
    for (let at = 0; at < length; at++) this.#mix(text.charCodeAt(at));
    return this;
  }

  /** An integer in [0, 2^53). */
  value(): number {
    const high = avalanche(this.#a ^ (this.#b >>> 3)) & 0x1f_ffff;
    return high * 0x1_0000_0000 + (avalanche(this.#b) >>> 0);
  }

  #mix(word: number): void {
    const a = this.#a;
    const b = this.#b;
    this.#a = Math.imul(((a << 13) | (a >>> 19)) ^ word, 0x85ebca6b);
    this.#b = (Math.imul(((b << 17) | (b >>> 15)) + word, 0xc2b2ae35) + 0x27d4eb2f) | 0;
  }
}

function avalanche(bits: number): number {
  let mixed = Math.imul(bits ^ (bits >>> 16), 0x7feb352d);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b);
  return mixed ^ (mixed >>> 16);
}

/** The hash of one thing that is added to an empty hash in one go. Not kept between calls. */
const scratch = new ContentHash();

/** A text's hash. */
export function hashText(text: string): number {
  return scratch.reset().text(text).value();
}
