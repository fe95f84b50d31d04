// Seeded randomness for everything that must repeat: the consensus core, tests, the simulator. Not
// for secrets.

/** A source of repeatable randomness: the same seed gives the same numbers. */
export class Random {
  #state: number;

  /** `seed`: any integer; only its low 32 bits count. */
  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** The next 32 random bits as an unsigned integer (splitmix32). */
  nextUint32(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let mixed = this.#state ^ (this.#state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  }

  /** A number in [0, 1). */
  nextFloat(): number {
    return this.nextUint32() / 0x1_0000_0000;
  }

  /** An integer in the half-open range [min, max). */
  nextInteger(min: number, max: number): number {
    return min + Math.floor(this.nextFloat() * (max - min));
  }

  /** True in `probability` of all calls. */
  nextBoolean(probability: number): boolean {
    return this.nextFloat() < probability;
  }
}
