// Session streams over the simulated network, and what faults do to them.
import { describe, expect, it } from "vitest";
import { encodeUtf8 } from "../base/bytes.ts";
import { ClientRig } from "./client-rig.test-support.ts";

describe("a session stream", () => {
  it("opens after a round trip and brings messages both ways in order", () => {
    const rig = new ClientRig();
    const session = rig.connect();
    expect(session.heard).toEqual([]);
    rig.run(20);
    for (let at = 0; at < 20; at++) session.send(String(at));
    rig.run(0.1);
    expect(session.heard).toEqual(["opened"]);
    rig.run(20);
    const all = Array.from({ length: 20 }, (_, at) => String(at));
    expect(rig.server.heard).toEqual(["opened", ...all]);
    expect(session.heard).toEqual(["opened", ...all]);
  });

  it("fails quickly where no process listens", () => {
    const rig = new ClientRig();
    rig.server.end();
    const session = rig.connect();
    const other = rig.connect("http://server-2:8080");
    rig.run(20);
    expect(session.heard).toEqual(["closed: connection refused"]);
    expect(other.heard).toEqual(session.heard);
  });

  it.each([
    ["cut off", (rig: ClientRig) => rig.network.faults.cut(1)],
    ["paused", (rig: ClientRig) => rig.server.life.pause()],
    ["without power", (rig: ClientRig) => rig.server.end("powerLost")],
  ])("never opens to a server that is %s", (_, strike) => {
    const rig = new ClientRig();
    strike(rig);
    const session = rig.connect();
    rig.run(100_000);
    expect(session.heard).toEqual([]);
    session.close();
    rig.run(1000);
    expect(session.heard).toEqual([]);
  });

  it("tells the server when the client closes, after what it sent", () => {
    const rig = new ClientRig();
    const session = rig.session();
    session.send("last");
    session.close();
    session.close();
    session.send("too late");
    rig.run(20);
    expect(rig.server.heard).toEqual(["opened", "last", "closed"]);
    expect(session.heard).toEqual(["opened"]);
  });

  it("ends for the client as soon as the server dies", () => {
    const rig = new ClientRig();
    const session = rig.session();
    rig.server.end();
    expect(session.heard).toEqual(["opened"]);
    rig.run(5);
    expect(session.heard).toEqual(["opened", "closed: the connection was reset"]);
    rig.server.boot();
    rig.session();
  });

  it("tells nobody when the machine lost power, until it is back", () => {
    const rig = new ClientRig();
    const session = rig.session();
    rig.server.end("powerLost");
    rig.run(30_000);
    expect(session.heard).toEqual(["opened"]);
    rig.server.boot();
    rig.run(1100);
    expect(session.heard).toEqual(["opened", "closed: the connection was reset"]);
  });

  it("stands through a cut, silently, and goes on after it", () => {
    const rig = new ClientRig();
    const session = rig.session();
    rig.network.faults.cut(1);
    session.send("a");
    rig.server.sinks[0]?.send(encodeUtf8("b"));
    rig.run(15_000);
    expect(session.heard).toEqual(["opened"]);
    expect(rig.server.heard).toEqual(["opened"]);
    rig.network.faults.mend(1);
    rig.run(1100);
    expect(session.heard).toEqual(["opened", "b", "a"]);
  });

  it("is given up by the server when the client is silent for 20 to 40 seconds", () => {
    const rig = new ClientRig();
    const session = rig.session();
    rig.network.faults.cut(1);
    rig.run(19_000);
    expect(rig.server.heard).toEqual(["opened"]);
    rig.run(23_000);
    expect(rig.server.heard).toEqual(["opened", "closed"]);
    expect(session.heard).toEqual(["opened"]);
    rig.network.faults.mendAll();
    rig.run(1100);
    expect(session.heard.at(-1)).toContain("closed");
  });

  it("counts what a client does not take, and cuts it off when it takes no goodbye", () => {
    const rig = new ClientRig();
    const session = rig.session();
    const [sink] = rig.server.sinks;
    expect(sink?.queuedBytes()).toBe(0);
    rig.network.faults.cut(1);
    for (let at = 0; at < 100; at++) sink?.send(new Uint8Array(1000));
    expect(sink?.queuedBytes()).toBe(100_000);
    sink?.end("too slow");
    rig.run(4900);
    expect(rig.server.heard).toEqual(["opened"]);
    rig.run(200);
    expect(rig.server.heard).toEqual(["opened", "closed"]);
    expect(sink?.queuedBytes()).toBeLessThanOrEqual(100_000);
    expect(session.heard).toEqual(["opened"]);
  });

  it("says a goodbye after everything else, and tells the server when it is taken", () => {
    const rig = new ClientRig();
    const session = rig.session();
    const [sink] = rig.server.sinks;
    sink?.send(encodeUtf8("one"));
    sink?.end("leaving");
    sink?.send(encodeUtf8("never"));
    rig.run(20);
    expect(session.heard).toEqual(["opened", "one", "closed: leaving"]);
    expect(rig.server.heard).toEqual(["opened", "closed"]);
    rig.run(10_000);
    expect(rig.server.heard).toEqual(["opened", "closed"]);
  });

  it("is broken for both sides by breakConnections", () => {
    const rig = new ClientRig();
    const session = rig.session();
    rig.network.faults.breakConnections(1);
    rig.run(10);
    expect(session.heard).toEqual(["opened", "closed: the connection was reset"]);
    expect(rig.server.heard).toEqual(["opened", "closed"]);
  });

  it("is cut for one client and not for another", () => {
    const rig = new ClientRig();
    const ann = rig.session("ann");
    const bob = rig.session("bob");
    rig.network.cutClient("ann", 1);
    ann.send("from ann");
    bob.send("from bob");
    rig.run(20);
    expect(rig.server.heard).toEqual(["opened", "opened", "from bob"]);
    rig.network.mendClient("ann", 1);
    rig.run(100);
    expect(rig.server.heard.at(-1)).toBe("from ann");
  });

  it("is refused by a server that has closed its port, while others go on", () => {
    const rig = new ClientRig();
    const session = rig.session();
    rig.network.stopListening(1);
    const late = rig.connect();
    session.send("still here");
    rig.run(20);
    expect(late.heard).toEqual(["closed: connection refused"]);
    expect(session.heard).toEqual(["opened", "still here"]);
  });
});
