// S5: a server whose files have rotted comes back by itself, says what it found, and in the end
// holds what the others hold; nothing that was acknowledged is lost. Real processes, real files.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../src/base/random.ts";
import { type Client, untilStored } from "../src/client/index.ts";
import { eventually } from "../src/testing/index.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { type Place, rotByte, rotText, rotUsedByte } from "./damage.ts";
import { judgeServers } from "./judge.ts";
import { Load, openClients, sendWindow } from "./load.ts";
import { verifyDigests } from "./survive/operator.ts";
import { waitWhole } from "./survive/whole.ts";

const room = "healing";
const healTimeoutMs = 20_000;
/** Enough that the log, the state and a snapshot have a middle. */
const messagesBefore = 600;
/** Written after each damage, so that the healed servers go on. */
const messagesAfter = 20;

/** Three servers that people write to, and what was acknowledged. */
class Ward {
  readonly cluster: Cluster;
  readonly #clients: readonly Client[];
  readonly #load = new Load(room, { bodyBytes: 200 });

  constructor(cluster: Cluster, clients: readonly Client[]) {
    this.cluster = cluster;
    this.#clients = clients;
  }

  async send(count: number): Promise<void> {
    let sent = 0;
    const stopped = (): boolean => sent++ >= count;
    await sendWindow(this.#load, { clients: this.#clients, outstanding: 16, stopped });
  }

  /** A message that a server without a majority has accepted, and the promise that it is stored. */
  async hold(body: string): Promise<{ readonly stored: Promise<unknown> }> {
    const receipt = await this.#clients[0]!.send({ room, body });
    expect(receipt.status).toBe("held");
    return { stored: untilStored(receipt) };
  }

  folder(id: number, ...path: readonly string[]): string {
    return join(this.cluster.server(id).dataFolder, ...path);
  }

  /** The newest file with this ending that holds anything: a segment is made ahead of need. */
  newest(id: number, folder: string, ending: string): string {
    const path = this.folder(id, folder);
    const names = readdirSync(path).filter((name) => name.endsWith(ending));
    const isUsed = (name: string): boolean =>
      readFileSync(join(path, name)).some((byte) => byte > 0);
    const name = names.toSorted().findLast(isUsed);
    if (name === undefined) throw new Error(`${path} has no used file that ends in ${ending}`);
    return join(path, name);
  }

  /** A follower: most of what can go wrong does so at either, and nobody waits for an election. */
  async follower(): Promise<number> {
    const leader = await waitWhole(this.cluster);
    return this.cluster.ids.find((id) => id !== leader)!;
  }

  /** Stops servers, changes their files, starts them; answers what they have logged since. */
  async damage(
    ids: readonly number[],
    how: "kill" | "stop",
    rot: () => void,
  ): Promise<() => string> {
    const { cluster } = this;
    if (how === "kill") await cluster.killAll(ids);
    else await Promise.all(ids.map((id) => cluster.terminate(id)));
    rot();
    const before = ids.map((id) => cluster.log(id).length);
    for (const id of ids) cluster.start(id);
    return () => ids.map((id, i) => cluster.log(id).slice(before[i])).join("\n");
  }

  /** Waits until all servers are well and the same; what was acknowledged is there. */
  async expectHealed(): Promise<void> {
    const { cluster } = this;
    await waitWhole(cluster);
    await this.send(messagesAfter);
    const { addresses } = cluster;
    const desk = { addresses, dataFolder: this.folder(1) };
    const areEqual = (): Promise<boolean> => verifyDigests(desk).catch(() => false);
    await eventually("equal digests", areEqual, { timeoutMs: healTimeoutMs });
    await waitWhole(cluster);
    for (const id of cluster.ids) {
      const own = (await cluster.status(id))?.find(({ replicaId }) => replicaId === id);
      expect(own?.condition ?? "").toBe("");
    }
    const token = this.#clients[0]?.token ?? "";
    const { acked, failed } = this.#load.result();
    expect(failed).toEqual([]);
    const verdict = await judgeServers({ addresses, token, room, acked });
    expect(verdict).toEqual({ acked: acked.length, lost: 0, doubled: 0, differences: 0 });
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.stop()));
    await this.cluster.close();
  }
}

async function openWard(settings: Readonly<Record<string, string>>): Promise<Ward> {
  const cluster = await startCluster({ settings });
  try {
    const clients = await openClients({ addresses: cluster.addresses, count: 3, room });
    const ward = new Ward(cluster, clients);
    await ward.send(messagesBefore);
    return ward;
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

let ward: Ward;

describe("S5: what a server must not forget", () => {
  beforeAll(async () => {
    ward = await openWard({ "island-after-ms": "1000" });
  });
  afterAll(() => ward.close());

  for (const name of ["identity", "vote"]) {
    for (const [copy, place] of [
      ["first", "first"],
      ["second", "last"],
    ] as const) {
      it(`${name}: the ${copy} copy is mended from the other`, async () => {
        const id = await ward.follower();
        const rot = (): void => rotUsedByte(ward.folder(id, name), place);
        const said = await ward.damage([id], "kill", rot);
        await ward.expectHealed();
        expect(said()).toMatch(new RegExp(`${name} is damaged at byte \\d+: .* is mended`));
      });
    }

    it(`${name}: with both copies damaged the server comes back as a newcomer`, async () => {
      const id = await ward.follower();
      const said = await ward.damage([id], "kill", () => {
        rotUsedByte(ward.folder(id, name), "first");
        rotUsedByte(ward.folder(id, name), "last");
      });
      await ward.expectHealed();
      expect(said()).toContain("begins anew, as a newcomer");
    });
  }

  for (const place of ["first", "middle", "last"] as const satisfies readonly Place[]) {
    it(`log: the ${place} byte of what was written`, async () => {
      const id = await ward.follower();
      const rot = (): void => rotUsedByte(ward.newest(id, "log", ".seg"), place);
      const said = await ward.damage([id], "kill", rot);
      await ward.expectHealed();
      // What is left of a last record looks like one that a crash has cut short.
      const found = place === "last" ? /may be lost; they are fetched/ : /\.seg is damaged at byte/;
      expect(said()).toMatch(found);
    });
  }

  it("island log: what was held is stored, though its only disk has lost it", async () => {
    const { cluster } = ward;
    const [lost, id] = [await ward.follower(), await waitWhole(cluster)];
    const other = cluster.ids.find((each) => each !== lost && each !== id)!;
    await cluster.killAll([lost, other]);
    const { stored } = await ward.hold("written on an island");
    const rot = (): void => rotUsedByte(ward.newest(id, "island", ".log"), "middle");
    const said = await ward.damage([id], "kill", rot);
    for (const each of [lost, other]) cluster.start(each);
    await stored;
    await ward.expectHealed();
    expect(said()).toMatch(/island\/items\.log is damaged at byte/);
  });

  it("all three servers at once, each in another file", async () => {
    const [a, b, c] = ward.cluster.ids as [number, number, number];
    const said = await ward.damage([a, b, c], "stop", () => {
      rotUsedByte(ward.newest(a, "log", ".seg"), "middle");
      rotByte(ward.folder(b, "chat.db"), 0);
      rotUsedByte(ward.folder(c, "vote"), "first");
    });
    await ward.expectHealed();
    expect(said()).toMatch(/\.seg is damaged at byte/);
    expect(said()).toContain("chat.db is damaged: it is made anew");
    expect(said()).toMatch(/vote is damaged at byte/);
  });
});

describe("S5: the state and its copies", () => {
  beforeAll(async () => {
    // The log is cut behind snapshots, so that a state cannot be made anew from it alone.
    ward = await openWard({ "checkpoint-bytes": "32768", "log-keep-bytes": "0" });
  });
  afterAll(() => ward.close());

  const random = new Random(20);
  const headerBytes = 100;
  const places: readonly [string, (path: string) => void][] = [
    ["its first byte", (path) => rotByte(path, 0)],
    ["the schema", (path) => rotByte(path, headerBytes)],
    ["any byte", (path) => rotByte(path, random.nextInteger(0, statSync(path).size))],
    ["its last byte", (path) => rotUsedByte(path, "last")],
  ];
  for (const [place, rot] of places) {
    it(`chat.db: ${place}`, async () => {
      const id = await ward.follower();
      await ward.damage([id], "stop", () => rot(ward.folder(id, "chat.db")));
      await ward.expectHealed();
    });
  }

  it("chat.db: what somebody wrote is another text, and SQLite sees nothing amiss", async () => {
    const id = await ward.follower();
    const rot = (): void => rotText(ward.folder(id, "chat.db"), "message 7.");
    const said = await ward.damage([id], "stop", rot);
    await ward.expectHealed();
    expect(said()).toContain("the state of this server differs from the others'");
  });

  it("chat.db: the same while the server runs", async () => {
    const id = await ward.follower();
    // A stop brings what is in the WAL into the file, which is read from then on.
    const said = await ward.damage([id], "stop", () => undefined);
    await waitWhole(ward.cluster);
    rotText(ward.folder(id, "chat.db"), "message 8.");
    await ward.expectHealed();
    expect(said()).toContain("the state of this server differs from the others'");
  });

  it("snapshots: rotten ones are given to nobody", async () => {
    const { cluster } = ward;
    const leader = await waitWhole(cluster);
    const [giver, other] = cluster.ids.filter((id) => id !== leader) as [number, number];
    const said = await ward.damage([giver, other], "stop", () => {
      rotUsedByte(ward.newest(giver, "snapshots", ".snap"), "middle");
      rotByte(ward.folder(other, "chat.db"), 0);
    });
    await ward.expectHealed();
    expect(said()).toContain("chat.db is damaged: it is made anew");
  });

  it("snapshots: what they are is unreadable", async () => {
    const id = await ward.follower();
    const rot = (): void => rotUsedByte(ward.newest(id, "snapshots", ".meta"), "middle");
    await ward.damage([id], "stop", rot);
    await ward.expectHealed();
  });
});
