// O3: a cluster that has lost more than it can bear. A backup becomes a cluster of any size again;
// one surviving disk goes on alone; a lost disk that turns up adds what only it had. Real servers.
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Client, createClient } from "../src/client/index.ts";
import { createTemporaryFolder, type TemporaryFolder } from "../src/testing/index.ts";
import { findFreePorts, type ServerPlace } from "./cluster.ts";
import { judgeServers, readWholeTimeline, type Verdict } from "./judge.ts";
import { type AckedMessage, Load, openClients, sendWindow } from "./load.ts";
import { type RunResult, runProgram } from "./program.ts";
import { GrowingCluster } from "./survive/growing-cluster.ts";
import { verifyDigests } from "./survive/operator.ts";
import { waitWhole } from "./survive/whole.ts";

const host = "127.0.0.1";
const room = "disaster";

/** Five places for servers; which of them found a cluster is for each life to say. */
async function makePlaces(): Promise<Omit<ServerPlace, "dataFolder">[]> {
  const ports = await findFreePorts(10);
  return Array.from({ length: 5 }, (_, i) => ({
    id: i + 1,
    clientAddress: `http://${host}:${ports[i]}`,
    peerAddress: `${host}:${ports[5 + i]}`,
  }));
}

async function start(cluster: GrowingCluster, ids: readonly number[]): Promise<void> {
  for (const id of ids) cluster.start(id);
  await waitWhole(cluster, ids);
}

/** All messages of all, each with a body of its own. */
const load = new Load(room);

/** Sends more, and answers all that were acknowledged so far. */
async function sendMany(clients: readonly Client[], count: number): Promise<AckedMessage[]> {
  let sent = 0;
  await sendWindow(load, { clients, outstanding: 8, stopped: () => sent++ >= count });
  const { acked, failed } = await load.finish();
  expect(failed).toEqual([]);
  return [...acked];
}

function expectWhole(verdict: Verdict, acked: readonly AckedMessage[]): void {
  expect(verdict).toEqual({ acked: acked.length, lost: 0, doubled: 0, differences: 0 });
}

/** What a command that must refuse says. */
async function refusal(...words: readonly string[]): Promise<string> {
  const { code, stderr } = await runProgram(words);
  expect([code, stderr.split("\n").length]).toEqual([code === 2 ? 2 : 1, 2]);
  return stderr;
}

async function succeed(...words: readonly string[]): Promise<RunResult> {
  const result = await runProgram(words);
  if (result.code !== 0) throw new Error(`holdfast ${words.join(" ")}: ${result.stderr}`);
  return result;
}

/** Client addresses of servers, for `--to`. */
function to(cluster: GrowingCluster, ...ids: readonly number[]): string {
  return ids.map((id) => cluster.server(id).clientAddress.slice(7)).join(",");
}

let temporary: TemporaryFolder;
let places: Omit<ServerPlace, "dataFolder">[];
let cluster: GrowingCluster;
let clients: Client[];
let acked: AckedMessage[];
let token: string;

beforeAll(async () => {
  temporary = createTemporaryFolder();
  places = await makePlaces();
  cluster = new GrowingCluster(places, temporary, [1, 2, 3]);
  await start(cluster, [1, 2, 3]);
  const { addresses } = cluster.desk;
  clients = await openClients({ addresses, count: 3, room });
  token = clients[0]!.token ?? "";
  acked = await sendMany(clients, 150);
});

afterAll(async () => {
  await Promise.all(clients.map((client) => client.stop()));
  await cluster.close();
});

describe("O3: backup and restore", () => {
  it("a backup becomes one server, two join it, and all have what the old ones had", async () => {
    const { addresses, dataFolder } = cluster.desk;
    const file = join(temporary.path, "one.backup");
    const from = ["--to", to(cluster, 1, 2, 3), "--data", dataFolder];
    await succeed("backup", file, ...from);

    const other = createTemporaryFolder();
    const newCluster = new GrowingCluster(await makePlaces(), other, [1]);
    try {
      const { clientAddress, peerAddress, dataFolder: data } = newCluster.server(1);
      const words = ["restore", file, "--data", data];
      const ports = ["--client-port", new URL(clientAddress).port];
      ports.push("--peer-port", peerAddress.slice(peerAddress.indexOf(":") + 1));
      const damaged = join(temporary.path, "damaged.backup");
      const bytes = readFileSync(file);
      bytes[bytes.length - 1_000]! ^= 1;
      writeFileSync(damaged, bytes);
      expect(await refusal("restore", damaged, "--data", data)).toContain("checksum does not fit");
      expect(existsSync(data)).toBe(false);

      const { stdout } = await succeed(...words, ...ports);
      expect(stdout).toContain("3 people, 4 rooms, 150 messages");
      expect(stdout).toContain("a new cluster e2e");
      expect(await refusal(...words, ...ports)).toContain("is not empty");
      await start(newCluster, [1]);
      await newCluster.join(2);
      await newCluster.join(3);
      // The log-ins of the old cluster are good here.
      const verdict = await judgeServers({
        addresses: newCluster.desk.addresses,
        token,
        room,
        acked,
      });
      expectWhole(verdict, acked);
      expect(await verifyDigests(newCluster.desk)).toBe(true);
    } finally {
      await newCluster.close();
    }
    expectWhole(await judgeServers({ addresses, token, room, acked }), acked);
  });
});

describe("O3: a majority that is lost for good", () => {
  /** Written to server 3 alone, after the two others had died. */
  const held = ["only here", "and this"];
  const lostFolder = () => join(temporary.path, "lost");

  it("recover refuses what is not lost", async () => {
    const data = cluster.server(1).dataFolder;
    expect(await refusal("recover", "--data", data)).toContain("--dry-run");
    expect(await refusal("recover", "--dry-run")).toContain("--data");
    expect(await refusal("recover", "--data", data, "--yes")).toContain("is in use by");
    await cluster.kill(1);
    expect(await refusal("recover", "--data", data, "--yes")).toContain("the cluster is not lost");
    const { stdout } = await succeed("recover", "--data", data, "--dry-run");
    expect(stdout).toContain("these answer, so the cluster is not lost");
    cluster.start(1);
    await waitWhole(cluster, [1, 2, 3]);
    expect(await refusal("import-lost", data, "--data", data, "--to", to(cluster, 2))).toContain(
      "is in use by",
    );
  });

  it("from one disk of three everything goes on that was acknowledged", async () => {
    acked = await sendMany(clients, 100);
    await Promise.all(clients.map((client) => client.stop()));
    await cluster.killAll([1, 2]);
    await holdAtThree();
    await cluster.kill(3);
    // Server 2 is gone with its disk; that of server 3 turns up later.
    rmSync(cluster.server(2).dataFolder, { recursive: true });
    renameSync(cluster.server(3).dataFolder, lostFolder());

    const data = cluster.server(1).dataFolder;
    const dryRun = await succeed("recover", "--data", data, "--dry-run", "--show");
    expect(dryRun.stdout).toMatch(/given up\s+2 \(.*\), 3 \(/);
    expect(dryRun.stdout).toContain("3 people, 4 rooms, 250 messages");
    expect(dryRun.stdout).toContain("Nothing was changed.");
    expect((await succeed("recover", "--data", data, "--yes")).stdout).toContain("Done: server 1");
    expect((await succeed("recover", "--data", data, "--yes")).stdout).toContain("nothing to do");

    cluster = new GrowingCluster(places, temporary, [1]);
    await start(cluster, [1]);
    await cluster.join(4);
    await cluster.join(5);
    const { addresses } = cluster.desk;
    expectWhole(await judgeServers({ addresses, token, room, acked }), acked);
  });

  /** Its answer comes when island mode has begun. */
  async function holdAtThree(): Promise<void> {
    const client = createClient({ addresses: [cluster.server(3).clientAddress], token });
    client.start();
    try {
      for (const body of held) {
        expect((await client.send({ room, body })).status).toBe("held");
      }
    } finally {
      await client.stop();
    }
  }

  it("a lost disk adds what only it had, once, and is never of use otherwise", async () => {
    const { addresses, dataFolder } = cluster.desk;
    const words = ["import-lost", lostFolder(), "--data", dataFolder, "--to", to(cluster, 1, 4, 5)];
    const first = await succeed(...words);
    expect(first.stdout).toContain(`${held.length} were brought into their rooms`);
    expect(first.stdout).toContain("250 were in the cluster already");
    const again = await succeed(...words);
    expect(again.stdout).toContain("0 were brought into their rooms");
    expect(again.stdout).toContain("252 were in the cluster already");
    expectWhole(await judgeServers({ addresses, token, room, acked }), acked);
    const last = acked.length + held.length;
    const ask = { address: addresses[1]!, token, room, untilNumber: last };
    const bodies = (await readWholeTimeline(ask)).flatMap(({ content }) =>
      content.kind === "message" ? [content.body] : [],
    );
    expect(bodies.slice(-held.length)).toEqual(held);
    expect(await verifyDigests(cluster.desk)).toBe(true);
    expect(await refusal("recover", "--data", lostFolder(), "--yes")).toContain(
      "holdfast import-lost",
    );
  });

  it("the folder of a member, and one of other people, are refused", async () => {
    const { dataFolder } = cluster.desk;
    await cluster.terminate(5);
    const rest = ["--to", to(cluster, 1, 4), "--data", dataFolder];
    expect(await refusal("import-lost", cluster.server(5).dataFolder, ...rest)).toContain(
      "start it",
    );
    cluster.start(5);
    await waitWhole(cluster, [1, 4, 5]);
    const token = ["--operator-token", "hfop_of_another_cluster"];
    expect(await refusal("import-lost", lostFolder(), ...rest.slice(0, 2), ...token)).toMatch(
      /operator token|not descend/,
    );
  });
});
