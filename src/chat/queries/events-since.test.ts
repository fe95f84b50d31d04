// eventsSince: what a person missed, for all stays in rooms, page by page (C5).
import { describe, expect, it } from "vitest";
import type { Event } from "../../proto/gen/chat/v1/event_pb.js";
import { replayEndedMembershipsMax, replayRowsMax } from "../limits.ts";
import {
  type Body,
  createRoom,
  describeEvent,
  encodeCommand,
  farPosition,
  join,
  leave,
  open,
  register,
  type Sender,
  send,
  TestChat,
} from "../test-chat.test-support.ts";

const ada = TestChat.sender(1);
const bob = TestChat.sender(2);

/** The position of the last of these events. */
function lastPositionOf(events: readonly Event[]): number {
  return Number(events.at(-1)?.position);
}

describe("eventsSince", () => {
  it("C5, S7, RP1, RP2 tells what was said while one was in the room, and nothing else", () => {
    const test = TestChat.with("ada", "bob");
    test.accept(createRoom("ops"), ada);
    test.accept(send(3, "before"), ada);
    test.accept(join(3), bob);
    test.accept(send(3, "during"), ada);
    test.accept(leave(3), bob);
    test.accept(send(3, "between"), ada);
    test.accept(join(3), bob);
    test.accept(send(3, "again"), ada);
    test.accept(leave(3), bob);
    test.accept(send(3, "after"), ada);
    expect(test.replayTo(2).map(describeEvent)).toEqual([
      "room 1 @ada created, owner 1, personal",
      "room 2 @bob created, owner 2, personal",
      "room 3 ops created, owner 1",
      "room 3 #2 bob joined",
      'room 3 #3 ada: "during"',
      "room 3 #4 bob left",
      "room 3 #6 bob joined",
      'room 3 #7 ada: "again"',
      "room 3 #8 bob left",
    ]);
    expect(test.replayTo(2)).toEqual(test.sentTo(2));
    expect(test.replayTo(1)).toEqual(test.sentTo(1));
  });

  it("RP1 answers positions after the one and up to the other", () => {
    const test = TestChat.with("ada");
    const positions = ["a", "b", "c", "d"].map((body) => test.accept(send(1, body), ada).position);
    const ask = (afterPosition: number, untilPosition: number) =>
      test.chat
        .eventsSince(1, { afterPosition, untilPosition, limit: 10 })
        .items.map(({ event }) => Number(event.position));
    const [a, b, c, d] = positions as [number, number, number, number];
    expect(ask(a, c)).toEqual([b, c]);
    expect(ask(a - 1, d - 1)).toEqual([a, b, c]);
    expect(ask(b, farPosition)).toEqual([c, d]);
    expect(ask(d, farPosition)).toEqual([]);
    expect(ask(c, c)).toEqual([]);
    expect(ask(c, a)).toEqual([]);
  });

  it("RP1 someone who registered later is told of the rooms that were there before", () => {
    const test = TestChat.with("ada");
    test.accept(createRoom("ops"), ada);
    test.accept(register("bob"));
    expect(test.replayTo(2).map(describeEvent)).toEqual([
      "room 1 @ada created, owner 1, personal",
      "room 2 ops created, owner 1",
      "room 3 @bob created, owner 2, personal",
    ]);
  });

  it("RP1 ended sessions are not replayed", () => {
    const test = TestChat.with("ada");
    for (let i = 0; i < 60; i++) test.accept(open(1));
    expect(test.live.some(({ event }) => event.body.case === "sessionEnded")).toBe(true);
    expect(test.replayTo(1)).toEqual(test.sentTo(1));
  });

  it("RP3 pages of every size join to the same events, from every position", () => {
    const test = TestChat.with("ada", "bob");
    for (let i = 0; i < 4; i++) test.accept(createRoom(`r${i}`), ada);
    for (let i = 0; i < 40; i++) test.accept(send(3 + (i % 3), `m${i}`), ada);
    const all = test.replayTo(1);
    expect(all).toHaveLength(46);
    for (const limit of [1, 2, 3, 7, 45, 46, 47]) expect(test.replayTo(1, { limit })).toEqual(all);
    for (const [i, event] of all.entries()) {
      const rest = test.replayTo(1, { afterPosition: Number(event.position), limit: 5 });
      expect(rest).toEqual(all.slice(i + 1));
    }
    const exact = { afterPosition: 0, untilPosition: farPosition, limit: 46 };
    expect(test.chat.eventsSince(1, exact).more).toBe(false);
    expect(test.chat.eventsSince(1, { ...exact, limit: 45 }).more).toBe(true);
  });

  it("RP3 many rows of one room are read on, past what is read at once", () => {
    const test = TestChat.with("ada");
    const count = 3 * replayRowsMax;
    const commands = Array.from({ length: count }, (_, i) =>
      encodeCommand(send(1, `m${i}`), { id: test.newId(), ...ada }),
    );
    test.applyBytes(...commands);
    expect(test.replayTo(1)).toHaveLength(count + 1);
    expect(test.replayTo(1)).toEqual(test.sentTo(1));
  });

  it("RP4 more ended stays than one page walks come in several pages, all of them", () => {
    const test = TestChat.with("ada", "bob");
    test.accept(createRoom("ops"), ada);
    test.accept(createRoom("dev"), ada);
    test.accept(join(4), bob);
    const stays = replayEndedMembershipsMax + 5;
    const commands = Array.from({ length: stays }, () => [
      encodeCommand(join(3), { id: test.newId(), ...bob }),
      encodeCommand(leave(3), { id: test.newId(), ...bob }),
    ]);
    test.applyBytes(...commands.flat());
    test.accept(send(4, "at last"), ada);
    const sent = test.sentTo(2);
    expect(sent).toHaveLength(2 * stays + 6);
    expect(test.replayTo(2)).toEqual(sent);
  });

  it("RP4 a page that is cut where it has walked enough stays says that there is more", () => {
    const test = TestChat.with("ada", "bob");
    const stays = replayEndedMembershipsMax + 1;
    const commands = (body: (roomId: number) => Body, sender: Sender) =>
      Array.from({ length: stays }, (_, i) =>
        encodeCommand(body(3 + i), { id: test.newId(), ...sender }),
      );
    test.applyBytes(...commands((roomId) => createRoom(`r${roomId}`), ada));
    test.applyBytes(...commands(join, bob));
    const afterPosition = lastPositionOf(test.sentTo(2));
    test.applyBytes(...commands(leave, bob));
    // One event a stay: as many as a page may hold, so that the page is cut by stays and not by
    // events.
    const ask = { afterPosition, untilPosition: farPosition, limit: stays };
    const page = test.chat.eventsSince(2, ask);
    expect([page.items.length, page.more]).toEqual([stays - 1, true]);
    const last = Number(page.items.at(-1)?.event.position);
    const rest = test.chat.eventsSince(2, { ...ask, afterPosition: last });
    expect([rest.items.length, rest.more]).toEqual([1, false]);
    expect(test.replayTo(2)).toEqual(test.sentTo(2));
  });

  it("RP1 a limit out of range that no gateway refused is brought into range", () => {
    const test = TestChat.with("ada");
    for (const limit of [0, -5]) {
      const ask = { afterPosition: 0, untilPosition: farPosition, limit };
      expect(test.chat.eventsSince(1, ask).items).toHaveLength(1);
    }
  });
});
