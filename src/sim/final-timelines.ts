// Reads, when all clients have stopped, every room's whole timeline on every server by itself: what
// a history is judged against. The reader is a person of its own, who joins all rooms first; those
// joins are in the history like anybody's.
import {
  type Client,
  type ConnectionFactory,
  createClient,
  type Item,
  isRetryable,
  RejectedError,
  type Room,
} from "../client/index.ts";
import type { FinalTimelineRecord, OperationName } from "./history.ts";
import { HistoryRecorder } from "./history-recorder.ts";
import { failureOf } from "./operation-result.ts";
import type { OperationArguments, OperationValues } from "./operation-values.ts";
import { finalReadMs, finalRetryMs, finalRoundsMax, pageItemsMax } from "./workload-limits.ts";
import type { WorkloadWorld } from "./workload-world.ts";

/** Who reads, and how long. */
export interface FinalReading {
  /** The account of the reader; made where there is none. */
  readonly username: string;
  readonly password: string;
  /** Where the reader's own operations are written; default: nowhere. */
  readonly recorder?: HistoryRecorder;
  /** Default 60,000. */
  readonly withinMs?: number;
}

/** A server could not be read in time. */
export class FinalReadError extends Error {
  override name = "FinalReadError";
}

/**
 * Items of a first page: so few that they fit a page of the largest bodies, which is cut to half a
 * MiB from its oldest end.
 */
const firstPageItems = 24;

/**
 * Every room on every one of these servers, for the `auditor` of a workload (or another account).
 * Call it when the workload has finished. Where servers do not agree it looks again some times,
 * since what was under way at the end may still arrive; then it answers what there is. Rejects with
 * FinalReadError where a server does not answer in time.
 */
export async function readFinalTimelines(
  world: WorkloadWorld,
  addresses: readonly string[],
  { auditor: reading }: { readonly auditor: FinalReading },
): Promise<FinalTimelineRecord[]> {
  const auditor = new Auditor(world, reading);
  try {
    const token = await auditor.prepare();
    let records: FinalTimelineRecord[] = [];
    for (let round = 1; round <= finalRoundsMax; round++) {
      records = await auditor.readAll(addresses, token);
      if (isSame(records, addresses.length)) break;
      await auditor.wait();
    }
    return records;
  } finally {
    await auditor.stop();
  }
}

/** Whether all servers tell of the same rooms with the same number of items and members. */
function isSame(records: readonly FinalTimelineRecord[], servers: number): boolean {
  const told = new Map<number, { readonly text: string; readonly count: number }>();
  for (const { roomId, lastNumber, memberCount, items } of records) {
    const text = `${lastNumber} ${memberCount} ${items.length}`;
    const before = told.get(roomId);
    if (before !== undefined && before.text !== text) return false;
    told.set(roomId, { text, count: (before?.count ?? 0) + 1 });
  }
  return [...told.values()].every(({ count }) => count === servers);
}

interface ServerReader {
  readonly server: number;
  readonly client: Client;
  readonly rooms: ReadonlyMap<number, Room>;
}

/** The person who reads. */
class Auditor {
  readonly recorder: HistoryRecorder;
  readonly #world: WorkloadWorld;
  readonly #reading: FinalReading;
  readonly #deadlineMs: number;
  readonly #clients: Client[] = [];
  #userId = 0;

  constructor(world: WorkloadWorld, reading: FinalReading) {
    this.#world = world;
    this.#reading = reading;
    this.recorder = reading.recorder ?? new HistoryRecorder({ nowNs: () => world.nowNs() });
    this.#deadlineMs = world.clock.monotonicMs() + (reading.withinMs ?? finalReadMs);
  }

  /** Joins all rooms. The token is of after that, so each server must have it all to let it in. */
  async prepare(): Promise<string> {
    const { addresses, connect } = this.#world;
    const { username, password } = this.#reading;
    const client = this.#open({ addresses, connect });
    await this.#insist("register", async () => {
      try {
        await this.#record("register", { username }, () => client.register({ username, password }));
      } catch (error) {
        if (!(error instanceof RejectedError) || error.code !== "NAME_TAKEN") throw error;
      }
    });
    await this.#logIn(client);
    client.start();
    const rooms = await this.#insist("list the rooms", () => client.listRooms());
    for (const { name: room, joined } of rooms) {
      if (joined) continue;
      await this.#insist(`join ${room}`, () =>
        this.#record("joinRoom", { room }, () => client.joinRoom(room)),
      );
    }
    const token = await this.#logIn(client);
    await client.stop();
    return token;
  }

  async readAll(addresses: readonly string[], token: string): Promise<FinalTimelineRecord[]> {
    const readers: ServerReader[] = [];
    for (const address of addresses) readers.push(await this.#openReader(address, token));
    const roomIds = new Set(readers.flatMap(({ rooms }) => [...rooms.keys()]));
    const records: FinalTimelineRecord[] = [];
    // Room by room, so that equal items of different servers are found to be the same.
    for (const roomId of [...roomIds].sort((a, b) => a - b)) {
      for (const reader of readers) {
        const room = reader.rooms.get(roomId);
        if (room !== undefined) records.push(await this.#readRoom(reader, room));
      }
    }
    for (const { client } of readers) await client.stop();
    return records;
  }

  wait(): Promise<void> {
    return new Promise((resolve) => this.#world.clock.setTimer(finalRetryMs, resolve));
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) await client.stop();
  }

  async #logIn(client: Client): Promise<string> {
    const { username, password } = this.#reading;
    let token = "";
    await this.#insist("log in", () =>
      this.#record("logIn", { username, rightPassword: true }, async () => {
        const logIn = await client.logIn({ username, password });
        token = logIn.token;
        this.#userId = logIn.person.userId;
        return logIn.person;
      }),
    );
    return token;
  }

  async #openReader(address: string, token: string): Promise<ServerReader> {
    const connect = onlyTo(address, this.#world.connect, this.#world.clock);
    const client = this.#open({ addresses: [address], connect, token });
    client.start();
    const rooms = await this.#insist(`list the rooms of ${address}`, () => client.listRooms());
    const server = this.#world.serverOf(address);
    return { server, client, rooms: new Map(rooms.map((room) => [room.roomId, room])) };
  }

  #open(options: {
    readonly addresses: readonly string[];
    readonly connect: ConnectionFactory;
    readonly token?: string;
  }): Client {
    const { transport, clock, clientRandom: random } = this.#world;
    const client = createClient({ ...options, subscribe: false, transport, clock, random });
    this.#clients.push(client);
    return client;
  }

  async #readRoom({ server, client }: ServerReader, listed: Room): Promise<FinalTimelineRecord> {
    const { roomId, name } = listed;
    const items: Item[] = [];
    let room = listed;
    for (;;) {
      const afterNumber = items.at(-1)?.number ?? 0;
      const limit = afterNumber === 0 ? firstPageItems : pageItemsMax;
      const page = await this.#insist(`read ${name} on server ${server}`, async () => {
        try {
          return await client.readTimeline({ room: roomId, afterNumber, limit });
        } catch (error) {
          // This server does not believe that the reader is in the room: it has nothing to show.
          if (error instanceof RejectedError && !isRetryable(error)) return undefined;
          throw error;
        }
      });
      if (page === undefined) break;
      room = page.room;
      if (page.items.length === 0) break;
      items.push(...this.recorder.shareAll(page.items));
    }
    const { ownerId, kind, memberCount, lastNumber } = room;
    return {
      kind: "finalTimeline",
      server,
      roomId,
      room: name,
      ownerId,
      personal: kind === "personal",
      readerId: this.#userId,
      memberCount,
      lastNumber,
      items,
    };
  }

  /** Tries until the time is over; the SDK itself gives up after half a minute. */
  async #insist<Answer>(what: string, attempt: () => Promise<Answer>): Promise<Answer> {
    const { clock } = this.#world;
    for (;;) {
      const leftMs = this.#deadlineMs - clock.monotonicMs();
      if (leftMs <= 0) throw new FinalReadError(`could not ${what} in time`);
      try {
        return await this.#within(leftMs, attempt());
      } catch (error) {
        if (!(error instanceof RejectedError)) throw error;
        if (clock.monotonicMs() >= this.#deadlineMs) {
          throw new FinalReadError(`could not ${what} in time: ${error.message}`);
        }
      }
      await this.wait();
    }
  }

  #within<Answer>(leftMs: number, promise: Promise<Answer>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const timer = this.#world.clock.setTimer(leftMs, () => {
        reject(new RejectedError({ code: "UNAVAILABLE", message: "no answer" }));
      });
      promise.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  async #record<Name extends OperationName, Answer extends OperationValues[Name]>(
    operation: Name,
    args: OperationArguments[Name],
    call: () => Promise<Answer>,
  ): Promise<Answer> {
    const client = `${this.#reading.username}-1.1`;
    const open = this.recorder.begin(client, operation, args);
    try {
      const answer = await call();
      open.succeed(answer);
      return answer;
    } catch (error) {
      open.fail(failureOf(operation, error));
      throw error;
    }
  }
}

/** Connections to one server; the others, of which it tells, cannot be reached. */
function onlyTo(
  address: string,
  connect: ConnectionFactory,
  clock: WorkloadWorld["clock"],
): ConnectionFactory {
  return (wanted, listener) => {
    if (wanted === address) return connect(wanted, listener);
    let isOpen = true;
    clock.setSoon(() => {
      if (isOpen) listener.closed("only one server is to be read");
    });
    return {
      send: () => {},
      close: () => {
        isOpen = false;
      },
    };
  };
}
