// What the tests of the whole client share: a client over the fake cluster, and ways to look at
// promises without waiting for them.
import { type Client, type ClientOptions, createClient } from "./client.ts";
import type { RejectedError } from "./errors.ts";
import { FakeCluster } from "./fake-cluster.test-support.ts";
import { seededRandom } from "./manual-clock.test-support.ts";
import { type Item, untilStored } from "./types.ts";

/** One test's cluster and clients. */
export class ClientRig {
  readonly cluster: FakeCluster;

  constructor(cluster = new FakeCluster()) {
    this.cluster = cluster;
  }

  /** A client of ada's that is not started. */
  make(options: Partial<ClientOptions> = {}): Client {
    return createClient({
      addresses: this.cluster.servers.map(({ address }) => address),
      token: "token-ada",
      connect: this.cluster.connect,
      clock: this.cluster.clock,
      random: seededRandom(1),
      ...options,
    });
  }

  /** A started client in room 1, "general", connected to server 1 if that is up. */
  async makeInRoom(options: Partial<ClientOptions> = {}): Promise<Client> {
    const client = this.make(options);
    client.start();
    const created = client.createRoom("general");
    await this.cluster.settle();
    await created;
    return client;
  }

  /** The requests of one kind that have reached servers. */
  requestsOf(kind: string) {
    return this.cluster.requests.filter(({ request }) => request.body.case === kind);
  }

  /** The value of a promise that needs the cluster to move. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    await this.cluster.settle();
    return promise;
  }
}

/** How a promise stands. */
export interface Outcome<T> {
  value?: T;
  error?: RejectedError;
}

/** How a promise stands, now and later. */
export function watch<T>(promise: Promise<T>): Outcome<T> {
  const outcome: Outcome<T> = {};
  promise.then(
    (value) => {
      outcome.value = value;
    },
    (error: RejectedError) => {
      outcome.error = error;
    },
  );
  return outcome;
}

/** Sends messages to "general", one after the other; answers how being stored stands. */
export function sendAll(client: Client, bodies: readonly string[]) {
  return bodies.map((body) => watch(client.send({ room: "general", body }).then(untilStored)));
}

/** The texts of the messages among items. */
export function texts(items: readonly Item[]): string[] {
  return items.flatMap(({ content }) => (content.kind === "message" ? [content.body] : []));
}
