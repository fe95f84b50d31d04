// The watch over the list of servers: it tells of each change, once.
import { describe, expect, it } from "vitest";
import type { GatewayContext } from "./gateway-context.ts";
import { watchServers } from "./servers-watch.ts";

describe("the watch over the servers", () => {
  it("tells of a change once, not of another order, and not when it was stopped", () => {
    let addresses = ["a", "b"];
    let fire: (() => void) | undefined;
    const clock = {
      setTimer: (_: number, callback: () => void) => {
        fire = callback;
        return { cancel: () => (fire = undefined) };
      },
    };
    const context = {
      replica: { clientAddresses: () => addresses },
      clock,
      limits: { serversPollMs: 1_000 },
    } as unknown as GatewayContext;
    const told: (readonly string[])[] = [];
    const stop = watchServers(context, (now) => told.push(now));
    fire?.();
    addresses = ["b", "a"];
    fire?.();
    addresses = ["a", "b", "c"];
    fire?.();
    fire?.();
    addresses = ["a"];
    fire?.();
    stop();
    expect(fire).toBeUndefined();
    expect(told).toEqual([["a", "b", "c"], ["a"]]);
  });
});
