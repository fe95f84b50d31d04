// Lines of a room in a terminal.
import { expect, test } from "vitest";
import {
  clockTime,
  formatHeld,
  formatItem,
  formatSetAside,
  heldJson,
  itemJson,
  printable,
} from "./item-text.ts";

const timestampMs = 1_700_000_000_000;
const time = clockTime(timestampMs);

test("a message, a join and a leave read as lines", () => {
  const item = { timestampMs, authorUsername: "ada" };
  expect(formatItem({ ...item, content: { kind: "message", body: "one\ntwo" } })).toBe(
    `[${time}] ada: one\n        two`,
  );
  expect(formatItem({ ...item, content: { kind: "joined" } })).toBe(`[${time}] * ada has joined`);
  expect(formatItem({ ...item, content: { kind: "left" } })).toBe(`[${time}] * ada has left`);
});

test.each([
  ["\x1b[2Jgone", "�[2Jgone"],
  ["a\tb", "a    b"],
  ["a\rb", "a�b"],
  ["\u202etxt", "�txt"],
  ["\u0085", "�"],
  ["grüße 🌊", "grüße 🌊"],
])("S6: %j cannot move the cursor or turn the line", (text, expected) => {
  expect(printable(text)).toBe(expected);
});

test("R8: what was written on an island shows the time of then", () => {
  const content = { kind: "message", body: "one" } as const;
  const writtenMs = timestampMs - 3_600_000;
  expect(formatItem({ timestampMs, writtenMs, authorUsername: "ada", content })).toBe(
    `[${clockTime(writtenMs)}] ada: one`,
  );
});

test("R8: held and set-aside messages are marked", () => {
  const message = {
    roomId: 4,
    authorId: 1,
    authorUsername: "ada",
    commandId: "00ff",
    body: "a\nb\x1b",
  };
  const held = { ...message, timestampMs, hybridTime: 2n ** 63n };
  expect(formatHeld(held)).toBe(`[${time}] ada: a\n        b� (held)`);
  expect(JSON.parse(heldJson(held, "team"))).toEqual({
    room: "team",
    kind: "held",
    ...message,
    timestampMs,
  });
  const setAside = { ...message, acceptedMs: timestampMs, reason: "You have left." };
  expect(formatSetAside(setAside)).toBe(
    `[${time}] ada: a\n        b� (set aside)\n-- You have left.`,
  );
});

test("an item is one JSON object a line for programs", () => {
  const item = {
    roomId: 4,
    number: 2,
    position: 8192,
    timestampMs,
    authorId: 1,
    authorUsername: "ada",
    commandId: "00ff",
  };
  const line = itemJson({ ...item, content: { kind: "message", body: "a\nb" } }, "team");
  expect(JSON.parse(line)).toEqual({ room: "team", ...item, kind: "message", body: "a\nb" });
  expect(line).not.toContain("\n");
  expect(JSON.parse(itemJson({ ...item, content: { kind: "left" } }, "team")).kind).toBe("left");
});
