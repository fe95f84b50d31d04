// Who gives a new cluster its token key, and when nobody does.
import { fromBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { CommandSchema } from "../proto/gen/chat/v1/command_pb.js";
import { ensureTokenKey } from "./token-key.ts";

/** A clock whose only timer fires when told. */
function manualClock() {
  const waiting: (() => void)[] = [];
  return {
    waiting,
    monotonicMs: () => 0,
    wallMs: () => 0,
    setSoon: (callback: () => void) => callback(),
    setTimer: (_delayMs: number, callback: () => void) => {
      waiting.push(callback);
      return { cancel: () => void waiting.splice(waiting.indexOf(callback), 1) };
    },
    fire() {
      for (const callback of waiting.splice(0)) callback();
    },
  };
}

function setUp() {
  const clock = manualClock();
  const state = { leads: false, hasTokenKey: false };
  const proposed: { command: Uint8Array; done: () => void }[] = [];
  const stop = ensureTokenKey({
    clock,
    leads: () => state.leads,
    hasTokenKey: () => state.hasTokenKey,
    propose: (command, done) => void proposed.push({ command, done }),
    randomBytes: (length) => new Uint8Array(length).fill(length),
  });
  return { clock, state, proposed, stop };
}

test("the leader of a cluster without a key proposes one, of 32 bytes, and only one at a time", () => {
  const { clock, state, proposed } = setUp();
  expect(proposed).toHaveLength(0);
  state.leads = true;
  clock.fire();
  clock.fire();
  expect(proposed).toHaveLength(1);
  const command = fromBinary(CommandSchema, proposed[0]!.command);
  expect(command.id).toEqual(new Uint8Array(16).fill(16));
  expect(command.body).toMatchObject({
    case: "initializeCluster",
    value: { tokenKey: new Uint8Array(32).fill(32) },
  });
});

test("a proposal that came to nothing is made again, one that came through is the last", () => {
  const { clock, state, proposed } = setUp();
  state.leads = true;
  clock.fire();
  proposed[0]!.done();
  clock.fire();
  expect(proposed).toHaveLength(2);
  state.hasTokenKey = true;
  proposed[1]!.done();
  clock.fire();
  expect(proposed).toHaveLength(2);
  expect(clock.waiting).toHaveLength(0);
});

test("nothing is proposed by a follower, nor after the stop", () => {
  const { clock, state, proposed, stop } = setUp();
  clock.fire();
  stop();
  state.leads = true;
  clock.fire();
  expect(proposed).toHaveLength(0);
  expect(clock.waiting).toHaveLength(0);
});
