// The outbox of a device: what a stop keeps, what a kill loses.
import { expect, test } from "vitest";
import type { OutboxMessage } from "../client/index.ts";
import { DeviceOutbox } from "./device-outbox.ts";
import { drain } from "./globals.ts";
import { VirtualTime } from "./virtual-time.ts";

function message(n: number): OutboxMessage {
  return { commandId: n.toString(16).padStart(32, "0"), room: 1, body: `m${n}`, writtenAtMs: 0 };
}

function prepare(delayMs: number) {
  const time = new VirtualTime();
  const clock = {
    monotonicMs: () => time.nowMs,
    wallMs: () => time.nowMs,
    setTimer: (afterMs: number, callback: () => void) => time.at(afterMs, callback),
    setSoon: (callback: () => void) => void time.at(0, callback),
  };
  const outbox = new DeviceOutbox(clock, delayMs);
  const loaded: string[][] = [];
  const open = () =>
    outbox.openLife({
      saved: () => {},
      loaded: (messages) => loaded.push(messages.map(({ body }) => body)),
    });
  const runAll = async () => {
    while (time.step()) await drain();
    await drain();
  };
  return { outbox, open, loaded, runAll };
}

test.each([0, 10])(
  "what was saved and not removed is loaded in order (delay %i)",
  async (delayMs) => {
    const { open, loaded, runAll } = prepare(delayMs);
    const first = open();
    for (const n of [1, 2, 3]) void first.save(message(n));
    void first.remove(message(2).commandId);
    await runAll();
    const found = open().load();
    await runAll();
    expect((await found).map(({ body }) => body)).toEqual(["m1", "m3"]);
    expect(loaded).toEqual([["m1", "m3"]]);
  },
);

test("a kill loses what was not written yet: saves and removals, and nobody waits for them", async () => {
  const { outbox, open, runAll } = prepare(10);
  const first = open();
  void first.save(message(1));
  await runAll();
  const lost = [first.save(message(2)), first.remove(message(1).commandId)];
  first.kill();
  await Promise.all(lost);
  void first.save(message(3));
  await runAll();
  expect([1, 2, 3].map((n) => outbox.has(message(n).commandId))).toEqual([true, false, false]);
});

test("a load in a program that is killed ends with nothing", async () => {
  const { open, loaded } = prepare(10);
  const life = open();
  const found = life.load();
  life.kill();
  expect(await found).toEqual([]);
  expect(loaded).toEqual([]);
});

test("a refused message stays gone, whatever was being written and is killed", async () => {
  for (const writesFirst of [true, false]) {
    const { outbox, open, runAll } = prepare(10);
    const life = open();
    void life.save(message(1));
    if (writesFirst) await runAll();
    void life.remove(message(1).commandId);
    outbox.forget(message(1).commandId);
    life.kill();
    await runAll();
    expect(outbox.has(message(1).commandId)).toBe(false);
  }
});
