// What a real chat state tells, as it is and spoiled in one place each.
import { describe, expect, it } from "vitest";
import { ChatModel } from "../chat-model.ts";
import type { ClusterEvent } from "../cluster-event.ts";
import { type AppliedEvent, type CommandResult, FirstApplications } from "./applied-commands.ts";
import { ChatRig, chatter } from "./chat-rig.test-support.ts";
import { judge } from "./cluster-events.test-support.ts";
import { ModelConformance } from "./model-conformance.ts";

const make = () => new ModelConformance(new ChatModel(), new FirstApplications());

/** The chatter with one result spoiled: of the entry in this place, the command in that. */
function spoiled(entry: number, command: number, spoil: (result: CommandResult) => object) {
  const events = chatter(new ChatRig());
  const told = events[entry] as AppliedEvent;
  const applied = [...told.applied];
  applied[command] = { ...applied[command]!, ...spoil(applied[command]!) };
  events[entry] = { ...told, applied } as ClusterEvent;
  return judge(make, events);
}

/** The first event of a result with its item changed. */
function item(change: object) {
  return ({ events }: CommandResult) => {
    const { audience, event } = events[0]!;
    const value = { ...(event.body.value as object), ...change };
    return { events: [{ audience, event: { ...event, body: { case: event.body.case, value } } }] };
  };
}

/** The first event of a result told to others. */
function audience(...users: readonly number[]) {
  return ({ events }: CommandResult) => ({
    events: [{ ...events[0], audience: { kind: "users", users: new Set(users) } }],
  });
}

function answer(change: object) {
  return ({ outcome }: CommandResult) => {
    if (outcome.kind === "rejected") throw new Error("it was refused");
    return { outcome: { ...outcome, answer: { ...outcome.answer, ...change } } };
  };
}

describe("model conformance", () => {
  it("passes what a real chat state does", () => {
    expect(judge(make, chatter(new ChatRig()))).toBeUndefined();
  });

  it("asks the model once, whoever applies it again", () => {
    const events = chatter(new ChatRig());
    expect(judge(make, [...events.slice(0, 5), ...events])).toBeUndefined();
  });

  it.each<[string, ReturnType<typeof spoiled>, RegExp]>([
    ["a refusal that is none", spoiled(5, 2, () => ({ outcome: { kind: "accepted" } })), /came to/],
    [
      "another code",
      spoiled(6, 1, () => ({ outcome: { kind: "rejected", code: 8, message: "" } })),
      /"code":8.*the rules say.*"code":7/,
    ],
    ["another person", spoiled(2, 1, answer({ userId: 3 })), /"userId":3.*"userId":2/],
    ["another number", spoiled(5, 0, answer({ number: 3 })), /"number":3.*"number":2/],
    ["an event left out", spoiled(5, 0, () => ({ events: [] })), /told 0 events, the rules say 1/],
    [
      "a message for too few",
      spoiled(5, 0, audience(1)),
      /told people 1, the rules say people 1, 2/,
    ],
    ["a message for too many", spoiled(5, 0, audience(1, 2, 3)), /told people 1, 2, 3/],
    ["a leaver who is not told", spoiled(6, 0, audience(1)), /told people 1, the rules say/],
    ["an end of a session for others", spoiled(7, 0, audience(2)), /told people 2/],
    ["a room that only some hear of", spoiled(4, 0, audience(1, 2)), /the rules say everyone/],
    ["another text", spoiled(5, 0, item({ content: { case: "body", value: "y" } })), /hello/],
    ["another name", spoiled(5, 0, item({ authorUsername: "Ada" })), /"authorUsername":"ada"/],
    ["another time", spoiled(5, 0, item({ timestampMs: 1n })), /"timestampMs":1006/],
    ["a time of writing", spoiled(5, 0, item({ writtenMs: 1n })), /"writtenMs":0/],
    ["another session ended", spoiled(7, 0, item({ sessionId: 2 })), /"sessionId":1/],
    ["another owner", spoiled(4, 0, item({ ownerId: 2 })), /"ownerId":1/],
  ])("catches %s", (_title, finding, message) => {
    expect(finding).toMatch(message);
  });
});
