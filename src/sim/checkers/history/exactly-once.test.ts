// Writes that are lost, doubled, changed or invented in the final timelines; and what an
// unanswered or repeated write may come to.
import { describe, expect, it } from "vitest";
import type { FinalTimelineRecord, HistoryRecord } from "../../history.ts";
import { testCorruptions } from "./corruption-table.test-support.ts";
import { exactlyOnce } from "./exactly-once.ts";
import {
  drop,
  goodHistory,
  judge,
  type Mutable,
  operationsOf,
  spoil,
  TestHistory,
  timelinesOf,
} from "./test-history.test-support.ts";

type Spoilt = Mutable<HistoryRecord>[];
type Items = Mutable<FinalTimelineRecord>["items"];

describe("exactly once", () => {
  testCorruptions(exactlyOnce, [
    ["an acknowledged message that is gone everywhere", (h) => remove(h, "two"), /lacks what was/],
    ["one that is gone on one server", (h) => removeAt(h, 2, "two"), /server 3 lacks what was ack/],
    [
      "one that stands twice",
      (h) => everywhere(h, (items) => items.push(find(items, "two"))),
      /twice/,
    ],
    [
      "one that stands twice under two ids",
      (h) => everywhere(h, (items) => items.push({ ...find(items, "two"), commandId: "other" })),
      /one text twice/,
    ],
    ["another number than told", (h) => tell(h, "send", { number: 9 }), /elsewhere than told/],
    ["another position than told", (h) => tell(h, "send", { position: 9 }), /elsewhere than told/],
    ["another room than told", (h) => tell(h, "send", { roomId: 9 }), /elsewhere than told/],
    [
      "another text than sent",
      (h) => everywhere(h, (items) => setBody(find(items, "two"), "2")),
      /not what was asked/,
    ],
    [
      "another author",
      (h) => everywhere(h, (items) => Object.assign(find(items, "two"), { authorId: 1 })),
      /not what was asked/,
    ],
    ["a message that was refused", (h) => refuse(h, "two"), /though it was refused/],
    [
      "a text that its client refused to send",
      (h) => {
        const args = { room: "tea", body: "five" };
        h.push({ ...(sendOf(h, "one") as object), ...refused, id: 99, arguments: args } as never);
      },
      /not that of its only sender/,
    ],
    ["a message that nobody sent", (h) => drop(h, sendOf(h, "three")), /nobody asked for/],
    [
      "an unanswered message under two ids",
      (h) => everywhere(h, (items) => items.push({ ...find(items, "three"), commandId: "x" })),
      /one text twice/,
    ],
    ["a lost acknowledged join", (h) => removeKind(h, "joined", "bob"), /lacks what was ack/],
    ["a lost acknowledged leave", (h) => removeKind(h, "left", "eve"), /lacks what was ack/],
    [
      "a join that nobody asked for",
      (h) => drop(h, operationsOf(h, "joinRoom", "eve-1.1")[0]),
      /nob/,
    ],
    [
      "a join that was refused",
      (h) => Object.assign(operationsOf(h, "joinRoom", "eve-1.1")[0] as object, refused),
      /nobody asked for.*joined by eve/,
    ],
    ["a lost room", (h) => dropRoom(h, "work"), /has no room 5/],
    ["a lost room without items", (h) => dropRoom(h, "@bob"), /bob/],
    ["a room that nobody made", (h) => drop(h, operationsOf(h, "createRoom")[1]), /nobody asked/],
    ["a room with another owner", (h) => setOwner(h, 3), /room 4 is tea of person 3/],
    [
      "an id used for something else and accepted",
      (h) => Object.assign(operationsOf(h, "resend")[0]?.arguments, { content: "other" }),
      /gave a used id another content/,
    ],
    ["a repetition done anew", (h) => tell(h, "resend", { repeated: false }), /done anew twice/],
    ["no final timelines at all", (h) => h.splice(0, h.length, ...onlyClients(h)), /on no server/],
  ]);

  it("passes an unanswered message that is not there", () => {
    expect(
      judge(
        exactlyOnce,
        spoil(goodHistory(), (h) => remove(h, "three")),
      ),
    ).toBeUndefined();
  });

  it("passes a refusal of one attempt where another one was accepted", () => {
    const history = spoil(goodHistory(), (h) =>
      Object.assign(operationsOf(h, "resend")[0] as object, { ...refused, code: "OVERLOADED" }),
    );
    expect(judge(exactlyOnce, history)).toBeUndefined();
  });

  it("counts joins without an answer: two of them explain no third", () => {
    const history = new TestHistory();
    history.register("ada-1.1");
    history.register("bob-1.1");
    history.create("ada-1.1", "tea");
    for (let time = 0; time < 3; time++) {
      history.join("bob-1.1", "tea", "unknown");
      history.leave("bob-1.1", "tea");
    }
    const good = history.finish();
    expect(judge(exactlyOnce, good)).toBeUndefined();
    const bad = spoil(good, (h) => drop(h, operationsOf(h, "joinRoom")[0]));
    expect(judge(exactlyOnce, bad)).toMatch(/item 5 .*joined by bob/);
  });

  it("takes what the reader of the final timelines did as asked for", () => {
    const history = spoil(goodHistory(), (h) => {
      drop(h, operationsOf(h, "joinRoom", "eve-1.1")[0]);
      for (const record of h) if (record.kind === "finalTimeline") record.readerId = 3;
    });
    expect(judge(exactlyOnce, history)).toBeUndefined();
  });
});

const refused = { result: "refused", code: "NOT_A_MEMBER", value: undefined };

function everywhere(history: Spoilt, change: (items: Items) => unknown): void {
  for (const timeline of timelinesOf(history, "tea")) change(timeline.items);
}

function find(items: Items, body: string): Items[number] {
  return items.find((item) => item.commandId === `id-${body}`) as Items[number];
}

function setBody(item: Items[number], body: string): void {
  item.content = { kind: "message", body };
}

function remove(history: Spoilt, body: string): void {
  everywhere(history, (items) => items.splice(items.indexOf(find(items, body)), 1));
}

function removeAt(history: Spoilt, place: number, body: string): void {
  const { items } = timelinesOf(history, "tea")[place] as { items: Items };
  items.splice(items.indexOf(find(items, body)), 1);
}

function removeKind(history: Spoilt, kind: "joined" | "left", username: string): void {
  everywhere(history, (items) => {
    const place = items.findIndex(
      (item) => item.content.kind === kind && item.authorUsername === username,
    );
    items.splice(place, 1);
  });
}

function sendOf(history: Spoilt, body: string) {
  return operationsOf(history, "send").find((one) => one.arguments.body === body) as object;
}

function refuse(history: Spoilt, body: string): void {
  Object.assign(sendOf(history, body), refused);
  for (const resend of operationsOf(history, "resend")) drop(history, resend);
}

function tell(history: Spoilt, operation: "send" | "resend", change: object): void {
  const told = operationsOf(history, operation).find((one) => one.result === "ok");
  Object.assign(told?.value, change);
}

function dropRoom(history: Spoilt, room: string): void {
  for (const timeline of timelinesOf(history, room)) drop(history, timeline);
}

function setOwner(history: Spoilt, ownerId: number): void {
  for (const timeline of timelinesOf(history, "tea")) timeline.ownerId = ownerId;
}

function onlyClients(history: Spoilt): Spoilt {
  return history.filter((record) => record.kind !== "finalTimeline");
}
