// What a chat state holds, told to whoever holds its database.
import { expect, test } from "vitest";
import { countStored, storedMessages } from "./stored-messages.ts";
import {
  createRoom,
  encodeCommand,
  join,
  leave,
  merge,
  send,
  TestChat,
} from "./test-chat.test-support.ts";

const [ada, bob] = [TestChat.sender(1), TestChat.sender(2)];

test("every message once, with names, under its own id, whatever was merged or set aside", () => {
  const chat = TestChat.with("ada", "bob");
  chat.accept(createRoom("ops"), ada);
  chat.accept(join(3), bob);
  const id = chat.newId();
  chat.apply(send(3, "plain"), { ...bob, id });
  const writtenMs = chat.nowMs;
  chat.apply(merge(send(3, "merged"), 777), { ...bob, id: chat.newId() });
  chat.accept(leave(3), bob);
  chat.apply(merge(send(3, "aside"), 888), { ...bob, id: chat.newId() });
  const found = [...storedMessages(chat.database)];
  expect(
    found.map(({ roomName, authorUsername, body, writtenMs }) => [
      roomName,
      authorUsername,
      body,
      writtenMs,
    ]),
  ).toEqual([
    ["ops", "bob", "plain", writtenMs],
    ["ops", "bob", "merged", 777],
    ["ops", "bob", "aside", 888],
  ]);
  expect(found[0]?.command).toEqual(encodeCommand(send(3, "plain"), { id, userId: 2 }));
  // Each stands for what is in the state already.
  expect(found.every(({ command }) => chat.chat.isMerged(command))).toBe(true);
  expect(countStored(chat.database)).toEqual({ people: 2, rooms: 3, messages: 3 });
});

test("more than are read at a time come in the order of the log", () => {
  const chat = TestChat.with("ada");
  const bodies = Array.from({ length: 1_203 }, (_, i) => `m${i}`);
  chat.applyBytes(
    ...bodies.map((body) => encodeCommand(send(1, body), { ...ada, id: chat.newId() })),
  );
  expect([...storedMessages(chat.database)].map(({ body }) => body)).toEqual(bodies);
  expect(countStored(chat.database).messages).toBe(1_203);
});
