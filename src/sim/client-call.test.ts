// Unary calls over the simulated network, and what faults do to them.
import { Code } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { address, ClientRig } from "./client-rig.test-support.ts";

describe("a unary call", () => {
  it("brings headers and request over and the response back", async () => {
    const rig = new ClientRig();
    const call = rig.call("good");
    await rig.runDrained(0.2);
    expect(rig.server.calls).toBe(0);
    await rig.runDrained(30);
    expect(call.value).toEqual(["good", address]);
    expect(rig.time.pending).toBeLessThan(3);
  });

  it("brings the server's refusal with its code", async () => {
    const rig = new ClientRig();
    const call = rig.call("bad");
    await rig.runDrained(30);
    expect(call.value).toBe(Code.ResourceExhausted);
  });

  it("is unavailable where no process listens", async () => {
    const rig = new ClientRig();
    rig.server.end();
    const call = rig.call();
    await rig.runDrained(20);
    expect(call.value).toBe(Code.Unavailable);
  });

  it("is unavailable when the server dies in the middle of it", async () => {
    const rig = new ClientRig();
    rig.server.hang();
    const call = rig.call();
    await rig.runDrained(1000);
    expect(rig.server.calls).toBe(1);
    rig.server.end();
    await rig.runDrained(20);
    expect(call.value).toBe(Code.Unavailable);
  });

  it.each([
    ["cut off", (rig: ClientRig) => rig.network.faults.cut(1), 0],
    ["paused", (rig: ClientRig) => rig.server.life.pause(), 0],
    ["busy for ever", (rig: ClientRig) => rig.server.hang(), 1],
  ])("of a server that is %s ends by its time-out alone", async (_, strike, calls) => {
    const rig = new ClientRig();
    strike(rig);
    const call = rig.call("good", { timeoutMs: 5000 });
    await rig.runDrained(4999);
    expect(call.value).toBe(undefined);
    await rig.runDrained(1);
    expect(call.value).toBe(Code.DeadlineExceeded);
    expect(rig.server.calls).toBe(calls);
    await rig.runDrained(20);
    expect(rig.server.heard).toEqual(calls === 0 ? [] : ["aborted"]);
  });

  it("may be done though the client heard nothing of it", async () => {
    const rig = new ClientRig();
    rig.server.callMs = 100;
    const call = rig.call("good", { timeoutMs: 5000 });
    await rig.runDrained(50);
    rig.network.faults.cut(1);
    await rig.runDrained(5000);
    expect(rig.server.calls).toBe(1);
    expect(call.value).toBe(Code.DeadlineExceeded);
  });

  it("is answered by a paused server when it goes on", async () => {
    const rig = new ClientRig();
    rig.server.life.pause();
    const call = rig.call("good", { timeoutMs: 5000 });
    await rig.runDrained(3000);
    rig.server.life.resume();
    await rig.runDrained(30);
    expect(call.value).toEqual(["good", address]);
  });

  it("can be called off", async () => {
    const rig = new ClientRig();
    const controller = new AbortController();
    rig.server.hang();
    const call = rig.call("good", { signal: controller.signal });
    await rig.runDrained(20);
    controller.abort();
    await rig.runDrained(20);
    expect(call.value).toBe(Code.Canceled);
    expect(rig.server.heard).toEqual(["aborted"]);
  });
});
