// Messages of the outbox and sends of the history belong together by id, over stops and kills.
import { expect, test } from "vitest";
import { Random } from "../base/random.ts";
import { type OutboxMessage, RejectedError, type SendReceipt } from "../client/index.ts";
import { DeviceOutbox } from "./device-outbox.ts";
import { GivenCommands } from "./given-commands.ts";
import { HistoryRecorder } from "./history-recorder.ts";
import { rememberedCommandsMax } from "./workload-limits.ts";

const refusal = new RejectedError({ code: "NOT_A_MEMBER", message: "no" });

function message(n: number): OutboxMessage {
  return { commandId: `id${n}`, room: 1, body: `m${n}`, writtenAtMs: 0 };
}

function receipt(n: number): SendReceipt {
  const { commandId } = message(n);
  const place = { position: n, roomId: 1, number: n };
  return { status: "stored", disks: 3, repeated: false, commandId, ...place };
}

function prepare() {
  const recorder = new HistoryRecorder({ nowNs: () => 1 });
  const commands = new GivenCommands(recorder);
  const send = (n: number): void => {
    const open = recorder.begin("p1-1.1", "send", { room: 1, body: `m${n}` });
    commands.handOver(open, () => commands.saved(message(n)));
  };
  const results = () =>
    recorder.history.map((record) =>
      record.kind === "operation"
        ? [record.operation, record.arguments["commandId"], record.result]
        : [],
    );
  return { recorder, commands, send, results };
}

test("a send is open until its message is stored or refused, by whichever life", () => {
  const { commands, send, results } = prepare();
  for (const n of [1, 2]) send(n);
  expect(commands.openCount).toBe(2);
  commands.loaded("p1-1.2", [message(1), message(2)]);
  commands.stored(message(2), receipt(2));
  commands.refused(message(1), refusal);
  expect(results()).toEqual([
    ["send", "id2", "ok"],
    ["send", "id1", "refused"],
  ]);
  expect(commands.openCount).toBe(0);
});

test("after a kill, what the outbox does not have is unknown", () => {
  const { commands, send, results } = prepare();
  for (const n of [1, 2]) send(n);
  const clock = {
    monotonicMs: () => 0,
    wallMs: () => 0,
    setTimer: () => ({ cancel: () => {} }),
    setSoon: () => {},
  };
  const outbox = new DeviceOutbox(clock, 0);
  void outbox.openLife({ saved: () => {}, loaded: () => {} }).save(message(1));
  commands.forgetLost(outbox);
  expect(results()).toEqual([["send", "id2", "unknown"]]);
  expect(commands.openCount).toBe(1);
});

test("a message that was answered and is found in the outbox again is a resend", () => {
  const { commands, send, results } = prepare();
  send(1);
  commands.stored(message(1), receipt(1));
  commands.loaded("p1-1.2", [message(1)]);
  commands.stored(message(1), { ...receipt(1), repeated: true });
  expect(results()).toEqual([
    ["send", "id1", "ok"],
    ["resend", "id1", "ok"],
  ]);
});

test("a refusal is unknown where the same message was given past the outbox, too", () => {
  const { commands, send, results } = prepare();
  send(1);
  const random = new Random(3);
  const drawn = Array.from({ length: 20 }, () => commands.draw(random)?.first);
  expect(drawn).toContain("open");
  commands.refused(message(1), refusal);
  expect(results()).toContainEqual(["send", "id1", "unknown"]);
});

test("of the messages without an answer only the oldest is given once more", () => {
  const { commands, send } = prepare();
  for (const n of [1, 2, 3]) send(n);
  const random = new Random(4);
  for (let i = 0; i < 50; i++) {
    const drawn = commands.draw(random);
    if (drawn !== undefined) expect(drawn.given.commandId).toBe("id1");
  }
});

test("what is remembered is bounded, and the newest is kept", () => {
  const { commands } = prepare();
  for (let n = 0; n < 10 * rememberedCommandsMax; n++) {
    commands.acknowledged({ command: "joinRoom", commandId: `id${n}`, room: 1 });
  }
  const random = new Random(5);
  const drawn = new Set(
    Array.from({ length: 2_000 }, () => commands.draw(random)?.given.commandId),
  );
  expect(drawn.size).toBeLessThanOrEqual(rememberedCommandsMax);
  expect(drawn).toContain(`id${10 * rememberedCommandsMax - 1}`);
});
