// How a server goes: first it drains (takes nothing new, answers what it has taken), then it leaves
// (what is still open is answered with UNAVAILABLE). Everybody who has something open asks here.
// When each step comes is for the owner of the gateway to say.
import { RejectionCode } from "../proto/gen/chat/v1/api_pb.js";
import { type Refusal, refuse } from "./errors.ts";

/** The way out of one gateway. */
export class Departure {
  #step: "serving" | "draining" | "left" = "serving";
  readonly #drainListeners = new Set<() => void>();
  readonly #leaveListeners = new Set<() => void>();

  /** Takes nothing new from now on. */
  drain(): void {
    if (this.#step !== "serving") return;
    this.#step = "draining";
    for (const listener of [...this.#drainListeners]) listener();
  }

  /** Everything that is open ends now. */
  leave(): void {
    this.drain();
    if (this.#step === "left") return;
    this.#step = "left";
    for (const listener of [...this.#leaveListeners]) listener();
  }

  get isDraining(): boolean {
    return this.#step !== "serving";
  }

  /** Calls back when draining begins. Answers how to stop listening. */
  onDrain(listener: () => void): () => void {
    this.#drainListeners.add(listener);
    return () => this.#drainListeners.delete(listener);
  }

  /** Calls back when the server leaves, at once where it has. Answers how to stop listening. */
  onLeave(listener: () => void): () => void {
    if (this.#step === "left") listener();
    else this.#leaveListeners.add(listener);
    return () => this.#leaveListeners.delete(listener);
  }
}

/** What a server says to whoever it does not serve any more. */
export function leavingRefusal(retryAfterMs: number): Refusal {
  return refuse(
    RejectionCode.UNAVAILABLE,
    "This server is stopping. Go on at another one.",
    retryAfterMs,
  );
}
