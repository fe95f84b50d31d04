// What errors say of operations: one table.
import { expect, test } from "vitest";
import { RejectedError, type RejectionCodeName } from "../client/index.ts";
import type { OperationName } from "./history.ts";
import { failureOf, failureOfAttempt } from "./operation-result.ts";

const rejected = (code: RejectionCodeName) => new RejectedError({ code, message: "no" });

test.each<[OperationName, RejectionCodeName, "refused" | "unknown"]>([
  ["send", "NOT_A_MEMBER", "refused"],
  ["send", "NOT_THE_OWNER", "refused"],
  ["send", "TOO_LARGE", "refused"],
  ["send", "INVALID_ARGUMENT", "refused"],
  // Only of the client's own limits: nothing was sent.
  ["send", "OVERLOADED", "refused"],
  ["joinRoom", "OVERLOADED", "refused"],
  ["send", "UNAVAILABLE", "unknown"],
  ["joinRoom", "UNAVAILABLE", "unknown"],
  // The session may have ended after an earlier attempt was taken.
  ["createRoom", "UNAUTHENTICATED", "unknown"],
  ["send", "UNSPECIFIED", "unknown"],
  ["createRoom", "NAME_TAKEN", "refused"],
  ["leaveRoom", "OWN_ROOM", "refused"],
  ["register", "NAME_TAKEN", "refused"],
  // The last of several attempts by unary calls.
  ["register", "OVERLOADED", "unknown"],
  ["logOut", "UNAUTHENTICATED", "unknown"],
])("%s under %s is %s", (operation, code, result) => {
  expect(failureOf(operation, rejected(code))).toEqual({ result, code });
});

test("a wrong password is refused; the right one may be unknown to a server that is behind", () => {
  const error = rejected("WRONG_PASSWORD");
  expect(failureOf("logIn", error, { passwordIsRight: false }).result).toBe("refused");
  expect(failureOf("logIn", error, { passwordIsRight: true }).result).toBe("unknown");
});

test("an error that is no refusal says nothing", () => {
  expect(failureOf("send", new TypeError("bug"))).toEqual({ result: "unknown", code: "TypeError" });
});

test("of a single attempt every code is final but those that know nothing", () => {
  expect(failureOfAttempt("UNAVAILABLE").result).toBe("unknown");
  expect(failureOfAttempt("UNSPECIFIED").result).toBe("unknown");
  for (const code of ["OVERLOADED", "UNAUTHENTICATED", "ID_REUSED", "NOT_A_MEMBER"] as const) {
    expect(failureOfAttempt(code)).toEqual({ result: "refused", code });
  }
});
