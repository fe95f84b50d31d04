// Command ids: 16 bytes that make a write the same write wherever and however often it arrives. On
// the wire they are bytes, everywhere in the client 32 hexadecimal digits.
import { toHex } from "../base/bytes.ts";
import type { ClientClock, ClientRandom } from "./clock.ts";

/** Bytes of a command id. */
export const commandIdBytes = 16;

/**
 * Makes command ids as UUID version 7 (RFC 9562 §5.7): 48 bits of time, so that the servers' unique
 * index grows at its end, and 74 random bits, which make the id unique even where a clock is wrong.
 */
export class CommandIds {
  readonly #clock: ClientClock;
  readonly #random: ClientRandom;
  // Randomness by the page: one call for 256 ids.
  readonly #pool = new Uint8Array(256 * commandIdBytes);
  #used = this.#pool.length;

  constructor(clock: ClientClock, random: ClientRandom) {
    this.#clock = clock;
    this.#random = random;
  }

  next(): Uint8Array {
    if (this.#used === this.#pool.length) {
      this.#random.fillBytes(this.#pool);
      this.#used = 0;
    }
    const id = this.#pool.slice(this.#used, this.#used + commandIdBytes);
    this.#used += commandIdBytes;
    const view = new DataView(id.buffer);
    const wallMs = Math.max(0, Math.floor(this.#clock.wallMs()));
    view.setUint16(0, Math.floor(wallMs / 0x1_0000_0000));
    view.setUint32(2, wallMs >>> 0);
    view.setUint8(6, 0x70 | (view.getUint8(6) & 0x0f));
    view.setUint8(8, 0x80 | (view.getUint8(8) & 0x3f));
    return id;
  }
}

/** The digits of a command id. */
export function commandIdText(id: Uint8Array): string {
  return toHex(id);
}

/**
 * The bytes of a command id that came from `commandIdText`, or undefined where the text is none.
 */
export function parseCommandId(text: string): Uint8Array | undefined {
  if (!/^[0-9a-f]{32}$/.test(text)) return undefined;
  const id = new Uint8Array(commandIdBytes);
  for (let i = 0; i < commandIdBytes; i++)
    id[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return id;
}
