// Two people on two servers who talk while something else goes wrong, and miss nothing. Judges what
// they said and heard, and that no server has so much as restarted; makes no trouble itself.
import { expect } from "vitest";
import type { Client } from "../src/client/index.ts";
import { eventually } from "../src/testing/index.ts";
import type { Cluster } from "./cluster.ts";
import { judgeServers } from "./judge.ts";
import { Load, openClients } from "./load.ts";

/** A writer on server 1 and a listener on server 2. */
export class Bystanders {
  /** Where they talk; they are its only members. */
  static readonly room = "bystanders";
  readonly #cluster: Cluster;
  readonly #writer: Client;
  readonly #listener: Client;
  readonly #pids: readonly number[];
  readonly #said = new Load(Bystanders.room);
  readonly #heard: string[] = [];

  private constructor(cluster: Cluster, writer: Client, listener: Client) {
    this.#cluster = cluster;
    this.#writer = writer;
    this.#listener = listener;
    this.#pids = cluster.ids.map((id) => cluster.pid(id));
    listener.on("item", ({ content }) => {
      if (content.kind === "message") this.#heard.push(content.body);
    });
  }

  /** Both come in and the first words are said. */
  static async enter(cluster: Cluster): Promise<Bystanders> {
    const { room } = Bystanders;
    const [writer, listener] = await openClients({ addresses: cluster.addresses, count: 2, room });
    const bystanders = new Bystanders(cluster, writer!, listener!);
    await bystanders.#said.send(writer!);
    return bystanders;
  }

  /** The writer's log-in. */
  get token(): string {
    return this.#writer.token ?? "";
  }

  /**
   * Says something more, and expects that all that was ever said here was heard live, stands on
   * every server once, in order and without a gap, and that every server is the process that it
   * was, and ready.
   */
  async expectUnhurt(): Promise<void> {
    await this.#said.send(this.#writer);
    const { acked, failed } = this.#said.result();
    expect(failed).toEqual([]);
    const isHeard = () => this.#heard.length >= acked.length;
    await eventually("the listener to hear it", isHeard, { timeoutMs: 20_000 });
    // Nothing else either: what was refused has left nothing behind.
    expect(this.#heard).toEqual(acked.map(({ body }) => body));
    const { addresses, ids } = this.#cluster;
    const { room } = Bystanders;
    expect(await judgeServers({ addresses, token: this.token, room, acked })).toEqual({
      acked: acked.length,
      lost: 0,
      doubled: 0,
      differences: 0,
    });
    expect(ids.map((id) => this.#cluster.pid(id))).toEqual(this.#pids);
    await this.#cluster.waitReady();
  }

  /** Both go. */
  async leave(): Promise<void> {
    await Promise.all([this.#writer.stop(), this.#listener.stop()]);
  }
}
