// What a person at the chat sees of an island: its beginning and end, and what is held meanwhile.
import { expect, test } from "vitest";
import type {
  Client,
  ClientTopics,
  HeldMessage,
  IslandState,
  Item,
  Timeline,
  TimelineChange,
} from "../client/index.ts";
import type { Screen } from "./chat-screen.ts";
import { ChatSession } from "./chat-session.ts";
import { clockTime } from "./item-text.ts";

const timestampMs = 1_700_000_000_000;
const time = clockTime(timestampMs);

function held(body: string, roomId = 1): HeldMessage {
  const author = { authorId: 1, authorUsername: "ada", commandId: body };
  return { roomId, ...author, timestampMs, body, hybridTime: 1n };
}

function item(number: number, body: string): Item {
  const place = { roomId: 1, number, position: number, timestampMs: timestampMs + 60_000 };
  const author = { authorId: 1, authorUsername: "ada", commandId: body };
  return { ...place, ...author, writtenMs: timestampMs, content: { kind: "message", body } };
}

/** A person at a screen whose client says what the test wants. */
class Rig {
  readonly printed: string[] = [];
  island: IslandState = { open: false, servers: 0 };
  pending: { readonly held: boolean }[] = [];
  items: readonly Item[] = [];
  held: readonly HeldMessage[] = [];
  readonly #listeners = new Map<string, (news: never) => void>();
  readonly #typed = Promise.withResolvers<void>();
  #shown: (change: TimelineChange) => void = () => undefined;
  readonly #done: Promise<void>;

  constructor(first: readonly string[], island?: IslandState) {
    if (island !== undefined) this.island = island;
    this.#done = new ChatSession(this.#client(), this.#screen(first), "ada").run();
  }

  #screen(first: readonly string[]): Screen {
    const typed = this.#typed.promise;
    const lines = (async function* () {
      yield* first;
      await typed;
    })();
    return {
      print: (text) => void this.printed.push(text),
      setPrompt: () => undefined,
      eraseTyped: () => undefined,
      close: () => undefined,
      lines,
    };
  }

  #client(): Client {
    const rig = this;
    const timeline = {
      roomId: 1,
      room: { roomId: 1, name: "team" },
      items: () => rig.items,
      held: () => rig.held,
      setAside: () => [],
      subscribe: (listener: (change: TimelineChange) => void) => {
        rig.#shown = listener;
        return () => undefined;
      },
      close: () => undefined,
    } as unknown as Timeline;
    const client = {
      get island() {
        return rig.island;
      },
      store: { getState: () => ({ pending: rig.pending }) },
      on: (topic: string, listener: (news: never) => void) => {
        rig.#listeners.set(topic, listener);
        return () => undefined;
      },
      listRooms: async () => [{ roomId: 2, name: "other" }],
      openRoom: async () => timeline,
    };
    return client as unknown as Client;
  }

  tell<Topic extends keyof ClientTopics>(topic: Topic, news: ClientTopics[Topic]): void {
    (this.#listeners.get(topic) as ((news: ClientTopics[Topic]) => void) | undefined)?.(news);
  }

  show(change: Partial<Pick<Rig, "items" | "held">>): void {
    Object.assign(this, change);
    this.#shown({ kind: "held" });
  }

  /** Lines printed since the last call, when all that was typed has been served. */
  async read(): Promise<string[]> {
    await new Promise((resolve) => setImmediate(resolve));
    return this.printed.splice(0);
  }

  async end(): Promise<void> {
    this.#typed.resolve();
    await this.#done;
  }
}

test("R8: an island's beginning, size and end are said in one line each", async () => {
  const rig = new Rig([]);
  await rig.read();
  rig.tell("island", { open: true, servers: 1 });
  rig.tell("island", { open: true, servers: 2 });
  rig.tell("island", { open: false, servers: 0 });
  const line = "-- No majority of servers can be reached. Messages are held on";
  expect(await rig.read()).toEqual([
    `${line} 1 server, and merged when a majority is back.`,
    `${line} 2 servers, and merged when a majority is back.`,
    "-- A majority of servers is back. What was held is being merged.",
  ]);
  await rig.end();
});

test("R8: who comes while an island lasts is told so at once", async () => {
  const rig = new Rig([], { open: true, servers: 0 });
  expect((await rig.read()).at(-1)).toBe(
    "-- No majority of servers can be reached. Messages are held on those that are left, " +
      "and merged when a majority is back.",
  );
  await rig.end();
});

test("R8: a held message is marked, and comes again without the mark when it is stored", async () => {
  const rig = new Rig(["chat team"]);
  await rig.read();
  rig.show({ held: [held("hello")] });
  rig.show({});
  expect(await rig.read()).toEqual([`[${time}] ada: hello (held)`]);
  rig.show({ items: [item(1, "hello")], held: [] });
  expect(await rig.read()).toEqual([`[${time}] ada: hello`]);
  await rig.end();
});

test("R8: held messages of other rooms bear the room's name, those of this one come once", async () => {
  const rig = new Rig(["chat team"]);
  await rig.read();
  rig.tell("held", held("elsewhere", 2));
  rig.tell("held", held("here", 1));
  expect(await rig.read()).toEqual([`other [${time}] ada: elsewhere (held)`]);
  await rig.end();
});

test("R8: what could not be merged is shown with the reason", async () => {
  const rig = new Rig([]);
  await rig.read();
  const { hybridTime, timestampMs: acceptedMs, ...message } = held("hello", 2);
  rig.tell("setAside", { ...message, acceptedMs, reason: "You have left other." });
  expect(await rig.read()).toEqual([
    `-- could not be merged into other:\n[${time}] ada: hello (set aside)\n-- You have left other.`,
  ]);
  await rig.end();
});

test("R8: who leaves is told what is still held", async () => {
  const rig = new Rig([]);
  await rig.read();
  rig.pending = [{ held: true }, { held: false }, { held: true }];
  await rig.end();
  expect(await rig.read()).toEqual([
    "-- 2 messages of yours are held by servers, and merged when a majority is back",
  ]);
});
