// What one device can do with its client, each as a function that draws what it needs, does it, and
// writes it to the history. None rejects, and none waits longer than the SDK does; when to do what
// is the device's part.
import type { Random } from "../base/random.ts";
import type { PageAsk, Room, RoomName, Timeline, TimelinePage } from "../client/index.ts";
import type { DeviceLife } from "./device-life.ts";
import { drawScaled, type WorkloadOptions } from "./draw-workload.ts";
import type { GivenCommand, GivenCommands } from "./given-commands.ts";
import type { OperationName } from "./history.ts";
import type { HistoryRecorder, OpenOperation } from "./history-recorder.ts";
import { drawBody, drawRefusedBody } from "./message-bodies.ts";
import { failureOf } from "./operation-result.ts";
import type { OperationArguments, OperationValues } from "./operation-values.ts";
import type { Town, TownPerson } from "./town.ts";
import type { UnaryCalls } from "./unary-calls.ts";
import {
  extraAccountsMax,
  openViewsMax,
  pageItemsMax,
  viewItemsMax,
  wholeRoomPagesMax,
} from "./workload-limits.ts";
import type { WorkloadWorld } from "./workload-world.ts";

/** What the operations of one device work with. */
export interface DeviceContext {
  readonly name: string;
  readonly world: WorkloadWorld;
  readonly options: WorkloadOptions;
  readonly recorder: HistoryRecorder;
  readonly calls: UnaryCalls;
  readonly commands: GivenCommands;
  readonly town: Town;
  readonly person: TownPerson;
  /** This device's own chance. */
  readonly random: Random;
}

interface View {
  readonly timeline: Timeline;
  readonly open: OpenOperation<"viewTimeline">;
}

/** What one device does. */
export class DeviceOperations {
  readonly #context: DeviceContext;
  readonly #onEnd: () => void;
  /** The program that does it now. */
  #life: DeviceLife;
  #views: View[] = [];
  #messages = 0;
  #openAsks = 0;

  /** `onEnd` hears whenever an operation is over. */
  constructor(context: DeviceContext, life: DeviceLife, onEnd: () => void) {
    this.#context = context;
    this.#life = life;
    this.#onEnd = onEnd;
  }

  /** Operations that have no answer yet, sends apart. */
  get openAsks(): number {
    return this.#openAsks;
  }

  /** Another program goes on. */
  useLife(life: DeviceLife): void {
    this.#life = life;
  }

  // ---- Accounts ----

  /** Makes the person's account. */
  async register(): Promise<void> {
    const { person } = this.#context;
    const { username, password } = person;
    const open = this.#begin("register", { username });
    const isMade = await this.#settle(open, () =>
      this.#life.client.register({ username, password }),
    );
    // Taken by an earlier attempt that was not answered, or by an earlier run.
    if (isMade !== undefined || open.failure?.code === "NAME_TAKEN") person.isRegistered = true;
  }

  /** Opens a log-in session. */
  async logIn(): Promise<void> {
    const { person } = this.#context;
    const { username, password } = person;
    const open = this.#begin("logIn", { username, rightPassword: true });
    const answer = await this.#settle(open, async () => {
      const logIn = await this.#life.client.logIn({ username, password });
      return logIn.person;
    });
    if (answer !== undefined) person.userId = answer.userId;
  }

  /** Tries a password that is not the person's. */
  async logInWrongly(): Promise<void> {
    const { username, password } = this.#context.person;
    const open = this.#begin("logIn", { username, rightPassword: false });
    await this.#settle(open, async () => {
      const logIn = await this.#life.client.logIn({ username, password: `${password}!` });
      return logIn.person;
    });
  }

  /** Ends the log-in session. Answers whether the client may have none any more. */
  async logOut(): Promise<boolean> {
    const everywhere = this.#context.random.nextBoolean(0.3);
    const open = this.#begin("logOut", { everywhere });
    await this.#settle(open, async () => {
      await this.#life.client.logOut({ everywhere });
      return {};
    });
    return open.failure === undefined || open.failure.code === "UNAUTHENTICATED";
  }

  /**
   * Registers under a name that somebody has, or makes a new account by two calls to two servers
   * under one id.
   */
  async registerMore(): Promise<void> {
    const { town, random, calls, recorder } = this.#context;
    if (town.extraAccounts >= extraAccountsMax || random.nextBoolean(0.5)) {
      const { username } = town.drawPerson(random);
      const password = "another password";
      const open = this.#begin("register", { username });
      await this.#settle(open, () => this.#life.client.register({ username, password }));
      return;
    }
    const username = town.newUsername();
    const account = { commandId: calls.newCommandId(), username, password: "some password" };
    const client = this.#unaryClient;
    const first = recorder.begin(client, "register", { username });
    const { commandId } = account;
    const again = { command: "registerUser", commandId, name: username } as const;
    const second = recorder.begin(client, "resend", { ...again, content: "same", first: "open" });
    const drawn = [this.#drawAddress(), this.#drawAddress()] as const;
    await Promise.all([
      calls.register(drawn[0], account).then((answer) => {
        if ("result" in answer) first.fail(answer);
        else first.succeed(answer.person);
      }),
      calls.register(drawn[1], account).then((answer) => {
        if ("result" in answer) {
          second.fail(answer);
        } else {
          const { position, disks, repeated } = answer;
          second.succeed({ position, disks, repeated, commandId });
        }
      }),
    ]);
  }

  // ---- Writing ----

  /** Sends one message that should be taken. */
  send(): void {
    const { town, random, person, options } = this.#context;
    this.#send(town.drawOwnWritable(random, person), drawBody(random, this.#nextTag(), options));
  }

  /** Sends many without waiting. */
  sendBurst(): void {
    const { random, options } = this.#context;
    const count = random.nextInteger(2, options.burstMessages + 1);
    for (let i = 0; i < count; i++) this.send();
  }

  /** Sends what should be refused: by its body, or by its room. */
  sendRefused(): void {
    const { town, random, person, options } = this.#context;
    const tag = this.#nextTag();
    if (random.nextBoolean(0.4)) {
      this.#send(town.drawOwnWritable(random, person), drawRefusedBody(random, tag));
    } else if (random.nextBoolean(0.3)) {
      this.#send(town.drawUnknownRoom(random), drawBody(random, tag, options));
    } else {
      // Somebody's own, or one that the person may not be in; now and then it is allowed.
      this.#send(town.drawRoom(random), drawBody(random, tag, options));
    }
  }

  /** Makes a room; the name may be taken or be none. */
  async createRoom(): Promise<void> {
    const { town, random, person, commands } = this.#context;
    const isBad = random.nextBoolean(0.1);
    const name = isBad ? "No Room!" : town.drawGroupRoomName(random);
    const answer = await this.#ask("createRoom", { name }, () =>
      this.#life.client.createRoom(name),
    );
    if (answer === undefined) return;
    this.#learnRooms([answer.room]);
    person.roomIds.add(answer.room.roomId);
    commands.acknowledged({ command: "createRoom", commandId: answer.commandId, name });
  }

  /** Joins a room or follows a person; may be in it already, and the room may not exist. */
  async joinRoom(): Promise<void> {
    const { town, random, person, commands } = this.#context;
    const isUnknown = random.nextBoolean(0.05);
    const room = isUnknown ? town.drawUnknownRoom(random) : town.drawRoom(random);
    const answer = await this.#ask("joinRoom", { room }, () => this.#life.client.joinRoom(room));
    if (answer === undefined) return;
    this.#learnRooms([answer.room]);
    person.roomIds.add(answer.room.roomId);
    commands.acknowledged({ command: "joinRoom", commandId: answer.commandId, room });
  }

  /** Leaves a room; may be one that cannot be left, or that the person is not in. */
  async leaveRoom(): Promise<void> {
    const { town, random, person, commands } = this.#context;
    const room = random.nextBoolean(0.7) ? town.drawJoined(random, person) : town.drawRoom(random);
    const answer = await this.#ask("leaveRoom", { room }, () => this.#life.client.leaveRoom(room));
    if (answer === undefined) return;
    const roomId = town.idOf(room);
    if (roomId !== undefined) person.roomIds.delete(roomId);
    commands.acknowledged({ command: "leaveRoom", commandId: answer.commandId, room });
  }

  /** Gives a command once more under its id, to any server, now and then with another content. */
  async resend(): Promise<void> {
    const { commands, random, calls, recorder } = this.#context;
    const { token } = this.#life.client;
    const drawn = commands.draw(random);
    if (drawn === undefined || token === undefined) return;
    const { first } = drawn;
    const isOther = first === "acknowledged" && random.nextBoolean(0.25);
    const given = isOther ? this.#withOtherContent(drawn.given) : drawn.given;
    const content = isOther ? "other" : "same";
    const client = this.#unaryClient;
    const open = recorder.begin(client, "resend", { ...given, content, first });
    this.#openAsks++;
    const answer = await calls.give({ address: this.#drawAddress(), token }, given);
    this.#openAsks--;
    if ("result" in answer) open.fail({ result: answer.result, code: answer.code });
    else open.succeed(answer);
    if ("heldDisks" in answer) recorder.noteHeld(client, { ...given, disks: answer.heldDisks });
    this.#onEnd();
  }

  // ---- Reading ----

  async listRooms(): Promise<void> {
    const joinedOnly = this.#context.random.nextBoolean(0.3);
    const answer = await this.#ask("listRooms", { joinedOnly }, async () => ({
      rooms: await this.#life.client.listRooms({ joinedOnly }),
    }));
    if (answer !== undefined) this.#learnRooms(answer.rooms);
  }

  async listPeople(): Promise<void> {
    const { town, random } = this.#context;
    const { username } = town.drawPerson(random);
    const patterns = ["", "*", username, `${username.slice(0, -1)}?`, "*1", "*A*", "nobody"];
    const pattern = patterns[random.nextInteger(0, patterns.length)] as string;
    await this.#ask("listPeople", { pattern }, async () => ({
      people: await this.#life.client.listPeople(pattern),
    }));
  }

  /** Reads one page of a room. */
  async readPage(): Promise<void> {
    const { town, random, person } = this.#context;
    const room = random.nextBoolean(0.85) ? town.drawJoined(random, person) : town.drawRoom(random);
    const limit = drawScaled(random, { min: 1, max: 100 });
    const number = drawScaled(random, { min: 1, max: 2_000 });
    const chance = random.nextFloat();
    if (chance < 0.6) await this.#readPage({ room, limit });
    else if (chance < 0.8) await this.#readPage({ room, limit, beforeNumber: number });
    else await this.#readPage({ room, limit, afterNumber: number - 1 });
  }

  /** Turns the pages of a room, from its first item on or back from its newest. */
  async readWhole(goesOn: () => boolean): Promise<void> {
    const { town, random, person } = this.#context;
    const room = town.drawJoined(random, person);
    const limit = drawScaled(random, { min: 5, max: pageItemsMax });
    const isForward = random.nextBoolean(0.5);
    let ask: PageAsk = isForward ? { room, limit, afterNumber: 0 } : { room, limit };
    for (let turned = 0; turned < wholeRoomPagesMax && goesOn(); turned++) {
      const page = await this.#readPage(ask);
      const first = page?.items[0];
      const last = page?.items.at(-1);
      if (first === undefined || last === undefined) return;
      if (isForward) {
        ask = { room, limit, afterNumber: last.number };
      } else {
        if (first.number === 1) return;
        ask = { room, limit, beforeNumber: first.number };
      }
    }
  }

  /** Opens a live timeline, or closes one that was opened, or scrolls up in it. */
  async viewTimeline(): Promise<void> {
    const { town, random, person } = this.#context;
    const chance = random.nextFloat();
    if (this.#views.length >= openViewsMax || (this.#views.length > 0 && chance < 0.4)) {
      this.#close(this.#views.shift());
      return;
    }
    const view = this.#views[0];
    if (view !== undefined && chance < 0.6) {
      await view.timeline.loadOlder(random.nextInteger(1, 100)).catch(() => 0);
      return;
    }
    const room = town.drawJoined(random, person);
    const life = this.#life;
    const open = this.#begin("viewTimeline", { room });
    this.#openAsks++;
    try {
      const timeline = await life.client.openRoom(room);
      if (life === this.#life) this.#views.push({ timeline, open });
      else open.abandon();
    } catch (error) {
      open.fail(failureOf("viewTimeline", error));
    }
    this.#openAsks--;
    this.#onEnd();
  }

  /** Closes all live timelines. */
  closeViews(): void {
    for (const view of this.#views) this.#close(view);
    this.#views = [];
  }

  // ---- How ----

  get #unaryClient(): string {
    return `${this.#life.name}u`;
  }

  #begin<Name extends OperationName>(
    operation: Name,
    args: OperationArguments[Name],
  ): OpenOperation<Name> {
    return this.#context.recorder.begin(this.#life.name, operation, args);
  }

  /** One question to the cluster, from call to answer; undefined where there is no good one. */
  async #ask<Name extends OperationName, Answer extends OperationValues[Name]>(
    operation: Name,
    args: OperationArguments[Name],
    call: () => Promise<Answer>,
  ): Promise<Answer | undefined> {
    this.#openAsks++;
    const answer = await this.#settle(this.#begin(operation, args), call);
    this.#openAsks--;
    this.#onEnd();
    return answer;
  }

  async #settle<Name extends OperationName, Answer extends OperationValues[Name]>(
    open: OpenOperation<Name>,
    call: () => Promise<Answer>,
  ): Promise<Answer | undefined> {
    try {
      const answer = await call();
      open.succeed(answer);
      return answer;
    } catch (error) {
      const passwordIsRight =
        !("rightPassword" in open.arguments) || open.arguments.rightPassword === true;
      open.fail(failureOf(open.operation, error, { passwordIsRight }));
      return undefined;
    }
  }

  async #readPage(ask: PageAsk): Promise<TimelinePage | undefined> {
    const { recorder, person } = this.#context;
    const { room, limit = 0, beforeNumber: before, afterNumber: after } = ask;
    const args = {
      room,
      limit,
      ...(before !== undefined && { before }),
      ...(after !== undefined && { after }),
    };
    const page = await this.#ask("readTimeline", args, async () => {
      const answer = await this.#life.client.readTimeline(ask);
      recorder.noteShown(this.#life.name, person.userId ?? 0, answer);
      return { ...answer, items: recorder.shareAll(answer.items) };
    });
    if (page !== undefined) this.#learnRooms([page.room]);
    return page;
  }

  #send(room: RoomName, body: string): void {
    const { commands, recorder } = this.#context;
    const { name: client } = this.#life;
    const open = this.#begin("send", { room, body });
    const sent = commands.handOver(open, () => this.#life.client.send({ room, body }));
    // What the outbox has taken ends by the client's topics: a rejection may only mean that this
    // program stops.
    const noteFailure = (error: unknown) => {
      if (open.arguments.commandId === undefined) open.fail(failureOf("send", error));
      this.#onEnd();
    };
    // The message stays open until it is stored.
    sent.then((receipt) => {
      if (receipt.status === "held") recorder.noteHeld(client, receipt);
    }, noteFailure);
  }

  #nextTag(): string {
    this.#messages++;
    return `${this.#context.name}#${this.#messages}`;
  }

  #withOtherContent(given: GivenCommand): GivenCommand {
    const { commandId } = given;
    switch (given.command) {
      case "sendMessage":
        return { ...given, body: given.body.length < 100 ? `${given.body}!` : "another" };
      case "joinRoom":
        return { command: "leaveRoom", commandId, room: given.room };
      case "leaveRoom":
        return { command: "joinRoom", commandId, room: given.room };
      default:
        return { command: "createRoom", commandId, name: `${given.name}-other` };
    }
  }

  #close(view: View | undefined): void {
    if (view === undefined) return;
    const { timeline, open } = view;
    const { roomId } = timeline;
    const shown = timeline.items();
    const hasOlder = timeline.hasOlder || shown.length > viewItemsMax;
    timeline.close();
    const items = this.#context.recorder.shareAll(shown.slice(-viewItemsMax));
    open.succeed({ roomId, hasOlder, items });
  }

  #learnRooms(rooms: readonly Room[]): void {
    const { town, person } = this.#context;
    for (const room of rooms) {
      town.learn(room);
      if (room.joined) person.roomIds.add(room.roomId);
      else person.roomIds.delete(room.roomId);
    }
  }

  #drawAddress(): string {
    const { world, random } = this.#context;
    return world.addresses[random.nextInteger(0, world.addresses.length)] as string;
  }
}
