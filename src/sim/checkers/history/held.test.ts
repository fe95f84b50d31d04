// Held messages: in a history in which an island holds two and sets one aside, everything that must
// not be told or lost is told or lost once.
import { describe, expect, it } from "vitest";
import type { HistoryRecord } from "../../history.ts";
import { testCorruptions } from "./corruption-table.test-support.ts";
import { createHeld, held } from "./held.ts";
import { judge, type Mutable, TestHistory } from "./test-history.test-support.ts";

type Spoilt = Mutable<HistoryRecord>[];

/**
 * Ada's message is held and stored; Bob's is held, shown to him, and set aside when he has left.
 */
function anIsland(): HistoryRecord[] {
  const history = new TestHistory();
  for (const client of ["ada-1.1", "bob-1.1", "eve-1.1"]) history.register(client);
  history.create("ada-1.1", "tea");
  history.join("bob-1.1", "tea");
  history.send("ada-1.1", "tea", "stored");
  history.lose("bob-1.1", "tea", "aside");
  history.leave("bob-1.1", "tea");
  const records = history.finish();
  const atNs = 1;
  const ada = { userId: 1, roomId: 4, authorId: 1, commandId: "id-stored", body: "stored" };
  const bob = { userId: 2, roomId: 4, authorId: 2, commandId: "id-aside", body: "aside" };
  records.push(
    { kind: "heldReceipt", client: "ada-1.1", atNs, commandId: "id-stored", disks: 1 },
    { kind: "heldShown", client: "bob-1.1", atNs, ...ada, userId: 2 },
    { kind: "heldReceipt", client: "bob-1.1", atNs, commandId: "id-aside", disks: 1 },
    { kind: "setAside", client: "bob-1.1", atNs, ...bob },
    { kind: "setAside", client: "ada-1.1", atNs, ...bob, userId: 1 },
  );
  return records;
}

function last(records: Spoilt, kind: HistoryRecord["kind"]): object {
  return records.findLast((record) => record.kind === kind) ?? {};
}

function dropItem(records: Spoilt, body: string): void {
  for (const record of records) {
    if (record.kind !== "finalTimeline") continue;
    const items = record.items.filter(({ content }) => {
      return content.kind !== "message" || content.body !== body;
    });
    Object.assign(record, { items });
  }
}

describe("held", () => {
  testCorruptions(
    held,
    [
      [
        "a held message that is nowhere in the end",
        (h) => dropItem(h, "stored"),
        /id-stored was told to ada-1.1 .* on no server in the end/,
      ],
      [
        "a held message that nobody has sent",
        (h) => Object.assign(last(h, "heldReceipt"), { commandId: "id-unknown" }),
        /id-unknown .* nobody has sent it/,
      ],
      [
        "a message held on no disk",
        (h) => Object.assign(last(h, "heldReceipt"), { commandId: "id-stored", disks: 0 }),
        /on 0 disks/,
      ],
      [
        "a held message shown to a stranger",
        (h) => Object.assign(last(h, "heldShown"), { client: "eve-1.1", userId: 3 }),
        /eve-1.1, person 3, was shown id-stored .* never in that room/,
      ],
      [
        "a held message shown with another text",
        (h) => Object.assign(last(h, "heldShown"), { body: "other" }),
        /which person 1 has not sent so/,
      ],
      [
        "a message set aside and told to a stranger",
        (h) => Object.assign(last(h, "setAside"), { client: "eve-1.1", userId: 3 }),
        /neither its author nor the owner/,
      ],
      [
        "a message that is set aside and in its room",
        (h) =>
          Object.assign(last(h, "setAside"), {
            ...{ commandId: "id-stored", authorId: 1, body: "stored" },
          }),
        /which is in its room, too/,
      ],
    ],
    anIsland,
  );

  it("lets a message be missing of which every disk was destroyed", () => {
    const records = anIsland() as Spoilt;
    dropItem(records, "stored");
    const lenient = createHeld((authorId, id) => authorId === 1 && id === "id-stored");
    expect(judge(lenient, records as HistoryRecord[])).toBeUndefined();
  });
});
