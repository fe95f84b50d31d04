// One device of one person, a little state machine: has no account, is logged out, is at work. It
// draws what to do next and when, lives through stops, kills and log-outs, and in the end waits for
// what it has begun. What an operation does is in device-operations.ts.
import { assertNever } from "../base/assert.ts";
import { DeviceLife } from "./device-life.ts";
import { type DeviceContext, DeviceOperations } from "./device-operations.ts";
import { DeviceOutbox } from "./device-outbox.ts";
import { type Action, actions } from "./draw-workload.ts";
import { Pause } from "./pause.ts";
import {
  absenceMsMax,
  accountRetryMs,
  openAsksMax,
  openSendsMax,
  patienceMsMax,
  thinkTimesMax,
} from "./workload-limits.ts";

/** One device. */
export class WorkloadDevice {
  readonly #context: DeviceContext;
  readonly #operations: DeviceOperations;
  readonly #outbox: DeviceOutbox;
  readonly #pause: Pause;
  #life: DeviceLife;
  #lives = 0;
  #phase: "working" | "finishing" | "over" = "working";
  /** A log-out was answered such that the token is worth nothing, though the client has it. */
  #mustLogIn = false;

  constructor(context: DeviceContext) {
    const { clock } = context.world;
    this.#context = context;
    this.#pause = new Pause(clock);
    this.#outbox = new DeviceOutbox(clock, context.options.outboxDelayMs);
    this.#life = this.#openLife(undefined);
    this.#operations = new DeviceOperations(context, this.#life, () => this.#pause.look());
  }

  /** Works until it is told to finish; resolves when everything it began is over. */
  async run(): Promise<void> {
    await this.#think();
    while (this.#phase === "working") {
      if (!(await this.#comeIn())) continue;
      await this.#act(this.#drawAction());
      await this.#think();
    }
    this.#operations.closeViews();
    while (!this.#isOver && this.#openCount > 0) {
      // Another device of the person may log all of them out at any time.
      if (await this.#comeIn()) {
        await this.#pause.wait(accountRetryMs, () => this.#openCount === 0 || this.#isOut);
      }
    }
    await this.end();
  }

  /** Begins nothing new. */
  finish(): void {
    if (this.#phase !== "working") return;
    this.#phase = "finishing";
    this.#pause.skip();
  }

  /** Stops now, whatever is open. Resolves when the client has stopped. */
  async end(): Promise<void> {
    this.#phase = "over";
    this.#pause.end();
    await this.#life.stop();
  }

  get #isOver(): boolean {
    return this.#phase === "over";
  }

  /** Everything that has no answer yet. */
  get #openCount(): number {
    return this.#context.commands.openCount + this.#operations.openAsks;
  }

  get #isFull(): boolean {
    const { commands } = this.#context;
    return commands.openCount >= openSendsMax || this.#operations.openAsks >= openAsksMax;
  }

  get #isOut(): boolean {
    return this.#mustLogIn || this.#life.client.token === undefined;
  }

  /** Sees to it that there is a log-in session. False: not yet, look again. */
  async #comeIn(): Promise<boolean> {
    const { person } = this.#context;
    if (!person.isRegistered) await this.#operations.register();
    else if (this.#isOut) await this.#logIn();
    if (this.#isOver) return false;
    if (!person.isRegistered || this.#isOut) {
      await this.#pause.wait(accountRetryMs * (1 + this.#context.random.nextFloat()));
      return false;
    }
    this.#life.start();
    return true;
  }

  async #logIn(): Promise<void> {
    this.#mustLogIn = false;
    await this.#operations.logIn();
  }

  async #act(action: Action): Promise<void> {
    const operations = this.#operations;
    if (this.#isFull) return this.#pause.wait(patienceMsMax, () => !this.#isFull);
    switch (action) {
      case "send":
        operations.send();
        return this.#waitForSends();
      case "burst":
        return operations.sendBurst();
      case "sendRefused":
        return operations.sendRefused();
      case "createRoom":
      case "joinRoom":
      case "leaveRoom":
      case "listRooms":
      case "listPeople":
      case "readPage":
      case "viewTimeline":
      case "resend":
        return this.#waitFor(operations[action]());
      case "readWhole":
        return this.#waitFor(operations.readWhole(() => this.#phase === "working"));
      case "register":
        return operations.registerMore();
      case "logInAgain":
        return this.#logInAgain();
      case "logOut":
        return this.#logOut();
      case "reconnect":
        return this.#reconnect();
      case "changeServer":
        return this.#changeServer();
      case "rest":
        return this.#pause.wait(this.#drawAbsenceMs());
      default:
        return assertNever(action, "action");
    }
  }

  async #logInAgain(): Promise<void> {
    if (this.#context.random.nextBoolean(0.5)) await this.#operations.logInWrongly();
    else await this.#logIn();
  }

  async #logOut(): Promise<void> {
    const mayBeOut = await this.#operations.logOut();
    if (mayBeOut) this.#mustLogIn = true;
    if (mayBeOut) await this.#pause.wait(this.#drawAbsenceMs());
  }

  async #reconnect(): Promise<void> {
    await this.#life.stop();
    await this.#pause.wait(this.#drawAbsenceMs());
  }

  /** Another program goes on with the same outbox, and goes to another server first. */
  async #changeServer(): Promise<void> {
    const { random, commands, options } = this.#context;
    if (random.nextBoolean(0.5)) {
      // In the midst of sending, some of it written by the outbox and some not.
      this.#operations.sendBurst();
      await this.#pause.wait(random.nextFloat() * (20 + 2 * options.outboxDelayMs));
    }
    const token = this.#mustLogIn ? undefined : this.#life.client.token;
    this.#operations.closeViews();
    if (random.nextBoolean(0.6)) {
      await this.#life.kill();
      commands.forgetLost(this.#outbox);
    } else {
      await this.#life.stop();
    }
    if (random.nextBoolean(0.5)) await this.#pause.wait(this.#drawAbsenceMs());
    if (this.#isOver) return;
    this.#life = this.#openLife(token);
    this.#operations.useLife(this.#life);
  }

  #openLife(token: string | undefined): DeviceLife {
    const { world, recorder, name, random, commands, person } = this.#context;
    const { addresses } = world;
    const first = random.nextInteger(0, addresses.length);
    const turned = [...addresses.slice(first), ...addresses.slice(0, first)];
    this.#lives++;
    const client = `${name}.${this.#lives}`;
    return new DeviceLife({
      world,
      recorder,
      name: client,
      // The others are learned.
      addresses: random.nextBoolean(0.3) ? turned.slice(0, 1) : turned,
      token,
      outbox: this.#outbox.openLife({
        saved: (message) => commands.saved(message),
        loaded: (messages) => commands.loaded(client, messages),
      }),
      userId: () => person.userId ?? 0,
      listener: {
        stored: (message, receipt) => {
          commands.stored(message, receipt);
          this.#pause.look();
        },
        refused: (message, error) => {
          this.#outbox.forget(message.commandId);
          commands.refused(message, error);
          this.#pause.look();
        },
        connectionChanged: () => this.#pause.look(),
      },
    });
  }

  /** Waits for an operation, but not for ever: it goes on by itself. */
  async #waitFor(operation: Promise<void>): Promise<void> {
    let isDone = false;
    void operation.then(() => {
      isDone = true;
      this.#pause.look();
    });
    await this.#pause.wait(this.#drawPatienceMs(), () => isDone);
  }

  /** Most people wait for what they have sent before they write again. */
  async #waitForSends(): Promise<void> {
    const { random, commands } = this.#context;
    if (random.nextBoolean(0.3)) return;
    await this.#pause.wait(this.#drawPatienceMs(), () => commands.openCount === 0);
  }

  #drawPatienceMs(): number {
    return this.#context.random.nextFloat() * patienceMsMax;
  }

  #drawAbsenceMs(): number {
    return this.#context.random.nextFloat() * absenceMsMax;
  }

  /** Waits a while, exponentially distributed around the mean. */
  #think(): Promise<void> {
    const { random, options } = this.#context;
    const times = Math.min(thinkTimesMax, -Math.log(1 - random.nextFloat()));
    return this.#phase === "working"
      ? this.#pause.wait(times * options.thinkMs)
      : Promise.resolve();
  }

  #drawAction(): Action {
    const { random, options } = this.#context;
    const sum = actions.reduce((total, action) => total + options.weights[action], 0);
    let left = random.nextFloat() * sum;
    for (const action of actions) {
      left -= options.weights[action];
      if (left < 0) return action;
    }
    return "send";
  }
}
