// A cluster of real servers that grows and shrinks: places for servers, of which the first few are
// founded by `serve` and every other one comes in by `join` with a token. Decides nothing.
import {
  createTemporaryFolder,
  eventually,
  type TemporaryFolder,
} from "../../src/testing/index.ts";
import { Cluster, findFreePorts, type ServerPlace } from "../cluster.ts";
import { RunningProgram } from "../program.ts";
import { createJoinToken, type OperatorDesk, removeMember } from "./operator.ts";
import { waitWhole } from "./whole.ts";

const host = "127.0.0.1";
/** How long a server that was removed may take to find out and to end, ms. */
const endTimeoutMs = 30_000;

/** Places for servers, not all of which are members. Make it with `openGrowingCluster`. */
export class GrowingCluster extends Cluster {
  readonly #founders: readonly number[];
  #members: number[];
  /** With which a server comes in at its first start. */
  readonly #tokens = new Map<number, string>();

  constructor(
    places: readonly Omit<ServerPlace, "dataFolder">[],
    temporary: TemporaryFolder,
    founders: readonly number[],
  ) {
    super(places, temporary, {});
    this.#founders = founders;
    this.#members = [...founders];
  }

  /** Ids of the present members. */
  get members(): readonly number[] {
    return this.#members;
  }

  /** Whom an operator asks: any member. */
  get desk(): OperatorDesk {
    const members = this.#members.map((id) => this.server(id));
    const addresses = members.map(({ clientAddress }) => clientAddress);
    return { addresses, dataFolder: members[0]!.dataFolder };
  }

  /** Adds the server of an unused place; resolves when it has a vote and is alive. */
  async join(id: number): Promise<void> {
    this.#tokens.set(id, await createJoinToken(this.desk));
    this.start(id);
    this.#tokens.delete(id);
    this.#members.push(id);
    await waitWhole(this, this.#members);
  }

  /** Takes a server out; resolves when its process has ended by itself and the others are well. */
  async removeForGood(id: number): Promise<void> {
    const { addresses, dataFolder } = this.desk;
    await removeMember({ addresses, dataFolder }, id);
    this.#members = this.#members.filter((member) => member !== id);
    await eventually(`server ${id} to end since it was removed`, () => !this.isRunning(id), {
      timeoutMs: endTimeoutMs,
    });
    await waitWhole(this, this.#members);
  }

  override serveArguments(id: number): string[] {
    const { clientAddress, peerAddress, dataFolder } = this.server(id);
    const token = this.#tokens.get(id);
    const founders = this.#founders.map((founder) => this.server(founder));
    const settings: Record<string, string> = {
      id: String(id),
      "cluster-name": "e2e",
      "client-host": host,
      "client-port": new URL(clientAddress).port,
      "peer-host": host,
      "peer-port": peerAddress.slice(peerAddress.indexOf(":") + 1),
      data: dataFolder,
    };
    if (token !== undefined) {
      settings["to"] = this.desk.addresses.map((address) => address.slice(7)).join(",");
      settings["token"] = token;
    } else if (this.#founders.includes(id)) {
      settings["members"] = founders.map((place) => `${place.id}=${place.peerAddress}`).join(",");
    }
    const options = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, value]);
    return [token === undefined ? "serve" : "join", "--exit-with-parent", ...options];
  }

  protected override launch(id: number): RunningProgram {
    return new RunningProgram(this.serveArguments(id));
  }
}

/** Makes the places and starts the founders. */
export async function openGrowingCluster(options: {
  readonly founders: number;
  readonly places: number;
}): Promise<GrowingCluster> {
  const { founders, places } = options;
  const ports = await findFreePorts(2 * places);
  const servers = Array.from({ length: places }, (_, i) => ({
    id: i + 1,
    clientAddress: `http://${host}:${ports[i]}`,
    peerAddress: `${host}:${ports[places + i]}`,
  }));
  const founderIds = servers.slice(0, founders).map(({ id }) => id);
  const cluster = new GrowingCluster(servers, createTemporaryFolder(), founderIds);
  try {
    for (const id of founderIds) cluster.start(id);
    await waitWhole(cluster, founderIds);
    return cluster;
  } catch (error) {
    await cluster.close();
    throw error;
  }
}
