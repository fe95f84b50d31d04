// What travels towards one end of a connection, by the moment of arrival, until it is read. A queue
// and a count of bytes; who reads when is the end's matter.
import type { Random } from "../base/random.ts";

/** One thing under way. */
export interface Parcel<Payload> {
  readonly atMs: number;
  readonly bytes: number;
  /** Undefined in the last parcel alone. */
  readonly payload: Payload | undefined;
  /** Why the other side has closed. */
  readonly closing: string | undefined;
}

/** Read parcels after which a queue that is never empty is moved to the front. */
const readMax = 1024;

/** Parcels in the order of their arrival. */
export class Inbox<Payload> {
  #parcels: Parcel<Payload>[] = [];
  /** Read up to here. */
  #head = 0;
  #bytes = 0;
  #lastArrivalMs = 0;

  /** Of all parcels together. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Puts a parcel behind all others, however fast its own way is. */
  push(atMs: number, bytes: number, payload: Payload | undefined, closing?: string): void {
    if (atMs > this.#lastArrivalMs) this.#lastArrivalMs = atMs;
    this.#parcels.push({ atMs: this.#lastArrivalMs, bytes, payload, closing });
    this.#bytes += bytes;
  }

  first(): Parcel<Payload> | undefined {
    return this.#parcels[this.#head];
  }

  last(): Parcel<Payload> | undefined {
    return this.#parcels.at(-1);
  }

  dropFirst(): void {
    this.#bytes -= this.#parcels[this.#head]?.bytes ?? 0;
    this.#head++;
    if (this.#head < this.#parcels.length && this.#head <= readMax) return;
    this.#parcels.splice(0, this.#head);
    this.#head = 0;
  }

  /**
   * Loses what has not arrived from some parcel on, drawn: what was written first leaves a dying
   * process first.
   */
  loseTail(nowMs: number, random: Random): void {
    let arrived = this.#parcels.length;
    while (arrived > this.#head && this.#parcels[arrived - 1]!.atMs > nowMs) arrived--;
    const kept = random.nextInteger(arrived, this.#parcels.length + 1);
    for (const { bytes } of this.#parcels.splice(kept)) this.#bytes -= bytes;
  }

  clear(): void {
    this.#parcels = [];
    this.#head = 0;
    this.#bytes = 0;
  }
}
