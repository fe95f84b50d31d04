// Votes and terms by hand, over restarts.
import { describe, expect, it } from "vitest";
import {
  died,
  diskReplaced,
  goodRun,
  judge,
  saved,
  sent,
  started,
} from "./cluster-events.test-support.ts";
import { Votes } from "./votes.ts";

describe("votes", () => {
  const check = (...more: Parameters<typeof judge>[1]) =>
    judge(() => new Votes(), [...goodRun(), ...more]);
  const grants = (server: number, to: number, term: number) =>
    sent(server, { kind: "requestVoteResponse", to, term, preVote: false, granted: true });
  const hardState = (term: number, votedFor: number) => ({ hardState: { term, votedFor } });

  it("passes a vote that is durable when it is said, also when it is said late", () => {
    expect(check(saved(3, 2, 2), saved(3, 3, 0), grants(3, 2, 2))).toBeUndefined();
    expect(check(died(2), started(2, hardState(1, 1)), grants(2, 1, 1))).toBeUndefined();
  });

  it("passes pre-votes and refusals, which promise nothing", () => {
    const asks = { kind: "requestVote", term: 9, preVote: true } as const;
    const refuses = {
      kind: "requestVoteResponse",
      term: 9,
      preVote: false,
      granted: false,
    } as const;
    expect(check(sent(3, asks), sent(3, refuses))).toBeUndefined();
  });

  it("passes whatever a server says that has got another disk", () => {
    expect(check(died(2), diskReplaced(2), started(2), saved(2, 1, 3))).toBeUndefined();
  });

  it.each([
    ["two votes in a term", [saved(2, 1, 3)], /voted for 1 and 3 in term 1/],
    ["a vote taken back", [saved(2, 1, 0)], /took back its vote/],
    ["a term that falls", [saved(2, 2, 0), saved(2, 1, 1)], /went from term 2 to 1/],
    ["a vote that a restart forgets", [died(2), started(2, hardState(1, 0))], /came back with/],
    ["a term that a restart forgets", [died(2), started(2, hardState(0, 0))], /came back with/],
    ["a vote said before it is durable", [grants(3, 2, 2)], /votes for 2 in term 2, which is not/],
    ["a vote said for another", [saved(3, 2, 1), grants(3, 2, 2)], /votes for 2 in term 2/],
    [
      "a candidate whose own vote is not durable",
      [sent(3, { kind: "requestVote", term: 2, preVote: false })],
      /votes for 3 in term 2/,
    ],
    [
      "a leader whose term is not durable",
      [sent(2, { kind: "heartbeat", term: 2 })],
      /leads term 2 before that is durable/,
    ],
  ])("catches %s", (_title, events, message) => {
    expect(check(...events)).toMatch(message);
  });
});
