// What a client is given by its stream is a run of what its person may see of the log: in the order
// of the log over all rooms, nothing missing, nothing twice, each item as in the final timeline. A
// run may begin anywhere; after the client was told that its view was loaded anew it may go on
// further ahead, but in no room again or back. Whether the newest items have arrived when all stops
// is not judged: that is a matter of time, not of safety.
import type { Item } from "../../../client/index.ts";
import type { DeliveryRecord, HistoryChecker } from "../../history.ts";
import { type HistoryModel, modelOf, type Violate, violationOf } from "./history-model.ts";
import { describeItem, differenceOf, inMs } from "./operations.ts";

const name = "subscriptions";
const violate: Violate = violationOf(name);

/** Deliveries without a gap and without a double. */
export const subscriptions: HistoryChecker = {
  name,
  check(history) {
    const model = modelOf(history);
    const streams = new Map<number, Stream>();
    const clients = new Map<string, ClientRun>();
    for (const record of model.history) {
      if (record.kind === "reloaded" || (record.kind === "connected" && !record.recovered)) {
        clients.get(record.client)?.allowSkip();
      }
      if (record.kind !== "delivery") continue;
      const { client, userId } = record;
      let stream = streams.get(userId);
      if (stream === undefined) {
        stream = new Stream(model, userId);
        streams.set(userId, stream);
      }
      let run = clients.get(client);
      // Nothing of one person reaches the next: another stream, another run.
      if (run?.stream !== stream) {
        run = new ClientRun(stream);
        clients.set(client, run);
      }
      run.take(record);
    }
  },
};

/** Everything that one person was sent, had they always been connected. */
class Stream {
  readonly items: readonly Item[];
  readonly #places = new Map<number, number>();

  constructor(model: HistoryModel, userId: number) {
    const items: Item[] = [];
    for (const room of model.rooms.values()) {
      for (const { first, last } of room.membership.audienceRanges(userId)) {
        for (let number = first; number <= last; number++) {
          const item = room.item(number);
          if (item !== undefined) items.push(item);
        }
      }
    }
    this.items = items.sort((a, b) => a.position - b.position);
    for (const [place, item] of this.items.entries()) this.#places.set(item.position, place);
  }

  /** Where an item stands; undefined where it is not the person's to see. */
  placeOf({ position }: Item): number | undefined {
    return this.#places.get(position);
  }
}

/** One client on its way through the stream. */
class ClientRun {
  readonly stream: Stream;
  /** Where the last item stood; undefined: nothing was given yet. */
  #place: number | undefined;
  #maySkip = true;
  /** The newest number that was given, by room. */
  readonly #newest = new Map<number, number>();

  constructor(stream: Stream) {
    this.stream = stream;
  }

  allowSkip(): void {
    this.#maySkip = true;
  }

  take(delivery: DeliveryRecord): void {
    const { client, item, atNs } = delivery;
    const what = () => `${client} was given ${describeItem(item)} at ${inMs(atNs)}`;
    const place = this.stream.placeOf(item);
    const final = place === undefined ? undefined : this.stream.items[place];
    if (place === undefined || final === undefined) {
      violate(`${what()}, which is not among what person ${delivery.userId} is sent`);
    }
    const field = differenceOf(item, final);
    if (field !== undefined) {
      violate(`${what()}, whose ${field} is not as in the end: ${describeItem(final)}`);
    }
    const newest = this.#newest.get(item.roomId) ?? 0;
    if (item.number <= newest) {
      violate(`${what()} after item ${newest} of that room: twice, or back in time`);
    }
    if (!this.#maySkip) this.#checkNext(place, what);
    this.#newest.set(item.roomId, item.number);
    this.#place = place;
    this.#maySkip = false;
  }

  #checkNext(place: number, what: () => string): void {
    const last = this.#place ?? -1;
    if (place <= last) {
      violate(`${what()} behind ${this.#describe(last)}, which stands later in the log`);
    }
    for (let between = last + 1; between < place; between++) {
      const missing = this.stream.items[between] as Item;
      // After a skip a stream may repeat what came before it; the client drops that.
      if (missing.number <= (this.#newest.get(missing.roomId) ?? 0)) continue;
      violate(
        `${what()} right after ${this.#describe(last)}; missing is ${this.#describe(between)}`,
      );
    }
  }

  #describe(place: number): string {
    const item = this.stream.items[place];
    return item === undefined ? "nothing" : describeItem(item);
  }
}
