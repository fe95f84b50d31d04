// The judge is awake: it finds each way in which servers can break a promise.
import { expect, test } from "vitest";
import type { Item } from "../../src/client/index.ts";
import { judgeRooms } from "./judge-promises.ts";

function message(number: number, commandId = `id${number}`): Item {
  return {
    roomId: 1,
    number,
    position: 10 * number,
    timestampMs: 1_000 + number,
    authorId: 1,
    authorUsername: "ada",
    commandId,
    content: { kind: "message", body: `body of ${commandId}` },
  };
}

const promise = (number: number) => ({
  commandId: `id${number}`,
  room: "team",
  body: `body of id${number}`,
  number,
});
const acked = [promise(1), promise(2)];
const held = [{ ...promise(3), number: 0 }];
const whole = [message(1), message(2), message(3)];

/** The verdict on three servers of which the last one has these items. */
function judge(items: readonly Item[]) {
  return judgeRooms([{ acked, held, timelines: [whole, whole, items] }]);
}

test("servers that hold all that was promised, once and alike, pass", () => {
  expect(judge(whole)).toEqual({ lost: 0, doubled: 0, areEqual: true });
});

test("an acknowledged message that one server lacks is lost, and so is a held one", () => {
  expect(judge([message(1), message(2)])).toEqual({ lost: 1, doubled: 0, areEqual: false });
  expect(judge([])).toEqual({ lost: 3, doubled: 0, areEqual: false });
});

test("an acknowledged message under another number or with another body is lost", () => {
  const swapped = [message(1), message(2, "id3"), message(3, "id2")];
  expect(judge(swapped)).toEqual({ lost: 1, doubled: 0, areEqual: false });
  const changed: Item = { ...message(2), content: { kind: "message", body: "else" } };
  expect(judge([message(1), changed, message(3)])).toMatchObject({ lost: 1, areEqual: false });
});

test("a message that is there twice is doubled, also under another id", () => {
  const again: Item = { ...message(4), content: message(2).content };
  expect(judge([...whole, again])).toEqual({ lost: 0, doubled: 1, areEqual: false });
});

test("what differs is found where nothing is lost: a stamp, or a gap that all servers have", () => {
  const later: Item = { ...message(2), timestampMs: 9 };
  expect(judge([message(1), later, message(3)])).toMatchObject({ lost: 0, areEqual: false });
  const gap = [message(1), message(2), { ...message(4, "id3") }];
  expect(judgeRooms([{ acked, held, timelines: [gap, gap] }]).areEqual).toBe(false);
});
