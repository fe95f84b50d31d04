// One direction of one connection through a proxy: takes bytes from one socket and gives them to
// the other, in order, as late as the conditions of the link say. What ends the one socket ends the
// other just as late: over a link that holds everything back, a reset does not arrive either.
import type { Socket } from "node:net";

/** What a direction of a link is like at this moment. */
export interface PipeConditions {
  /** Nothing passes; it waits. */
  readonly isHeld: boolean;
  /** Each piece comes so much later. */
  readonly delayMs: number;
  /** And up to so much more, drawn for each piece; the order stays. */
  readonly jitterMs: number;
}

/** A link that does nothing. */
export const clearConditions: PipeConditions = { isHeld: false, delayMs: 0, jitterMs: 0 };

/** Bytes that wait in a pipe before it stops reading: the sender then feels it, as over TCP. */
const queuedBytesMax = 1024 * 1024;

type Piece =
  | { readonly kind: "bytes"; readonly dueMs: number; readonly bytes: Buffer }
  | { readonly kind: "fin" | "reset"; readonly dueMs: number };

/** From `source` to `sink`. */
export class LinkPipe {
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #conditions: () => PipeConditions;
  #queue: Piece[] = [];
  #queuedBytes = 0;
  #lastDueMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #isSinkFull = false;
  #hasEnded = false;

  /** `conditions` is asked for every piece. */
  constructor(source: Socket, sink: Socket, conditions: () => PipeConditions) {
    this.#source = source;
    this.#sink = sink;
    this.#conditions = conditions;
    source.on("data", (bytes: Buffer) => this.#take(bytes));
    source.on("end", () => this.#takeEnd("fin"));
    source.on("error", () => this.#takeEnd("reset"));
    source.on("close", () => this.#takeEnd("reset"));
    sink.on("drain", () => {
      this.#isSinkFull = false;
      this.flow();
    });
  }

  /** The conditions are others now: passes on what may pass. */
  flow(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const nowMs = performance.now();
    while (!this.#isSinkFull && !this.#conditions().isHeld) {
      const piece = this.#queue[0];
      if (piece === undefined) break;
      if (piece.dueMs > nowMs) {
        this.#timer = setTimeout(() => this.flow(), piece.dueMs - nowMs);
        break;
      }
      this.#queue.shift();
      this.#give(piece);
    }
    if (this.#queuedBytes < queuedBytesMax && this.#source.isPaused()) this.#source.resume();
  }

  /** Forgets what waits. The sockets are the owner's. */
  close(): void {
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    this.#queue = [];
  }

  #take(bytes: Buffer): void {
    if (this.#hasEnded) return;
    this.#queuedBytes += bytes.length;
    this.#queue.push({ kind: "bytes", bytes, dueMs: this.#drawDueMs() });
    if (this.#queuedBytes >= queuedBytesMax) this.#source.pause();
    this.flow();
  }

  #takeEnd(kind: "fin" | "reset"): void {
    const last = this.#queue.at(-1)?.kind;
    if (this.#hasEnded || last === "reset" || last === kind) return;
    this.#queue.push({ kind, dueMs: this.#drawDueMs() });
    this.flow();
  }

  #drawDueMs(): number {
    const { delayMs, jitterMs } = this.#conditions();
    // Chance of this kind need not repeat: no real run does.
    const dueMs = performance.now() + delayMs + jitterMs * Math.random();
    this.#lastDueMs = Math.max(this.#lastDueMs, delayMs + jitterMs > 0 ? dueMs : 0);
    return this.#lastDueMs;
  }

  #give(piece: Piece): void {
    if (piece.kind === "bytes") {
      this.#queuedBytes -= piece.bytes.length;
      if (this.#sink.writable) this.#isSinkFull = !this.#sink.write(piece.bytes);
    } else if (piece.kind === "fin") {
      if (this.#sink.writable) this.#sink.end();
    } else {
      this.#hasEnded = true;
      // After an orderly end of both sides this only lets go of it.
      if (this.#sink.writableFinished && this.#sink.readableEnded) this.#sink.destroy();
      else this.#sink.resetAndDestroy();
    }
  }
}
