// What each server's island log holds, and ever held, as its disk says: what the checkers of
// islands share. Judges one thing itself: what was durable is there after a restart.
import type { ClusterEvent, ServerId } from "../../cluster-event.ts";
import { type HeldRecord, readHeldItem } from "../../held-item.ts";

/** What is known of one held command. */
export interface HeldHistory {
  readonly key: string;
  readonly kind: "message" | "logIn";
  /** Hashes. Several where somebody has used an id twice: it is refused when it is merged (ID4). */
  readonly contents: Set<number>;
  /** When islands accepted it: several may have. */
  readonly timesMs: Set<number>;
  /** Servers on whose disk it ever was, also where that was lost or erased since. */
  readonly disks: Set<ServerId>;
  /** Those of them whose disk lost what it had. */
  readonly lost: Set<ServerId>;
}

interface ServerItems {
  /** Durable and not erased: how many items of each key. */
  readonly counts: Map<string, number>;
  /** Something on the disk was destroyed since the last start: less may come back. */
  isDamaged: boolean;
}

/** The island logs of all servers. Must see every event before those who look here. */
export class HeldLogs {
  readonly #servers = new Map<ServerId, ServerItems>();
  readonly #histories = new Map<string, HeldHistory>();
  /** What the last event showed to be wrong. */
  problem: string | undefined;
  /** What the last event made durable. */
  newRecords: readonly HeldRecord[] = [];
  /** Keys of what the last event erased. */
  newErased: readonly string[] = [];

  /** Everything that ever was in an island log. */
  all(): IterableIterator<HeldHistory> {
    return this.#histories.values();
  }

  of(key: string): HeldHistory | undefined {
    return this.#histories.get(key);
  }

  /** Whether the island log of this server has it now, durably. */
  has(server: ServerId, key: string): boolean {
    return (this.#of(server).counts.get(key) ?? 0) > 0;
  }

  see(event: ClusterEvent): void {
    this.problem = undefined;
    this.newRecords = [];
    this.newErased = [];
    const { server } = event;
    switch (event.kind) {
      case "islandRecovered":
        this.#recover(server, event.items.map(readHeldItem));
        break;
      case "islandDurable":
        this.newRecords = event.items.map(readHeldItem);
        for (const record of this.newRecords) this.#add(server, record);
        break;
      case "islandErased":
        this.newErased = [...this.#of(server).counts.keys()];
        this.#of(server).counts.clear();
        break;
      case "diskDamaged":
        this.#lose(server);
        this.#of(server).isDamaged = true;
        break;
      case "diskReplaced":
        this.#lose(server);
        this.#of(server).counts.clear();
        break;
    }
  }

  #recover(server: ServerId, records: readonly HeldRecord[]): void {
    const items = this.#of(server);
    const found = new Map<string, number>();
    for (const { held } of records) {
      if (held !== undefined) found.set(held.key, (found.get(held.key) ?? 0) + 1);
    }
    for (const [key, count] of items.counts) {
      if (items.isDamaged || (found.get(key) ?? 0) >= count) continue;
      this.problem = `it has come back without ${key}, which its island log held durably`;
    }
    items.isDamaged = false;
    items.counts.clear();
    // What a killed process had written may be there without having been told.
    for (const record of records) this.#add(server, record);
    this.newRecords = records;
  }

  #add(server: ServerId, { held, timestampMs }: HeldRecord): void {
    if (held === undefined) return;
    const { key, kind, content } = held;
    let history = this.#histories.get(key);
    if (history === undefined) {
      const disks = { disks: new Set<ServerId>(), lost: new Set<ServerId>() };
      history = { key, kind, contents: new Set(), timesMs: new Set(), ...disks };
      this.#histories.set(key, history);
    }
    history.contents.add(content);
    history.timesMs.add(timestampMs);
    history.disks.add(server);
    history.lost.delete(server);
    const { counts } = this.#of(server);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }

  #lose(server: ServerId): void {
    for (const { disks, lost } of this.#histories.values()) {
      if (disks.has(server)) lost.add(server);
    }
  }

  #of(server: ServerId): ServerItems {
    let items = this.#servers.get(server);
    if (items === undefined) {
      items = { counts: new Map(), isDamaged: false };
      this.#servers.set(server, items);
    }
    return items;
  }
}
