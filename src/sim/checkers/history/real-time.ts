// What had certainly happened at a moment: the highest position that somebody had been told of, in
// an answer or by a delivery. Everything that is called later must come after it in the log.
import type { HistoryModel } from "./history-model.ts";
import { answerOf, describeItem, describeOperation, receiptOf } from "./operations.ts";

/** Somebody learned that a position of the log exists. */
export interface Sighting {
  readonly atNs: number;
  readonly position: number;
  /** By what, in words; made only when a violation is reported. */
  describe(): string;
}

/** Everything that clients were told, in the order of time, with the highest position so far. */
export class SightingTrack {
  #sightings: Sighting[] = [];
  #newest: Sighting[] | undefined;

  add(sighting: Sighting): void {
    this.#sightings.push(sighting);
    this.#newest = undefined;
  }

  /** The sighting with the highest position of all before a moment; undefined: there is none. */
  newestBefore(ns: number): Sighting | undefined {
    const newest = this.#newestSoFar();
    let low = 0;
    let high = newest.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((newest[middle] as Sighting).atNs < ns) low = middle + 1;
      else high = middle;
    }
    return newest[low - 1];
  }

  /** Sightings that were higher than all before them. */
  #newestSoFar(): readonly Sighting[] {
    if (this.#newest !== undefined) return this.#newest;
    this.#sightings.sort((a, b) => a.atNs - b.atNs);
    const newest: Sighting[] = [];
    for (const sighting of this.#sightings) {
      if (sighting.position > (newest.at(-1)?.position ?? -1)) newest.push(sighting);
    }
    this.#sightings = newest.slice();
    this.#newest = newest;
    return newest;
  }
}

/** Which sightings are wanted. */
export interface SightingListener {
  /** An acknowledged write of this client. */
  written(client: string, sighting: Sighting): void;
  /** An item that this client was given by its stream or by a read. */
  seen(client: string, sighting: Sighting): void;
}

/** Tells every sighting of a history; of a page, its newest item stands for all. */
export function listSightings(model: HistoryModel, listener: SightingListener): void {
  for (const record of model.history) {
    if (record.kind === "delivery") {
      const { client, atNs, item } = record;
      const describe = () => `the delivery of ${describeItem(item)} to ${client}`;
      listener.seen(client, { atNs, position: item.position, describe });
    } else if (record.kind === "operation" && record.returnNs !== null) {
      const { client, returnNs: atNs } = record;
      const describe = () => describeOperation(record);
      const receipt = receiptOf(record);
      if (receipt !== undefined) {
        listener.written(client, { atNs, position: receipt.position, describe });
      }
      const items = (answerOf(record, "readTimeline") ?? answerOf(record, "viewTimeline"))?.items;
      const newest = items?.at(-1);
      if (newest !== undefined) {
        listener.seen(client, { atNs, position: newest.position, describe });
      }
    }
  }
}

const tracksOfAll = new WeakMap<HistoryModel, SightingTrack>();

/** Everything that anybody was told; the same track for each checker. */
export function trackOfAll(model: HistoryModel): SightingTrack {
  let track = tracksOfAll.get(model);
  if (track === undefined) {
    const all = new SightingTrack();
    const add = (_client: string, sighting: Sighting) => all.add(sighting);
    listSightings(model, { written: add, seen: add });
    tracksOfAll.set(model, all);
    track = all;
  }
  return track;
}
