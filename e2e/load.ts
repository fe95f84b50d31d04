// A bounded load of people who write, for end-to-end tests, the demo and measurements: opens
// clients spread over the servers, sends at a fixed rate, and remembers what was acknowledged and
// how long each sender waited. Judges nothing.
import { type Client, createClient, RejectedError, untilStored } from "../src/client/index.ts";

/** One acknowledged message. */
export interface AckedMessage {
  readonly commandId: string;
  readonly body: string;
  readonly number: number;
  readonly position: number;
  readonly disks: number;
}

/** What a load came to. */
export interface LoadResult {
  readonly acked: readonly AckedMessage[];
  /** Messages that ended in an error, with its text. */
  readonly failed: readonly string[];
  /** The longest time between a send and its acknowledgement, ms. */
  readonly longestPauseMs: number;
  /** Every send with its wait, in the order of sending. */
  readonly waits: readonly { readonly sentAtMs: number; readonly waitMs: number }[];
}

/**
 * Opens clients with accounts of their own, spread evenly over the servers, all in one new room.
 */
export async function openClients(options: {
  readonly addresses: readonly string[];
  readonly count: number;
  readonly room: string;
  /** Distinguishes the accounts of several calls. */
  readonly prefix?: string;
}): Promise<Client[]> {
  const { addresses, count, room, prefix = "person" } = options;
  const clients: Client[] = [];
  for (let i = 0; i < count; i++) {
    const first = i % addresses.length;
    const rotated = [...addresses.slice(first), ...addresses.slice(0, first)];
    const client = createClient({ addresses: rotated });
    const account = { username: `${prefix}${i}`, password: "correct horse battery" };
    await client.register(account);
    await client.logIn(account);
    client.start();
    await client.ready();
    if (i === 0) await client.createRoom(room).catch(unlessTaken);
    await client.joinRoom(room);
    clients.push(client);
  }
  return clients;
}

function unlessTaken(error: unknown): void {
  if (!(error instanceof RejectedError) || error.code !== "NAME_TAKEN") throw error;
}

/** Messages on their way, and what has become of the others. */
export class Load {
  readonly #acked: AckedMessage[] = [];
  readonly #failed: string[] = [];
  readonly #waits: { sentAtMs: number; waitMs: number }[] = [];
  readonly #open = new Set<Promise<void>>();
  readonly #room: string;
  readonly #bodyBytes: number;
  #count = 0;

  /** `bodyBytes`: bodies are filled up to this length. */
  constructor(room: string, options: { readonly bodyBytes?: number } = {}) {
    this.#room = room;
    this.#bodyBytes = options.bodyBytes ?? 0;
  }

  get ackedCount(): number {
    return this.#acked.length;
  }

  /** Sends one message, under a body that no other has. */
  send(client: Client): Promise<void> {
    const body = `message ${this.#count++}`.padEnd(this.#bodyBytes, ".");
    const sentAtMs = performance.now();
    const stored = client.send({ room: this.#room, body }).then(untilStored);
    const sent = stored.then(
      ({ commandId, number, position, disks }) => {
        this.#acked.push({ commandId, body, number, position, disks });
        this.#waits.push({ sentAtMs, waitMs: performance.now() - sentAtMs });
      },
      (error: unknown) => {
        this.#failed.push(`${body}: ${String(error)}`);
      },
    );
    this.#open.add(sent);
    return sent.finally(() => this.#open.delete(sent));
  }

  /** Waits until nothing is under way, and answers what all came to. */
  async finish(): Promise<LoadResult> {
    await Promise.all(this.#open);
    return this.result();
  }

  /** What has come of it so far. */
  result(): LoadResult {
    const waits = [...this.#waits].sort((a, b) => a.sentAtMs - b.sentAtMs);
    const longestPauseMs = waits.reduce((longest, { waitMs }) => Math.max(longest, waitMs), 0);
    return { acked: [...this.#acked], failed: [...this.#failed], longestPauseMs, waits };
  }
}

/**
 * Sends `total` messages at a fixed rate, in turn through all clients; resolves when all are sent,
 * not yet answered.
 */
export async function sendAtRate(
  load: Load,
  options: {
    readonly clients: readonly Client[];
    readonly total: number;
    readonly perSecond: number;
    /** Hears how many have been sent. */
    readonly onSent?: (count: number) => void;
  },
): Promise<void> {
  const startMs = performance.now();
  let sent = 0;
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const due = Math.min(
        options.total,
        Math.floor(((performance.now() - startMs) / 1000) * options.perSecond),
      );
      while (sent < due) {
        void load.send(options.clients[sent % options.clients.length]!);
        sent += 1;
        options.onSent?.(sent);
      }
      if (sent < options.total) return;
      clearInterval(timer);
      resolve();
    }, 5);
  });
}

/** Keeps so many messages under way until `stopped` says so. */
export async function sendWindow(
  load: Load,
  options: {
    readonly clients: readonly Client[];
    readonly outstanding: number;
    readonly stopped: () => boolean;
  },
): Promise<void> {
  const lane = async (client: Client): Promise<void> => {
    while (!options.stopped()) await load.send(client);
  };
  await Promise.all(
    Array.from({ length: options.outstanding }, (_, i) =>
      lane(options.clients[i % options.clients.length]!),
    ),
  );
}
