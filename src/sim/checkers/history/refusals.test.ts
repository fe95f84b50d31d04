// Refusals that were never right, one code at a time; and the same codes where they are right.
// What a text must look like is not judged.
import { describe, expect, it } from "vitest";
import type { HistoryRecord, Json, OperationName } from "../../history.ts";
import { testCorruptions } from "./corruption-table.test-support.ts";
import { refusals } from "./refusals.ts";
import {
  goodHistory,
  judge,
  operationsOf,
  spoil,
  TestHistory,
} from "./test-history.test-support.ts";

type Args = { readonly [key: string]: Json };

function refusedInTheEnd(operation: OperationName, args: Args, code: string) {
  return (history: unknown[]) => {
    const last = { kind: "operation", id: 99, client: "bob-1.1", callNs: 900e6, returnNs: 901e6 };
    history.push({ ...last, operation, arguments: args, result: "refused", code });
  };
}

const again = {
  command: "sendMessage",
  commandId: "id-two",
  content: "same",
  first: "acknowledged",
  room: "tea",
  body: "two",
};

describe("refusals", () => {
  testCorruptions(refusals, [
    [
      "a room that is not known, though it was seen",
      refusedInTheEnd("joinRoom", { room: "work" }, "UNKNOWN_ROOM"),
      /room 5 \(work\) was known/,
    ],
    [
      "a room that is not known by its id",
      refusedInTheEnd("readTimeline", { room: 4, limit: 5 }, "UNKNOWN_ROOM"),
      /room 4 \(tea\) was known/,
    ],
    [
      "a person's room that is not known",
      refusedInTheEnd("joinRoom", { room: "@eve" }, "UNKNOWN_ROOM"),
      /room 3 \(@eve\) was known/,
    ],
    [
      "a name that nobody has",
      refusedInTheEnd("createRoom", { name: "coffee" }, "NAME_TAKEN"),
      /nobody has "coffee"/,
    ],
    [
      "a username that nobody has",
      refusedInTheEnd("register", { username: "joe" }, "NAME_TAKEN"),
      /nobody has "@joe"/,
    ],
    [
      "a member as a stranger",
      refusedInTheEnd("send", { room: "tea", body: "x" }, "NOT_A_MEMBER"),
      /person 2 was in room 4 after item 9, .* and did not leave/,
    ],
    [
      "a member as a stranger who leaves",
      refusedInTheEnd("leaveRoom", { room: "tea" }, "NOT_A_MEMBER"),
      /person 2 was in room 4/,
    ],
    [
      "an owner as none",
      refusedInTheEnd("send", { room: "@bob", body: "x" }, "NOT_THE_OWNER"),
      /room 2 is of person 2, the asker is person 2/,
    ],
    [
      "an open room as somebody's own",
      refusedInTheEnd("send", { room: "tea", body: "x" }, "NOT_THE_OWNER"),
      /room 4 is of person 1/,
    ],
    [
      "another's room as one's own",
      refusedInTheEnd("leaveRoom", { room: "@ada" }, "OWN_ROOM"),
      /room 1 is of person 1, the asker is person 2/,
    ],
    [
      "a repetition of what was accepted",
      refusedInTheEnd("resend", again, "NAME_TAKEN"),
      /though accepted before: send/,
    ],
    [
      "an id that was not used for anything else",
      refusedInTheEnd("resend", again, "ID_REUSED"),
      /nothing else was accepted under its id/,
    ],
  ]);

  it.each<readonly [string, OperationName, Args, string]>([
    ["another content under an id", "resend", { ...again, content: "other" }, "ID_REUSED"],
    ["a repetition without a session", "resend", again, "UNAUTHENTICATED"],
    ["a name in use", "createRoom", { name: "work" }, "NAME_TAKEN"],
    ["leaving one's own room", "leaveRoom", { room: "@bob" }, "OWN_ROOM"],
    ["a follower's message", "send", { room: "@ada", body: "x" }, "NOT_THE_OWNER"],
    ["a stranger's message", "send", { room: "@eve", body: "x" }, "NOT_A_MEMBER"],
    ["an old read", "readTimeline", { room: "tea", limit: 5 }, "NOT_A_MEMBER"],
  ])("passes a refusal for %s", (_title, operation, args, code) => {
    const history = spoil(goodHistory(), refusedInTheEnd(operation, args, code));
    expect(judge(refusals, history)).toBeUndefined();
  });

  it("passes a refusal as a stranger while the person may just be leaving", () => {
    const history = spoil(leaving(), (h) => {
      const leave = operationsOf(h, "leaveRoom")[0];
      const refused = operationsOf(h, "send").at(-1);
      if (leave !== undefined) leave.callNs = (refused?.returnNs ?? 0) - 1;
    });
    expect(judge(refusals, history)).toBeUndefined();
  });

  it("catches a refusal as a stranger that was answered before the person left", () => {
    expect(judge(refusals, leaving())).toMatch(/person 2 was in room 3/);
  });
});

/** Bob is refused, and leaves only after that. */
function leaving(): HistoryRecord[] {
  const history = new TestHistory();
  for (const client of ["ada-1.1", "bob-1.1"]) history.register(client);
  history.create("ada-1.1", "tea");
  history.join("bob-1.1", "tea");
  history.refuse("bob-1.1", "send", { room: "tea", body: "x" }, "NOT_A_MEMBER");
  history.leave("bob-2.1", "tea");
  return history.finish();
}
