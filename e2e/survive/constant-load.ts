// A load that goes on evenly whatever happens to the servers, and remembers for each sender what
// was acknowledged when, and what was refused. Judges nothing.
import { eventually } from "../../src/testing/index.ts";
import { longestPauseMs, type Window } from "./pauses.ts";
import type { Sender } from "./senders.ts";
import type { WireAck } from "./wire-tap.ts";

/** A promise that a server has made for one message. */
export interface Promised {
  readonly commandId: string;
  readonly room: string;
  readonly body: string;
  /** Its number in its room; 0 where it was only held. */
  readonly number: number;
}

/** What a load came to. */
export interface LoadOutcome {
  /** Acknowledged as stored. */
  readonly acked: readonly Promised[];
  /** Acknowledged as held, whether or not as stored since. */
  readonly held: readonly Promised[];
  /** What any client was refused: nothing, while servers come and go. */
  readonly errors: readonly string[];
  /** How often a client was told that it has missed something and must load its view anew. */
  readonly reloads: number;
  /** Sent, and neither acknowledged nor refused in time. */
  readonly unanswered: number;
}

interface Sent {
  readonly room: string;
  readonly sentAtMs: number;
}

const sendIntervalMs = 5;
/** How long the last messages may take to be answered, ms. */
const finishTimeoutMs = 30_000;

/** Messages at a fixed rate, in turn from all active senders. */
export class ConstantLoad {
  readonly senders: readonly Sender[];
  readonly #name: string;
  readonly #perSecond: number;
  readonly #sent = new Map<string, Sent>();
  readonly #errors: string[] = [];
  /** Of each sender: what was sent and neither acknowledged to the caller nor refused. */
  readonly #open: readonly Set<string>[];
  #active: readonly number[];
  #count = 0;
  #reloads = 0;
  #timer: NodeJS.Timeout | undefined;
  #lastTickMs = 0;
  #longestOwnStallMs = 0;

  /** `name` keeps the bodies of several loads in one town apart. */
  constructor(
    senders: readonly Sender[],
    options: { readonly perSecond: number; readonly name: string },
  ) {
    this.senders = senders;
    this.#active = senders.map((_, i) => i);
    this.#open = senders.map(() => new Set());
    this.#perSecond = options.perSecond;
    this.#name = options.name;
    for (const { client } of senders) {
      client.on("connection", (state) => {
        if (state.kind === "ended") this.#errors.push(`a log-in has ended: ${state.error.message}`);
      });
      client.on("reloaded", () => {
        this.#reloads++;
      });
    }
  }

  /** The longest time that this process did nothing at all: no pause is known better than that. */
  get longestOwnStallMs(): number {
    return this.#longestOwnStallMs;
  }

  /** Begins; every sender gets its share of the rate. */
  start(): void {
    const startMs = performance.now();
    this.#lastTickMs = startMs;
    let sent = 0;
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      const stallMs = nowMs - this.#lastTickMs - sendIntervalMs;
      this.#longestOwnStallMs = Math.max(this.#longestOwnStallMs, stallMs);
      this.#lastTickMs = nowMs;
      const due = Math.floor(((nowMs - startMs) / 1_000) * this.#perSecond);
      for (; sent < due; sent++) this.#send(sent % this.senders.length);
    }, sendIntervalMs);
  }

  /** From now on only these go on writing, each at its own rate as before. */
  keepOnly(senders: readonly number[]): void {
    this.#active = senders;
  }

  /** All write again. */
  keepAll(): void {
    this.#active = this.senders.map((_, i) => i);
  }

  /** Waits until all active senders have an acknowledgement of something sent after this moment. */
  async waitAnswered(afterMs: number, timeoutMs = finishTimeoutMs): Promise<void> {
    const isAnswered = (i: number): boolean => {
      const { acks } = this.senders[i]!.tap;
      for (let k = acks.length - 1; k >= 0 && acks[k]!.atMs >= afterMs; k--) {
        if ((this.#sent.get(acks[k]!.body)?.sentAtMs ?? 0) >= afterMs) return true;
      }
      return false;
    };
    await eventually(
      "every sender to be acknowledged",
      () => this.#active.every((i) => isAnswered(i)),
      { timeoutMs },
    );
  }

  /** Waits until the load has gone on evenly for so long. */
  async run(durationMs: number, timeoutMs = durationMs + finishTimeoutMs): Promise<void> {
    await this.waitAnswered(performance.now() + durationMs, timeoutMs);
  }

  /** Waits for an acknowledgement that is like this; undefined where none comes. */
  async waitAck(
    matches: (ack: WireAck) => boolean,
    timeoutMs: number,
  ): Promise<WireAck | undefined> {
    const find = (): WireAck | undefined =>
      this.senders
        .flatMap(({ tap }) => tap.acks.find(matches) ?? [])
        .toSorted((a, b) => a.atMs - b.atMs)[0];
    return await eventually("an acknowledgement", find, { timeoutMs }).catch(() => undefined);
  }

  /** The pause of each sender in a part of the run that ends now (pauses.ts). */
  pausesMs(window: Window): readonly number[] {
    return this.senders.map(({ tap }, i) => {
      // What was held is acknowledged once more when it is stored: nobody waited for that.
      const answered = new Map(tap.acks.toReversed().map(({ body, atMs }) => [body, atMs]));
      const answers = [...answered]
        .map(([body, ackedMs]) => ({ sentMs: this.#sent.get(body)?.sentAtMs ?? ackedMs, ackedMs }))
        .toSorted((a, b) => a.ackedMs - b.ackedMs);
      const oldest = this.#open[i]!.values().find((body) => !answered.has(body));
      const openSinceMs = oldest === undefined ? undefined : this.#sent.get(oldest)?.sentAtMs;
      return longestPauseMs(answers, window, openSinceMs);
    });
  }

  /** What a sender and its servers said to each other in that time, but for messages. */
  notes(sender: number, { fromMs, toMs }: Window): readonly string[] {
    const { notes } = this.senders[sender]!.tap;
    return notes
      .filter(({ atMs }) => atMs >= fromMs && atMs <= toMs)
      .map(({ atMs, address, text }) => `${Math.round(atMs - fromMs)} ms ${address} ${text}`);
  }

  /** Stops sending, and waits until all is answered; clients are stopped then. */
  async finish(): Promise<LoadOutcome> {
    clearInterval(this.#timer);
    const countOpen = (): number => this.#open.reduce((sum, { size }) => sum + size, 0);
    await eventually("the last answers", () => countOpen() === 0, {
      timeoutMs: finishTimeoutMs,
    }).catch(() => undefined);
    const unanswered = countOpen();
    const errors = [...this.#errors];
    await this.close();
    return { ...this.#promises(), errors, reloads: this.#reloads, unanswered };
  }

  /** Stops everything at once. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.senders.map(({ client }) => client.stop()));
  }

  #send(i: number): void {
    if (!this.#active.includes(i)) return;
    const { client, rooms } = this.senders[i]!;
    const count = this.#count++;
    const room = rooms[Math.floor(count / this.senders.length) % rooms.length]!;
    const body = `${this.#name} ${i} ${count}`;
    this.#sent.set(body, { room, sentAtMs: performance.now() });
    const open = this.#open[i]!;
    open.add(body);
    client
      .send({ room, body })
      .catch((error: unknown) => this.#errors.push(`${body}: ${String(error)}`))
      .finally(() => open.delete(body));
  }

  #promises(): Pick<LoadOutcome, "acked" | "held"> {
    const acked = new Map<string, Promised>();
    const held = new Map<string, Promised>();
    for (const { commandId, body, number, held: isHeld } of this.senders.flatMap(
      ({ tap }) => tap.acks,
    )) {
      const room = this.#sent.get(body)?.room ?? "";
      (isHeld ? held : acked).set(commandId, { commandId, room, body, number });
    }
    return { acked: [...acked.values()], held: [...held.values()] };
  }
}
