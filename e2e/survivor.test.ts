// What `acks: live` promises (R5): after two of three servers have been killed under load, in any
// order or at once, the survivor's data folder alone holds every acknowledged message.
import { describe, expect, it } from "vitest";
import { eventually } from "../src/testing/index.ts";
import { startCluster } from "./cluster.ts";
import { type AckedMessage, Load, openClients, sendWindow } from "./load.ts";
import { runProgram } from "./program.ts";

const room = "survivor";

/** Kills two servers under load, and answers what was acknowledged and which folder survives. */
async function killTwo(kills: {
  readonly first: number;
  readonly second: number;
  atOnce: boolean;
}) {
  const cluster = await startCluster();
  const clients = await openClients({ addresses: cluster.addresses, count: 3, room });
  const load = new Load(room);
  let stopped = false;
  const sending = sendWindow(load, { clients, outstanding: 32, stopped: () => stopped });
  const progress = async (count: number): Promise<void> => {
    const target = load.ackedCount + count;
    await eventually(`${target} acknowledged`, () => load.ackedCount >= target, {
      timeoutMs: 30_000,
    });
  };
  await progress(500);
  if (kills.atOnce) {
    await cluster.killAll([kills.first, kills.second]);
  } else {
    await cluster.kill(kills.first);
    await progress(100);
    await cluster.kill(kills.second);
  }
  stopped = true;
  const survivor = cluster.ids.find((id) => id !== kills.first && id !== kills.second)!;
  await cluster.kill(survivor);
  const { acked } = load.result();
  await Promise.all(clients.map((client) => client.stop()));
  await sending;
  return { cluster, acked, folder: cluster.server(survivor).dataFolder };
}

interface InspectedMessage {
  readonly commandId: string;
  readonly body: string;
  readonly number: number;
}

/** What `holdfast inspect --json` tells of a folder, by command id. */
async function inspect(folder: string): Promise<Map<string, InspectedMessage[]>> {
  const { code, stdout, stderr } = await runProgram(["inspect", folder, "--json"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const found = new Map<string, InspectedMessage[]>();
  for (const line of stdout.split("\n").filter((text) => text !== "")) {
    const message = JSON.parse(line) as InspectedMessage;
    if (message.commandId === undefined) continue;
    found.set(message.commandId, [...(found.get(message.commandId) ?? []), message]);
  }
  return found;
}

function expectHeld(found: Map<string, InspectedMessage[]>, acked: readonly AckedMessage[]): void {
  const missing = acked.filter(({ commandId, body, number }) => {
    const held = found.get(commandId) ?? [];
    return held.length !== 1 || held[0]?.body !== body || held[0]?.number !== number;
  });
  expect(missing).toEqual([]);
}

describe("R5: the survivor of three", () => {
  for (const [first, second] of [
    [1, 2],
    [2, 1],
    [1, 3],
    [3, 1],
    [2, 3],
    [3, 2],
  ] as const) {
    it(`holds all acknowledged after ${first}, then ${second} was killed`, async () => {
      const { cluster, acked, folder } = await killTwo({ first, second, atOnce: false });
      try {
        expectHeld(await inspect(folder), acked);
      } finally {
        await cluster.close();
      }
    });
  }

  for (const [first, second] of [
    [1, 2],
    [1, 3],
    [2, 3],
  ] as const) {
    it(`holds all acknowledged after ${first} and ${second} were killed at once`, async () => {
      const { cluster, acked, folder } = await killTwo({ first, second, atOnce: true });
      try {
        expectHeld(await inspect(folder), acked);
      } finally {
        await cluster.close();
      }
    });
  }
});
