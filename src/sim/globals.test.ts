// The host's globals while a run lasts, and where nothing may use them.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import { drain, ForbiddenGlobalError, forbidden, installVirtualGlobals } from "./globals.ts";
import { virtualEpochMs } from "./sim-clock.ts";
import { VirtualTime } from "./virtual-time.ts";

/** Everything that must throw where nothing may depend on it. */
const uses: Readonly<Record<string, () => unknown>> = {
  "Date.now": () => Date.now(),
  "new Date()": () => new Date(),
  "Date()": () => Date(),
  "Math.random": () => Math.random(),
  "performance.now": () => performance.now(),
  setTimeout: () => setTimeout(() => {}, 1),
  setInterval: () => setInterval(() => {}, 1),
  setImmediate: () => setImmediate(() => {}),
  "crypto.getRandomValues": () => crypto.getRandomValues(new Uint8Array(1)),
  "crypto.randomUUID": () => crypto.randomUUID(),
  "AbortSignal.timeout": () => AbortSignal.timeout(1),
};

describe("virtual globals", () => {
  let time: VirtualTime;
  let uninstall: () => void;

  beforeEach(() => {
    time = new VirtualTime();
    uninstall = installVirtualGlobals(time, new Random(1));
  });
  afterEach(() => uninstall());

  function pass(ms: number): void {
    const endMs = time.nowMs + ms;
    time.at(ms, () => {});
    while ((time.nextMs ?? Number.POSITIVE_INFINITY) <= endMs) time.step();
  }

  it("tell the virtual date", () => {
    pass(1_500.7);
    expect(Date.now()).toBe(virtualEpochMs + 1_500);
    expect(new Date().toISOString()).toBe("2026-01-01T00:00:01.500Z");
    expect(Date()).toBe(new Date(virtualEpochMs + 1_500).toString());
    expect(performance.now()).toBeCloseTo(1_500.7, 6);
  });

  it("leave a date that is given as it is", () => {
    const date = new Date("2020-02-29T12:00:00Z");
    expect(date.getTime()).toBe(Date.UTC(2020, 1, 29, 12));
    expect(new Date(2020, 1, 29).getMonth()).toBe(1);
    expect(Date.parse("2020-02-29T12:00:00Z")).toBe(date.getTime());
    expect(date).toBeInstanceOf(Date);
  });

  it("draw from the seed", () => {
    const expected = new Random(1);
    for (let count = 0; count < 5; count++) expect(Math.random()).toBe(expected.nextFloat());
  });

  it("run timers on virtual time, with their parameters", () => {
    const seen: string[] = [];
    const note = (what: string) => seen.push(`${what} at ${time.nowMs}`);
    setTimeout(note, 20, "timeout");
    setImmediate(note, "immediate");
    setTimeout(note, undefined, "shortest");
    setTimeout(note, 2 ** 31, "too long for the host");
    clearTimeout(setTimeout(note, 5, "cleared"));
    const interval = setInterval(note, 8, "interval");
    setTimeout(() => clearInterval(interval), 17);
    pass(100);
    expect(seen).toEqual([
      "immediate at 0",
      "shortest at 1",
      "too long for the host at 1",
      "interval at 8",
      "interval at 16",
      "timeout at 20",
    ]);
  });

  it("have handles shaped as the host's", () => {
    let count = 0;
    const timeout = setTimeout(() => {
      count += 1;
    }, 10);
    expect(timeout.unref().ref().hasRef()).toBe(true);
    pass(9);
    timeout.refresh();
    pass(9);
    expect(count).toBe(0);
    pass(1);
    expect(count).toBe(1);
    expect(timeout.hasRef()).toBe(false);
  });

  it("let an interval be cleared by its own callback", () => {
    let count = 0;
    const interval = setInterval(() => {
      count += 1;
      if (count === 3) clearInterval(interval);
    }, 1);
    pass(100);
    expect(count).toBe(3);
  });

  it("refuse what cannot be repeated", () => {
    expect(() => crypto.getRandomValues(new Uint8Array(4))).toThrow(ForbiddenGlobalError);
    expect(() => crypto.randomUUID()).toThrow(ForbiddenGlobalError);
    expect(() => AbortSignal.timeout(5)).toThrow(ForbiddenGlobalError);
  });

  it("throw one and all while nothing may use them, and work again after a throw", () => {
    for (const [name, use] of Object.entries(uses)) {
      expect(() => forbidden(use), name).toThrow(ForbiddenGlobalError);
    }
    expect(forbidden(() => forbidden(() => 42))).toBe(42);
    expect(Date.now()).toBe(virtualEpochMs);
  });

  it("are drained of every microtask, and what those set off, by a real turn", async () => {
    let depth = 0;
    const deeper = (): Promise<void> =>
      Promise.resolve().then(() => {
        depth += 1;
        return depth < 50 ? deeper() : undefined;
      });
    void deeper();
    await drain();
    expect(depth).toBe(50);
  });

  it("cannot be installed twice", () => {
    expect(() => installVirtualGlobals(time, new Random(1))).toThrow("virtual already");
  });
});

describe("without a run", () => {
  it("the globals are the host's own again, and a second uninstall is harmless", () => {
    const names = ["Date", "setTimeout", "clearTimeout", "setInterval", "setImmediate"] as const;
    const before = names.map((name) => Object.getOwnPropertyDescriptor(globalThis, name));
    const random = Math.random;
    const timeout = setTimeout(() => {
      throw new Error("it was cleared");
    }, 1);
    const uninstall = installVirtualGlobals(new VirtualTime(), new Random(1));
    expect(Math.random).not.toBe(random);
    clearTimeout(timeout);
    uninstall();
    uninstall();
    expect(names.map((name) => Object.getOwnPropertyDescriptor(globalThis, name))).toEqual(before);
    expect(Math.random).toBe(random);
    expect(Object.hasOwn(crypto, "getRandomValues")).toBe(false);
    expect(crypto.getRandomValues(new Uint8Array(4))).toHaveLength(4);
  });

  it("what is forbidden throws all the same, and only meanwhile", () => {
    const date = Date;
    for (const [name, use] of Object.entries(uses)) {
      expect(() => forbidden(use), name).toThrow(ForbiddenGlobalError);
    }
    expect(Date).toBe(date);
    expect(Math.random()).toBeLessThan(1);
  });
});
