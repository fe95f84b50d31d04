// The last reading: whole rooms, each server by itself, and a plain end where one does not answer.
import { expect, test } from "vitest";
import { createClient } from "../client/index.ts";
import { FinalReadError, readFinalTimelines } from "./final-timelines.ts";
import { HistoryRecorder } from "./history-recorder.ts";
import { bodyBytesMax } from "./workload-limits.ts";
import { TestWorld } from "./workload-world.test-support.ts";

const account = { username: "ada", password: "correct horse battery" };
const auditor = { username: "auditor", password: "password of the auditor" };

/** A world in which ada has written these in her own room. */
async function writeAll(bodies: readonly string[]) {
  const world = new TestWorld(1, { unansweredShare: 0, troubleMs: 0 });
  const workloadWorld = world.workloadWorld();
  const { addresses, connect, transport, clock, clientRandom: random } = workloadWorld;
  const client = createClient({ addresses, connect, transport, clock, random });
  const write = async () => {
    await client.register(account);
    await client.logIn(account);
    client.start();
    await Promise.all(bodies.map((body) => client.send({ room: "@ada", body })));
    await client.stop();
  };
  await world.settled(write());
  return { world, workloadWorld };
}

test("a room of large bodies is read whole, in order, on every server", async () => {
  const bodies = Array.from({ length: 150 }, (_, i) => `${i} `.padEnd(bodyBytesMax, "x"));
  const { world, workloadWorld } = await writeAll(bodies);
  const reading = readFinalTimelines(workloadWorld, world.addresses, { auditor });
  const timelines = (await world.settled(reading)).filter(({ room }) => room === "@ada");
  expect(timelines.map(({ server }) => server)).toEqual([1, 2, 3]);
  for (const { items, lastNumber, memberCount, personal, ownerId, readerId } of timelines) {
    expect(items.map(({ number }) => number)).toEqual(items.map((_, i) => i + 1));
    const read = items.flatMap(({ content }) => (content.kind === "message" ? [content.body] : []));
    expect(read).toEqual(bodies);
    expect(lastNumber).toBe(items.length);
    expect({ memberCount, personal, ownerId }).toEqual({
      memberCount: 2,
      personal: true,
      ownerId: 1,
    });
    expect(items.at(-1)).toMatchObject({ authorId: readerId, content: { kind: "joined" } });
  }
});

test("the reader's own joins are operations of the history; a second reading finds them done", async () => {
  const { world, workloadWorld } = await writeAll(["one"]);
  const recorder = new HistoryRecorder({ nowNs: () => 1 });
  const read = () =>
    world.settled(
      readFinalTimelines(workloadWorld, world.addresses, { auditor: { ...auditor, recorder } }),
    );
  const first = await read();
  const joins = recorder.history.filter(
    (record) => record.kind === "operation" && record.operation === "joinRoom",
  );
  expect(joins).toHaveLength(1);
  expect(await read()).toEqual(first);
});

test("a server that does not answer in time is an error that names it", async () => {
  const { world, workloadWorld } = await writeAll(["one"]);
  world.network.faults.cut(2);
  const reading = readFinalTimelines(workloadWorld, world.addresses, {
    auditor: { ...auditor, withinMs: 5_000 },
  });
  const beforeMs = world.time.nowMs;
  await expect(world.settled(reading)).rejects.toThrow(FinalReadError);
  await expect(reading).rejects.toThrow("http://server-2:4801");
  expect(world.time.nowMs - beforeMs).toBeLessThan(6_000);
});
