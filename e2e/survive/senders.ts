// People who write: accounts and rooms that are made once, and clients that are opened for them,
// evenly spread over the servers, as often as a run needs.
import { type Client, createClient } from "../../src/client/index.ts";
import { WireTap } from "./wire-tap.ts";

/** Someone who can log in, and the rooms that this one writes into, in turn. */
export interface Account {
  readonly token: string;
  readonly rooms: readonly string[];
}

/** All that a run needs of the chat. */
export interface Town {
  readonly accounts: readonly Account[];
  readonly rooms: readonly string[];
  /** Of somebody who is in all rooms, and writes nothing. */
  readonly readerToken: string;
}

/** One client with an ear on its wire. */
export interface Sender {
  readonly client: Client;
  readonly tap: WireTap;
  readonly rooms: readonly string[];
}

const password = "correct horse battery";
const roomCount = 3;
const roomsPerPerson = 2;

/**
 * Makes accounts and rooms. Everyone is in two of the three rooms, each pair of rooms with another
 * neighbour.
 */
export async function foundTown(options: {
  readonly addresses: readonly string[];
  readonly people: number;
}): Promise<Town> {
  const { addresses, people } = options;
  const rooms = Array.from({ length: roomCount }, (_, i) => `survive-${i + 1}`);
  const reader = await openAccount(addresses, "reader");
  try {
    for (const room of rooms) {
      await reader.createRoom(room);
      await reader.joinRoom(room);
    }
    const accounts: Account[] = [];
    for (let i = 0; i < people; i++) {
      const client = await openAccount(addresses, `person${i + 1}`);
      const own = Array.from({ length: roomsPerPerson }, (_, k) => rooms[(i + k) % roomCount]!);
      for (const room of own) await client.joinRoom(room);
      accounts.push({ token: client.token ?? "", rooms: own });
      await client.stop();
    }
    return { accounts, rooms, readerToken: reader.token ?? "" };
  } finally {
    await reader.stop();
  }
}

async function openAccount(addresses: readonly string[], username: string): Promise<Client> {
  const client = createClient({ addresses });
  await client.register({ username, password });
  await client.logIn({ username, password });
  client.start();
  await client.ready();
  return client;
}

/** Opens a client for each account, the first at the first server, the next at the next. */
export async function openSenders(
  town: Town,
  addresses: readonly string[],
): Promise<readonly Sender[]> {
  return await Promise.all(
    town.accounts.map(async ({ token, rooms }, i) => {
      const first = i % addresses.length;
      const rotated = [...addresses.slice(first), ...addresses.slice(0, first)];
      const tap = new WireTap();
      const client = createClient({ addresses: rotated, token, connect: tap.connect });
      client.start();
      await client.ready();
      return { client, tap, rooms };
    }),
  );
}
