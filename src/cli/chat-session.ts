// What `holdfast chat` does with what a person types and with what comes in: the menu, chat mode,
// other rooms' lines. Draws on a Screen, asks a Client. Not here: reading the terminal, logging in.
import type {
  Client,
  ConnectionState,
  HeldMessage,
  IslandState,
  Item,
  RejectedError,
  SetAsideMessage,
  Timeline,
} from "../client/index.ts";
import { type ChatAction, chatHelp, parseChatLine } from "./chat-line.ts";
import type { Screen } from "./chat-screen.ts";
import { formatHeld, formatItem, formatSetAside, printable } from "./item-text.ts";
import { formatPeople } from "./people.ts";
import { formatRooms } from "./rooms.ts";

/** How long leaving waits for messages that are under way, in ms. */
const unsentWaitMs = 10_000;
/** How long leaving a room waits for one's own last message to be shown, in ms. */
const shownWaitMs = 2_000;
/** Rooms whose names are remembered for lines of rooms that are not entered. */
const roomNamesMax = 10_000;

/** The room that is entered. */
interface Entered {
  readonly name: string;
  readonly timeline: Timeline;
  /** Number of the newest item on the screen. */
  lastShown: number;
  /** Number of the newest message sent from here that is stored. */
  lastStored: number;
  /** What is on the screen as held. */
  held: ReadonlySet<HeldMessage>;
  readonly stop: () => void;
}

/** One person at one screen. */
export class ChatSession {
  readonly #client: Client;
  readonly #screen: Screen;
  readonly #username: string;
  readonly #roomNames = new Map<number, string>();
  readonly #unsent = new Set<Promise<void>>();
  #entered: Entered | undefined;
  /** No server has answered for a while, and the person has been told. */
  #isAway = false;
  #isIsland = false;
  /** Set when the log-in was ended from elsewhere. */
  #ended: RejectedError | undefined;

  constructor(client: Client, screen: Screen, username: string) {
    this.#client = client;
    this.#screen = screen;
    this.#username = username;
  }

  /**
   * Serves the person until they leave or input ends. Rejects where the log-in was ended from
   * elsewhere.
   */
  async run(): Promise<void> {
    const stops = [
      this.#client.on("item", (item) => this.#showElsewhere(item)),
      this.#client.on("roomCreated", (room) => this.#noteRoomName(room.roomId, room.name)),
      this.#client.on("held", (message) => this.#showHeldElsewhere(message)),
      this.#client.on("setAside", (message) => this.#showSetAside(message)),
      this.#client.on("connection", (state) => this.#handleConnection(state)),
      this.#client.on("island", (island) => this.#handleIsland(island)),
    ];
    try {
      for (const room of await this.#client.listRooms()) this.#noteRoomName(room.roomId, room.name);
      this.#screen.print(`You are ${this.#username}. Type help for what you can do here.`);
      if (this.#client.island.open) this.#handleIsland(this.#client.island);
      this.#prompt();
      await this.#serve();
      if (this.#ended !== undefined) throw this.#ended;
    } finally {
      await this.#leaveRoom();
      this.#tellWhatIsHeld();
      for (const stop of stops) stop();
    }
  }

  async #serve(): Promise<void> {
    for await (const line of this.#screen.lines) {
      const action = parseChatLine(this.#entered === undefined ? "menu" : "room", line);
      if (action.kind === "exit") return;
      try {
        await this.#act(action, line);
      } catch (error) {
        if (!isRejection(error)) throw error;
        this.#screen.print(error.message);
      }
      // A message's prompt comes back with the message itself.
      if (action.kind !== "send") this.#prompt();
    }
  }

  async #act(action: Exclude<ChatAction, { kind: "exit" }>, line: string): Promise<void> {
    const client = this.#client;
    const print = (text: string) => this.#screen.print(text);
    switch (action.kind) {
      case "nothing":
        return;
      case "help":
        print(chatHelp(this.#entered === undefined ? "menu" : "room").join("\n"));
        return;
      case "list":
        print(formatPeople(await client.listPeople()));
        print("");
        print(formatRooms(await client.listRooms()));
        return;
      case "people":
        print(formatPeople(await client.listPeople(action.pattern)));
        return;
      case "rooms":
        print(formatRooms(await client.listRooms()));
        return;
      case "create":
        await client.createRoom(action.room);
        print(`Made ${action.room}. Enter it with: chat ${action.room}`);
        return;
      case "join":
        await client.joinRoom(action.room);
        print(`Joined ${action.room}.`);
        return;
      case "leave":
        await client.leaveRoom(action.room);
        if (this.#entered?.name === action.room.toLowerCase()) await this.#leaveRoom();
        print(`Left ${action.room}.`);
        return;
      case "enter":
        await this.#enter(action.room === "" ? `@${this.#username}` : action.room);
        return;
      case "menu":
        await this.#leaveRoom();
        print("Back at the menu.");
        return;
      case "mistake":
        print(action.message);
        return;
      case "send":
        this.#send(action.body, line);
        return;
    }
  }

  // ---- Chat mode --------------------------------------------------------------------------------

  async #enter(room: string): Promise<void> {
    const timeline = await this.#client.openRoom(room);
    await this.#leaveRoom();
    const { name } = timeline.room;
    const entered: Entered = {
      name,
      timeline,
      lastShown: 0,
      lastStored: 0,
      held: new Set(),
      stop: timeline.subscribe((change) => {
        if (change.kind === "replaced") this.#screen.print("-- something is missing here");
        if (change.kind !== "older") this.#showNew(entered);
      }),
    };
    this.#entered = entered;
    this.#screen.print(
      `-- ${printable(name)}: what you type is sent; /leave goes back, /help helps`,
    );
    this.#showNew(entered);
  }

  /** Shows what has not been shown yet, in order; what was held comes again when it is stored. */
  #showNew(entered: Entered): void {
    for (const item of entered.timeline.items()) {
      if (item.number <= entered.lastShown) continue;
      entered.lastShown = item.number;
      this.#screen.print(formatItem(item));
    }
    const held = entered.timeline.held();
    for (const message of held) {
      if (!entered.held.has(message)) this.#screen.print(formatHeld(message));
    }
    entered.held = new Set(held);
  }

  #send(body: string, line: string): void {
    const entered = this.#entered;
    if (entered === undefined) return;
    this.#screen.eraseTyped(line);
    this.#prompt();
    const sending = this.#client
      .send({ room: entered.timeline.roomId, body })
      .then((receipt) => {
        if (receipt.status === "held") return;
        entered.lastStored = Math.max(entered.lastStored, receipt.number);
      })
      .catch((error: Error) => {
        this.#screen.print(`-- not sent: ${printable(body)}\n-- ${error.message}`);
      })
      .finally(() => this.#unsent.delete(sending));
    this.#unsent.add(sending);
  }

  /** Waits, within bounds, until what was typed is stored and shown, then closes the room. */
  async #leaveRoom(): Promise<void> {
    const entered = this.#entered;
    if (entered === undefined) return;
    const stored = await within(unsentWaitMs, Promise.all(this.#unsent));
    if (!stored) this.#screen.print("-- some messages could not be sent yet, and are given up");
    await this.#untilShown(entered, entered.lastStored);
    entered.stop();
    entered.timeline.close();
    this.#entered = undefined;
  }

  async #untilShown(entered: Entered, number: number): Promise<void> {
    if (entered.lastShown >= number) return;
    const shown = Promise.withResolvers<void>();
    const stop = entered.timeline.subscribe(() => {
      if (entered.lastShown >= number) shown.resolve();
    });
    await within(shownWaitMs, shown.promise);
    stop();
  }

  // ---- Around it --------------------------------------------------------------------------------

  /** Tells of a cluster that cannot be reached once, not at each attempt. */
  #handleConnection(state: ConnectionState): void {
    if (state.kind === "ended") {
      this.#ended = state.error;
      this.#screen.close();
    } else if (state.kind === "waiting" && !this.#isAway) {
      this.#isAway = true;
      this.#screen.print(`-- no server answers (${state.reason}); what you write is sent later`);
    } else if (state.kind === "connected" && this.#isAway) {
      this.#isAway = false;
      this.#screen.print("-- connected again");
    }
  }

  /** Says once that an island has begun or ended, and how large it is when that is known. */
  #handleIsland({ open, servers }: IslandState): void {
    if (open) {
      const where =
        servers === 0 ? "those that are left" : `${servers} server${servers === 1 ? "" : "s"}`;
      this.#screen.print(
        "-- No majority of servers can be reached. Messages are held on " +
          `${where}, and merged when a majority is back.`,
      );
    } else if (this.#isIsland) {
      this.#screen.print("-- A majority of servers is back. What was held is being merged.");
    }
    this.#isIsland = open;
  }

  #showHeldElsewhere(message: HeldMessage): void {
    if (message.roomId === this.#entered?.timeline.roomId) return;
    this.#screen.print(`${printable(this.#roomName(message.roomId))} ${formatHeld(message)}`);
  }

  #showSetAside(message: SetAsideMessage): void {
    const room = printable(this.#roomName(message.roomId));
    this.#screen.print(`-- could not be merged into ${room}:\n${formatSetAside(message)}`);
  }

  /** Who leaves now will not see them stored. For when no room is entered any more. */
  #tellWhatIsHeld(): void {
    const count = this.#client.store.getState().pending.filter(({ held }) => held).length;
    if (count === 0) return;
    const what = count === 1 ? "one message of yours is" : `${count} messages of yours are`;
    this.#screen.print(`-- ${what} held by servers, and merged when a majority is back`);
  }

  /** Messages of rooms that one is in but has not entered, with the room's name before them. */
  #showElsewhere(item: Item): void {
    if (item.roomId === this.#entered?.timeline.roomId || item.content.kind !== "message") return;
    this.#screen.print(`${printable(this.#roomName(item.roomId))} ${formatItem(item)}`);
  }

  #roomName(roomId: number): string {
    return this.#roomNames.get(roomId) ?? `room ${roomId}`;
  }

  #noteRoomName(roomId: number, name: string): void {
    if (this.#roomNames.size < roomNamesMax) this.#roomNames.set(roomId, name);
  }

  #prompt(): void {
    this.#screen.setPrompt(`${this.#entered?.name ?? "menu"}> `);
  }
}

function isRejection(error: unknown): error is RejectedError {
  return error instanceof Error && error.name === "RejectedError";
}

/** Whether a promise was fulfilled in time. */
async function within(timeoutMs: number, promise: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs);
  });
  const done = await Promise.race([promise.then(() => true), timeout]);
  clearTimeout(timer);
  return done;
}
