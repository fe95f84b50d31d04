// Replaces what a JavaScript host offers of time, timers and chance by virtual ones while a run
// lasts, since libraries use them without asking; and makes them throw where nothing may use them
// at all. Not here: the ports, through which all own code gets them.
import { assert } from "../base/assert.ts";
import type { Random } from "../base/random.ts";
import type { Timer } from "../io/clock.ts";
import { virtualEpochMs } from "./sim-clock.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What was asked for where nothing may ask for it. */
export class ForbiddenGlobalError extends Error {
  override name = "ForbiddenGlobalError";
}

const realSetImmediate = globalThis.setImmediate;
const RealDate = globalThis.Date;

/** Above zero while `forbidden` runs. */
let forbiddenDepth = 0;
let installed = false;

/**
 * Resolves when every microtask, and what those set off, has run: between two events of the run
 * loop. By a real turn of the event loop, which nothing replaces.
 */
export function drain(): Promise<void> {
  return new Promise((resolve) => realSetImmediate(resolve));
}

/**
 * Runs `body` and answers what it answers; Date, Math.random, timers and their like throw a
 * ForbiddenGlobalError meanwhile. For code whose result must not depend on any of them.
 */
export function forbidden<T>(body: () => T): T {
  const uninstall = installed ? undefined : install(throwingGlobals());
  forbiddenDepth += 1;
  try {
    return body();
  } finally {
    forbiddenDepth -= 1;
    uninstall?.();
  }
}

/**
 * Puts virtual ones in the place of the host's globals; answers what puts the host's back. The date
 * is the true one of virtual time. One at a time. `crypto.getRandomValues` and what cannot be made
 * virtual throw.
 */
export function installVirtualGlobals(time: VirtualTime, random: Random): () => void {
  assert(!installed, "the globals are virtual already");
  const uninstall = install(virtualGlobals(time, random));
  installed = true;
  return () => {
    if (installed) uninstall();
    installed = false;
  };
}

/** A property of an object, and what stands in its place. */
interface Replacement {
  readonly on: object;
  readonly name: string;
  readonly value: unknown;
}

function install(replacements: readonly Replacement[]): () => void {
  const before = replacements.map(({ on, name }) => Object.getOwnPropertyDescriptor(on, name));
  for (const { on, name, value } of replacements) {
    Object.defineProperty(on, name, { value, writable: true, configurable: true });
  }
  return () => {
    for (const [at, { on, name }] of replacements.entries()) {
      const descriptor = before[at];
      // What an object had from its prototype it has from there again.
      if (descriptor === undefined) Reflect.deleteProperty(on, name);
      else Object.defineProperty(on, name, descriptor);
    }
  };
}

function virtualGlobals(time: VirtualTime, random: Random): Replacement[] {
  const wallMs = () => Math.floor(virtualEpochMs + time.nowMs);
  const set = (what: { readonly repeats: boolean; readonly delayMs: number }, call: unknown[]) => {
    const [callback, ...parameters] = call as [(...all: unknown[]) => void, ...unknown[]];
    return new VirtualTimeout(time, { ...what, callback: () => callback(...parameters) });
  };
  const timers: Readonly<Record<string, (...call: unknown[]) => unknown>> = {
    setTimeout: (callback, delayMs, ...parameters) =>
      set({ repeats: false, delayMs: delayOf(delayMs) }, [callback, ...parameters]),
    setInterval: (callback, delayMs, ...parameters) =>
      set({ repeats: true, delayMs: delayOf(delayMs) }, [callback, ...parameters]),
    setImmediate: (...call) => set({ repeats: false, delayMs: 0 }, call),
  };
  return [
    { on: globalThis, name: "Date", value: createDate(unlessForbidden("Date", wallMs)) },
    { on: Math, name: "random", value: unlessForbidden("Math.random", () => random.nextFloat()) },
    { on: performance, name: "now", value: unlessForbidden("performance.now", () => time.nowMs) },
    ...Object.entries(timers).map(([name, value]) => ({
      on: globalThis,
      name,
      value: unlessForbidden(name, value),
    })),
    { on: globalThis, name: "clearTimeout", value: clearBefore(globalThis.clearTimeout) },
    { on: globalThis, name: "clearInterval", value: clearBefore(globalThis.clearInterval) },
    { on: globalThis, name: "clearImmediate", value: clearBefore(globalThis.clearImmediate) },
    ...neverAllowed(),
  ];
}

/** What nobody in a run may use: it cannot be repeated. */
function neverAllowed(): Replacement[] {
  return [
    { on: crypto, name: "getRandomValues", value: thrower("crypto.getRandomValues") },
    { on: crypto, name: "randomUUID", value: thrower("crypto.randomUUID") },
    { on: AbortSignal, name: "timeout", value: thrower("AbortSignal.timeout") },
  ];
}

/** For a `forbidden` outside of a run. */
function throwingGlobals(): Replacement[] {
  const timers = ["setTimeout", "setInterval", "setImmediate"];
  return [
    { on: globalThis, name: "Date", value: createDate(thrower("Date")) },
    { on: Math, name: "random", value: thrower("Math.random") },
    { on: performance, name: "now", value: thrower("performance.now") },
    ...timers.map((name) => ({ on: globalThis, name, value: thrower(name) })),
    ...neverAllowed(),
  ];
}

function thrower(name: string): () => never {
  return () => {
    throw new ForbiddenGlobalError(`${name} is used where the result must not depend on it`);
  };
}

function unlessForbidden<Parameters extends unknown[], T>(
  name: string,
  body: (...parameters: Parameters) => T,
): (...parameters: Parameters) => T {
  const refuse = thrower(name);
  return (...parameters) => (forbiddenDepth > 0 ? refuse() : body(...parameters));
}

/** As the host does: whole milliseconds, and 1 for what is below, above 2^31 - 1 or no number. */
function delayOf(delayMs: unknown): number {
  const delay = Math.trunc(Number(delayMs ?? 0));
  return delay >= 1 && delay <= 0x7fff_ffff ? delay : 1;
}

/** Clears a virtual timer, or one that was set before the globals were replaced. */
function clearBefore<Handle>(clearReal: (handle: Handle) => void): (handle: unknown) => void {
  return (handle) => {
    if (handle instanceof VirtualTimeout) handle.close();
    else clearReal(handle as Handle);
  };
}

/** A Date that knows only virtual time; its instances are the host's own. */
function createDate(nowMs: () => number): DateConstructor {
  function VirtualDate(...parameters: unknown[]): Date | string {
    if (new.target === undefined) return new RealDate(nowMs()).toString();
    if (parameters.length === 0) return new RealDate(nowMs());
    return Reflect.construct(RealDate, parameters) as Date;
  }
  const { prototype, parse, UTC } = RealDate;
  Object.defineProperty(VirtualDate, "prototype", { value: prototype });
  return Object.assign(VirtualDate, { parse, UTC, now: nowMs }) as unknown as DateConstructor;
}

/** What the virtual timers answer; shaped after the host's. */
class VirtualTimeout {
  readonly #time: VirtualTime;
  readonly #delayMs: number;
  readonly #repeats: boolean;
  readonly #callback: () => void;
  /** Undefined when it has run or was closed. */
  #timer: Timer | undefined;

  constructor(
    time: VirtualTime,
    what: { readonly delayMs: number; readonly repeats: boolean; readonly callback: () => void },
  ) {
    this.#time = time;
    this.#delayMs = what.delayMs;
    this.#repeats = what.repeats;
    this.#callback = what.callback;
    this.#set();
  }

  close(): this {
    this.#timer?.cancel();
    this.#timer = undefined;
    return this;
  }

  /** Begins its delay anew. */
  refresh(): this {
    this.close();
    this.#set();
    return this;
  }

  hasRef(): boolean {
    return this.#timer !== undefined;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  #set(): void {
    this.#timer = this.#time.at(this.#delayMs, () => {
      this.#timer = undefined;
      // Before the callback, which may close it.
      if (this.#repeats) this.#set();
      this.#callback();
    });
  }
}
