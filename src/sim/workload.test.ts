// The whole workload against real gateways over one chat state that never loses anything: what it
// writes down is what happened, however clients, connections and servers behave.
import { expect, test } from "vitest";
import { Random } from "../base/random.ts";
import { type Action, actions } from "./draw-workload.ts";
import { readFinalTimelines } from "./final-timelines.ts";
import type { FinalTimelineRecord, HistoryRecord, OperationRecord } from "./history.ts";
import { historyLine } from "./history-recorder.ts";
import { deviceOf, isOperation, personOf } from "./operation-values.ts";
import { drawWorkload, Workload, type WorkloadOptions } from "./workload.ts";
import { operationsByCommand } from "./workload-operations.ts";
import { TestWorld, type Weather } from "./workload-world.test-support.ts";

const storm: Weather = { unansweredShare: 0.05, troubleMs: 2_000 };

/** A busy workload that knows every action. */
function busy(seed: number, overrides: Partial<WorkloadOptions> = {}): WorkloadOptions {
  const drawn = drawWorkload(new Random(seed));
  const weights = Object.fromEntries(
    actions.map((action) => [action, Math.max(2, drawn.weights[action])]),
  ) as Record<Action, number>;
  return { ...drawn, weights, devices: [2, 1, 1], thinkMs: 60, outboxDelayMs: 20, ...overrides };
}

async function runWorkload(options: {
  readonly seed: number;
  readonly ms: number;
  readonly weather?: Weather;
  readonly workload?: WorkloadOptions;
}) {
  const { seed, ms, weather = storm, workload: drawn = busy(seed) } = options;
  const world = new TestWorld(seed, weather);
  const told: HistoryRecord[] = [];
  const workloadWorld = world.workloadWorld((record) => told.push(record));
  const workload = new Workload(workloadWorld, drawn);
  workload.start();
  await world.run(ms);
  await world.settled(workload.finish(60_000));
  const reading = readFinalTimelines(workloadWorld, world.addresses, workload);
  const timelines = await world.settled(reading);
  return { world, workload, history: workload.history, timelines, told };
}

function operationsOf(history: readonly HistoryRecord[]): OperationRecord[] {
  return history.filter((record) => record.kind === "operation");
}

function messagesOf(timeline: FinalTimelineRecord) {
  return timeline.items.flatMap(({ commandId, number, content, position }) =>
    content.kind === "message"
      ? [{ commandId, roomId: timeline.roomId, number, position, body: content.body }]
      : [],
  );
}

test("the same seed gives the same history, line by line", async () => {
  const run = async () => {
    const { history, timelines } = await runWorkload({ seed: 5, ms: 15_000 });
    return [...history, ...timelines].map(historyLine);
  };
  const lines = await run();
  expect(lines.length).toBeGreaterThan(300);
  expect(await run()).toEqual(lines);
});

test("another seed gives another history", async () => {
  const [one, two] = [
    await runWorkload({ seed: 1, ms: 500 }),
    await runWorkload({ seed: 2, ms: 500 }),
  ];
  expect(one.history.map(historyLine)).not.toEqual(two.history.map(historyLine));
});

test("each command of the state machine is applied, by the operations that the table names", async () => {
  const { world, history } = await runWorkload({ seed: 7, ms: 60_000 });
  for (const [command, operations] of Object.entries(operationsByCommand)) {
    expect(world.accepted.get(command as never) ?? 0, command).toBeGreaterThan(0);
    for (const operation of operations) {
      const isOk = operationsOf(history).some(
        (record) => record.operation === operation && record.result === "ok",
      );
      expect(isOk, `${operation} for ${command}`).toBe(true);
    }
  }
});

test("each operation is seen ok, and each that can be refused is seen refused", async () => {
  const { history } = await runWorkload({ seed: 9, ms: 90_000 });
  const seen = new Set(
    operationsOf(history).map(({ operation, result }) => `${operation} ${result}`),
  );
  const both = ["register", "logIn", "createRoom", "joinRoom", "leaveRoom", "send", "resend"];
  for (const name of [...both, "readTimeline"]) {
    expect(seen).toContain(`${name} ok`);
    expect(seen).toContain(`${name} refused`);
  }
  for (const name of ["logOut", "viewTimeline", "listRooms", "listPeople"]) {
    expect(seen).toContain(`${name} ok`);
  }
});

test.each([11, 12, 13, 14])(
  "what was acknowledged is on every server as it was, what was refused is nowhere (seed %i)",
  async (seed) => {
    const { history, timelines } = await runWorkload({ seed, ms: 30_000 });
    const sends = history.filter((record) => isOperation(record, "send"));
    expect(sends.length).toBeGreaterThan(20);
    const again = history.filter((record) => isOperation(record, "resend"));
    for (const server of [1, 2, 3]) {
      const held = timelines.filter((one) => one.server === server).flatMap(messagesOf);
      const byId = new Map(held.map((message) => [message.commandId, message]));
      expect(byId.size).toBe(held.length);
      for (const send of sends) {
        const message = byId.get(send.arguments.commandId ?? "");
        if (send.result === "refused") expect(message).toBeUndefined();
        if (send.result !== "ok") continue;
        const { roomId, number, position } = send.value ?? {};
        expect(message).toMatchObject({ roomId, number, position, body: send.arguments.body });
      }
      for (const { arguments: args, result, value } of again) {
        if (args.content === "other") expect(result).not.toBe("ok");
        if (args.command !== "sendMessage" || result !== "ok") continue;
        const { roomId, number } = value ?? {};
        expect(byId.get(args.commandId)).toMatchObject({ roomId, number, body: args.body });
      }
      const bodies = new Set(sends.map((send) => send.arguments.body));
      for (const { body } of held) expect(bodies).toContain(body);
    }
  },
);

test.each([21, 22])(
  "ok sends of a device are stored in the order of their calls (seed %i)",
  async (seed) => {
    const { history } = await runWorkload({ seed, ms: 30_000 });
    const last = new Map<string, number>();
    const sends = history.filter((record) => isOperation(record, "send"));
    for (const { client, result, value } of [...sends].sort((a, b) => a.id - b.id)) {
      if (result !== "ok" || value === undefined) continue;
      expect(value.position).toBeGreaterThan(last.get(deviceOf(client)) ?? 0);
      last.set(deviceOf(client), value.position);
    }
  },
);

test("an operation has a return exactly where its result is known", async () => {
  const { history } = await runWorkload({ seed: 31, ms: 20_000 });
  for (const { callNs, returnNs, result, value, code } of operationsOf(history)) {
    expect(returnNs === null).toBe(result === "unknown");
    if (returnNs !== null) expect(returnNs).toBeGreaterThanOrEqual(callNs);
    expect(value !== undefined).toBe(result === "ok");
    if (result === "refused") expect(code).toMatch(/^[A-Z_]+$/);
  }
  const ids = operationsOf(history).map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

test("everything is told when it is written, and a line is the record as JSON", async () => {
  const { history, told } = await runWorkload({ seed: 32, ms: 5_000 });
  expect(told).toEqual(history);
  for (const record of history) {
    expect(historyLine(record)).not.toContain("\n");
    expect(JSON.parse(historyLine(record))).toEqual(record);
  }
});

test("a client is told items only after it was told to be connected", async () => {
  const { history } = await runWorkload({ seed: 33, ms: 20_000 });
  const connected = new Set<string>();
  for (const record of history) {
    if (record.kind === "connected") connected.add(record.client);
    if (record.kind !== "delivery" && record.kind !== "reloaded") continue;
    expect(connected).toContain(record.client);
    if (record.kind === "delivery") expect(record.userId).toBeGreaterThan(0);
  }
  expect(connected.size).toBeGreaterThan(4);
});

test("whoever misses too much is written as not recovered, then as reloaded", async () => {
  const weather = { unansweredShare: 0, troubleMs: 1_000, replayEventsMax: 2 };
  const { history } = await runWorkload({ seed: 34, ms: 30_000, weather });
  const ofClients = Map.groupBy(
    history.filter(({ kind }) => kind === "connected" || kind === "reloaded"),
    (record) => ("client" in record ? record.client : ""),
  );
  let reloads = 0;
  for (const records of ofClients.values()) {
    for (const [i, record] of records.entries()) {
      const before = records[i - 1];
      const isAfterGap = before?.kind === "connected" && !before.recovered;
      expect(record.kind === "reloaded").toBe(isAfterGap);
      if (isAfterGap) reloads++;
    }
  }
  expect(reloads).toBeGreaterThan(0);
});

test("a killed device finds messages that were stored already, and they are stored once", async () => {
  const workload = busy(35, { outboxDelayMs: 100 });
  const { weights } = workload;
  const { history } = await runWorkload({
    seed: 35,
    ms: 60_000,
    workload: { ...workload, weights: { ...weights, changeServer: 60 } },
  });
  const again = history.filter((record) => isOperation(record, "resend"));
  const found = again.filter(({ client, result }) => !client.endsWith("u") && result === "ok");
  expect(found.length).toBeGreaterThan(0);
  for (const { value } of found) expect(value?.repeated).toBe(true);
  const lost = history.filter(
    (record) => isOperation(record, "send") && record.result === "unknown",
  );
  expect(lost.length).toBeGreaterThan(0);
});

test("finish ends within its bound when no server can be reached, and what is open is unknown", async () => {
  const world = new TestWorld(41, { unansweredShare: 0, troubleMs: 0 });
  const workload = new Workload(world.workloadWorld(), busy(41, { outboxDelayMs: 0 }));
  workload.start();
  await world.run(5_000);
  for (const server of [1, 2, 3]) world.network.faults.cut(server);
  await world.run(3_000);
  const beforeMs = world.time.nowMs;
  await world.settled(workload.finish(2_000));
  expect(world.time.nowMs - beforeMs).toBeLessThan(2_100);
  expect(operationsOf(workload.history).some(({ result }) => result === "unknown")).toBe(true);
  const records = workload.history.length;
  await world.run(60_000);
  expect(workload.history.length).toBe(records);
});

test("after finish nothing is written any more, though servers are well", async () => {
  const { world, workload } = await runWorkload({ seed: 42, ms: 3_000 });
  const records = workload.history.length;
  await world.run(60_000);
  expect(workload.history.length).toBe(records);
});

test("clients of a history name their device and their person", () => {
  expect(deviceOf("p3-2.14u")).toBe("p3-2");
  expect(personOf("p3-2.14u")).toBe("p3");
  expect(personOf("a-b-1.1")).toBe("a-b");
});
