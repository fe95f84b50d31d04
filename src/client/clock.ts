// The client's ports to time and chance, with the host's own as default. Works in browsers and in
// Node; tests bring their own. No other file of the client names a timer or a random source.

/** A timer that has been set. */
export interface ClientTimer {
  /** Makes sure that the callback is not called; harmless when it has been. */
  cancel(): void;
}

/** Time as the client sees it. */
export interface ClientClock {
  /** Milliseconds since some fixed moment, never backwards; for durations. */
  monotonicMs(): number;
  /**
   * Milliseconds since 1970 as this machine believes; only shown and mixed into ids, never
   * compared.
   */
  wallMs(): number;
  /** Calls back once, after at least `delayMs`. */
  setTimer(delayMs: number, callback: () => void): ClientTimer;
  /** Calls back as soon as everything that waits now has had its turn; for batching. */
  setSoon(callback: () => void): void;
}

/** Chance as the client sees it. */
export interface ClientRandom {
  /** Fills with bytes that nobody can guess or meet again: they become command ids. */
  fillBytes(bytes: Uint8Array<ArrayBuffer>): void;
  /** A number in [0, 1), for jitter. */
  nextFloat(): number;
}

// Node alone has setImmediate; it runs after all sockets of a turn were read, which batches best.
declare const setImmediate: ((callback: () => void) => void) | undefined;

/** The host's clock. */
export function createHostClock(): ClientClock {
  return {
    monotonicMs: () => performance.now(),
    wallMs: () => Date.now(),
    setTimer(delayMs, callback) {
      const handle = setTimeout(callback, delayMs);
      return { cancel: () => clearTimeout(handle) };
    },
    setSoon: createSoon(),
  };
}

/** The host's randomness, cryptographic for ids. */
export function createHostRandom(): ClientRandom {
  return {
    fillBytes: (bytes) => {
      crypto.getRandomValues(bytes);
    },
    nextFloat: () => Math.random(),
  };
}

function createSoon(): (callback: () => void) => void {
  if (typeof setImmediate === "function") {
    const immediate = setImmediate;
    return (callback) => immediate(callback);
  }
  // Browsers clamp setTimeout to 4 ms and slow it down in hidden tabs; a message port is neither.
  const waiting: (() => void)[] = [];
  const channel = new MessageChannel();
  channel.port1.onmessage = () => waiting.shift()?.();
  return (callback) => {
    waiting.push(callback);
    channel.port2.postMessage(undefined);
  };
}
