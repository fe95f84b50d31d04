// All checkers over what the real gateways, the real chat state and the real SDK do in the
// workload's test world, where servers break and answers are lost but nothing else is: none finds
// anything; and what is then taken out of such a history at random is found.
import { expect, test } from "vitest";
import { Random } from "../../../base/random.ts";
import { readFinalTimelines } from "../../final-timelines.ts";
import type { HistoryRecord } from "../../history.ts";
import { drawWorkload, Workload } from "../../workload.ts";
import { TestWorld } from "../../workload-world.test-support.ts";
import { historyCheckers } from "./index.ts";
import { judge, type Mutable, operationsOf, spoil } from "./test-history.test-support.ts";

function findingsOf(history: readonly HistoryRecord[]): string[] {
  return historyCheckers.flatMap((checker) => judge(checker, history) ?? []);
}

async function runWorkload(seed: number): Promise<readonly HistoryRecord[]> {
  const few = { replayEventsMax: 20 };
  const weather = { unansweredShare: 0.05, troubleMs: 2_000, ...(seed % 2 === 0 && few) };
  const world = new TestWorld(seed, weather);
  const workloadWorld = world.workloadWorld();
  const drawn = drawWorkload(new Random(seed));
  const workload = new Workload(workloadWorld, { ...drawn, thinkMs: 60, burstMessages: 5 });
  workload.start();
  await world.run(10_000);
  await world.settled(workload.finish(60_000));
  const reading = readFinalTimelines(workloadWorld, world.addresses, workload);
  const timelines = await world.settled(reading);
  return [...workload.history, ...timelines];
}

test.each([1, 2, 3])("find nothing in what the product does: seed %i", async (seed) => {
  const history = await runWorkload(seed);
  expect(history.length).toBeGreaterThan(150);
  expect(findingsOf(history)).toEqual([]);
});

test("find whatever is taken out of it at random", async () => {
  const history = await runWorkload(4);
  const random = new Random(4);
  for (let time = 0; time < 10; time++) {
    for (const take of [takeFromServer, takeFromAll, takeFromPage]) {
      const spoilt = spoil(history, (records) => take(records, random));
      expect(findingsOf(spoilt), take.name).not.toEqual([]);
    }
  }
});

type Records = Mutable<HistoryRecord>[];

function takeFromServer(history: Records, random: Random): void {
  const { items } = draw(random, timelines(history));
  items.splice(random.nextInteger(0, items.length), 1);
}

/** As if it had never been: numbers and counts close up. */
function takeFromAll(history: Records, random: Random): void {
  const acknowledged = operationsOf(history, "send").filter((send) => send.result === "ok");
  const { commandId } = draw(random, acknowledged).value;
  for (const timeline of timelines(history)) {
    timeline.items = timeline.items.filter((item) => item.commandId !== commandId);
    for (const [index, item] of timeline.items.entries()) item.number = index + 1;
    timeline.lastNumber = timeline.items.length;
  }
}

function takeFromPage(history: Records, random: Random): void {
  const reads = operationsOf(history, "readTimeline");
  const { items } = draw(
    random,
    reads.filter((read) => read.result === "ok" && read.value.items.length > 0),
  ).value;
  items.splice(random.nextInteger(0, items.length), 1);
}

function timelines(history: Records) {
  return history.flatMap((record) =>
    record.kind === "finalTimeline" && record.items.length > 0 ? [record] : [],
  );
}

function draw<T>(random: Random, all: readonly T[]): T {
  return all[random.nextInteger(0, all.length)] as T;
}
