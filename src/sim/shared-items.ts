// One copy of an item for all who were given it: a history holds each item once a client and once a
// page, and most of them are the same. Bounded: the oldest are forgotten, which costs only memory.
import type { Item } from "../client/index.ts";
import { sharedItemsMax } from "./workload-limits.ts";

/** Recent items by room and number. */
export class SharedItems {
  readonly #items = new Map<number, Item>();

  /** The copy that stands for this item: an equal one from before, or this one. */
  share(item: Item): Item {
    const key = item.roomId * 0x1_0000_0000 + item.number;
    const known = this.#items.get(key);
    if (known !== undefined && isEqual(known, item)) return known;
    this.#items.set(key, item);
    if (this.#items.size > sharedItemsMax) {
      for (const oldest of this.#items.keys()) {
        this.#items.delete(oldest);
        break;
      }
    }
    return item;
  }
}

function isEqual(a: Item, b: Item): boolean {
  return (
    a.commandId === b.commandId &&
    a.position === b.position &&
    a.number === b.number &&
    a.roomId === b.roomId &&
    a.timestampMs === b.timestampMs &&
    a.authorId === b.authorId &&
    a.authorUsername === b.authorUsername &&
    a.content.kind === b.content.kind &&
    bodyOf(a) === bodyOf(b)
  );
}

function bodyOf({ content }: Item): string {
  return content.kind === "message" ? content.body : "";
}
