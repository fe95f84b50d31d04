// The command line, driven as a person or a script would: every subcommand against three real
// servers, and starts that must be refused in one sentence.
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createTemporaryFolder, eventually } from "../src/testing/index.ts";
import { type Cluster, findFreePorts, startCluster } from "./cluster.ts";
import { cleanEnvironment, RunningProgram, type RunResult, runProgram } from "./program.ts";

const password = "correct horse";
const folder = createTemporaryFolder();
const running: RunningProgram[] = [];
let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster();
});

afterEach(async () => {
  for (const program of running.splice(0)) {
    program.signal("SIGKILL");
    await program.ended;
  }
});

afterAll(async () => {
  await cluster?.close();
  folder.remove();
});

/** The environment of one person at one machine. */
function environmentOf(user: string, servers: readonly string[] = cluster.addresses) {
  return {
    HOLDFAST_SERVERS: servers.join(","),
    HOLDFAST_SESSION: join(folder.path, `${user}.json`),
  };
}

/** Runs a command as a person, with input if there is any. */
function as(user: string, args: readonly string[], input = ""): Promise<RunResult> {
  return runProgram(args, { environment: environmentOf(user), input });
}

/** Runs a command that must succeed, and answers what it printed. */
async function done(user: string, args: readonly string[], input = ""): Promise<string> {
  const result = await as(user, args, input);
  expect(result, `holdfast ${args.join(" ")}`).toMatchObject({ code: 0, stderr: "" });
  return result.stdout;
}

/** Runs a command that must be refused in one sentence on standard error. */
async function refused(user: string, args: readonly string[], input = ""): Promise<RunResult> {
  return expectRefusal(await as(user, args, input));
}

function expectRefusal(result: RunResult): RunResult {
  expect(result.stderr).toMatch(/^holdfast: [^\n]+[.!?]\n$/);
  expect(result.code).not.toBe(0);
  return result;
}

async function newPerson(user: string): Promise<void> {
  await done(user, ["register", "-u", user, "--password-stdin"], `${password}\n`);
  await done(user, ["login", "-u", user, "--password-stdin"], `${password}\n`);
}

/** A `serve` that must be refused, on free ports unless told otherwise. */
async function serve(settings: Record<string, string>): Promise<RunResult> {
  const [clientPort, peerPort] = await findFreePorts(2);
  const all = {
    id: "1",
    members: `1=127.0.0.1:${peerPort}`,
    "client-port": String(clientPort),
    data: join(folder.path, "refused"),
    ...settings,
  };
  const options = Object.entries(all).flatMap(([key, value]) => [`--${key}`, value]);
  return expectRefusal(await runProgram(["serve", ...options], { environment: {} }));
}

/** JSON lines as they were printed. */
function linesOf(text: string) {
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** A command that goes on until the test ends. */
function start(user: string, args: readonly string[], added: Record<string, string> = {}) {
  const environment = { ...environmentOf(user), ...added };
  const program = new RunningProgram(args, { environment });
  running.push(program);
  return program;
}

describe("people and rooms", () => {
  beforeAll(async () => {
    await Promise.all([newPerson("ada"), newPerson("bob")]);
    await done("ada", ["create", "quiet"]);
  });

  test("C1: people are listed by wildcards", async () => {
    expect(await done("ada", ["people"])).toMatch(/^username +name\nada +ada\nbob +bob\n/);
    expect(await done("bob", ["people", "a*"])).toBe("username  name\nada       ada\n");
    const lines = (await done("bob", ["people", "b?b", "--json"])).trim().split("\n");
    expect(lines.map((line) => JSON.parse(line).username)).toEqual(["bob"]);
  });

  test("C2, C3: a room is made, joined, written to, read and left", async () => {
    expect(await done("ada", ["create", "team"])).toBe("Made team.\n");
    expect(await done("bob", ["join", "team"])).toBe("Joined team.\n");
    expect(await done("bob", ["join", "@ada"])).toBe("Joined @ada.\n");
    const receipt = await done("ada", ["send", "team", "hello", "there"]);
    expect(receipt).toMatch(/^Stored in team as number \d+, at position \d+, on 3 disks\.\n$/);
    await done("ada", ["send", "@ada"], "from input\nin two lines\n");
    const json = JSON.parse(await done("bob", ["send", "team", "--json", "hi"]));
    expect(json).toMatchObject({ room: "team", disks: 3, repeated: false });
    const past = (await done("bob", ["tail", "team", "--no-follow", "--json"])).trim().split("\n");
    const items = past.map((line) => JSON.parse(line));
    expect(items.map(({ number }) => number)).toEqual(items.map((_, i) => i + 1));
    expect(items.filter((item) => item.kind === "message")).toMatchObject([
      { authorUsername: "ada", body: "hello there", room: "team" },
      { authorUsername: "bob", body: "hi", commandId: json.commandId },
    ]);
    expect(await done("bob", ["tail", "@ada", "-n", "1", "--no-follow"])).toMatch(
      /^\[\d\d:\d\d\] ada: from input\n {8}in two lines\n$/,
    );
    const rooms = await done("bob", ["rooms"]);
    expect(rooms).toMatch(/^\* {2}team +open +2 /m);
    expect(rooms).toMatch(/^\* {2}@ada +personal +2 /m);
    expect(await done("bob", ["leave", "team"])).toBe("Left team.\n");
    expect(await done("bob", ["rooms", "--joined"])).not.toContain("team");
  });

  test("C5: tail shows what is written live, through any server", async () => {
    await done("ada", ["create", "live"]);
    await done("bob", ["join", "live"]);
    const tail = start("bob", ["tail", "live", "--to", cluster.server(3).clientAddress]);
    await eventually("the past", () => tail.stdout.includes("bob has joined"), {
      timeoutMs: 15_000,
    });
    await done("ada", ["send", "live", "now", "--to", cluster.server(2).clientAddress]);
    await eventually("the message", () => tail.stdout.includes("ada: now"), { timeoutMs: 15_000 });
    tail.signal("SIGINT");
    expect(await tail.ended).toMatchObject({ code: 0, stderr: "" });
  });

  test.each([
    [["send", "nowhere", "hi"], "room"],
    [["send", "quiet", "hi"], "not in this room"],
    [["tail", "quiet"], "not in this room"],
    [["join", "nowhere"], "room"],
    [["create", "quiet"], "taken"],
    [["create", "Not A Name!"], "name"],
    [["leave", "@bob"], "own"],
    [["send", "@ada", "hi"], "owner"],
    [["send", "quiet", "x".repeat(16_385)], "16"],
    [["register", "-u", "ada", "--password-stdin"], "taken"],
    [["register", "-u", "UPPER CASE", "--password-stdin"], "name"],
    [["register", "-u", "carol", "--password-stdin"], "password"],
    [["login", "-u", "ada", "--password-stdin"], "password"],
  ])("S6: holdfast %.40s … is refused in one sentence", async (args, expected) => {
    const isShort = args.includes("carol");
    const isTaken = args[0] === "register" && args.includes("ada");
    const input = isShort ? "short\n" : isTaken ? `${password}\n` : "a wrong password\n";
    const result = await refused("bob", args, input);
    expect(result.stderr.toLowerCase()).toContain(expected);
    expect(result.code).toBe(1);
  });

  test("C1: after a log-out the log-in is gone here, and the token everywhere", async () => {
    await newPerson("dan");
    const copied = { ...environmentOf("dan"), HOLDFAST_SESSION: join(folder.path, "copy.json") };
    copyFileSync(environmentOf("dan").HOLDFAST_SESSION, copied.HOLDFAST_SESSION);
    expect(await done("dan", ["logout"])).toBe("Logged out.\n");
    expect((await refused("dan", ["rooms"])).stderr).toContain("you are not logged in");
    const stale = expectRefusal(await runProgram(["rooms"], { environment: copied }));
    expect(stale.code).toBe(1);
  });
});

describe("chat (C6)", () => {
  test("list, follow, chat mode and leaving, from piped input", async () => {
    await newPerson("eve");
    await newPerson("fay");
    await done("eve", ["create", "crew"]);
    await done("eve", ["send", "crew", "before you came"]);
    const lines = ["list", "people f*", "nonsense", "follow eve", "join crew", "chat crew"];
    const spoken = ["first words", "//slash", "/leave", "leave @eve", "exit", "not reached"];
    const { stdout, code, stderr } = await as(
      "fay",
      ["chat", "-u", "fay"],
      `${[...lines, ...spoken].join("\n")}\n`,
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const expected = [
      /^You are fay/m,
      /^eve +eve$/m,
      /^ {3}crew +open/m,
      /There is no command `nonsense`/,
      /^Joined @eve\.$/m,
      /^Joined crew\.$/m,
      /^\[\d\d:\d\d\] eve: before you came$/m,
      /^\[\d\d:\d\d\] \* fay has joined$/m,
      /^\[\d\d:\d\d\] fay: first words$/m,
      /^\[\d\d:\d\d\] fay: \/slash$/m,
      /^Back at the menu\.$/m,
      /^Left @eve\.$/m,
    ];
    let from = 0;
    for (const pattern of expected) {
      const at = stdout.slice(from).search(pattern);
      expect(at, `${pattern} in:\n${stdout.slice(from)}`).toBeGreaterThanOrEqual(0);
      from += at;
    }
    expect(stdout).not.toContain("not reached");
  });

  test("two people talk through different servers, and see the last 20 messages on entering", async () => {
    await newPerson("gus");
    await newPerson("hal");
    await done("gus", ["create", "bridge"]);
    await done("hal", ["join", "bridge"]);
    const told = Array.from({ length: 25 }, (_, i) => `told ${i}.`);
    await done("gus", ["chat"], `chat bridge\n${told.join("\n")}\n`);
    const gus = start("gus", ["chat", "--to", cluster.server(1).clientAddress]);
    const hal = start("hal", ["chat", "--to", cluster.server(2).clientAddress]);
    gus.write("chat bridge\n");
    hal.write("chat bridge\n");
    for (const program of [gus, hal]) {
      await eventually("the past", () => program.stdout.includes("gus: told 24."), {
        timeoutMs: 15_000,
      });
      expect(program.stdout.match(/gus: told/g)).toHaveLength(20);
    }
    gus.write("anyone there?\n");
    await eventually("gus's message at hal's", () => hal.stdout.includes("gus: anyone there?"));
    hal.write("here I am\n");
    await eventually("hal's message at gus's", () => gus.stdout.includes("hal: here I am"));
    hal.write("/exit\n");
    expect(await hal.ended).toMatchObject({ code: 0, stderr: "" });
    // The end of input is a way to leave, too.
    gus.child.stdin?.end();
    expect(await gus.ended).toMatchObject({ code: 0, stderr: "" });
  });

  test("a password comes from the environment where nobody is logged in, and a wrong one is refused", async () => {
    await done("ida", ["register", "-u", "ida", "--password-stdin"], `${password}\n`);
    const chat = (given: Record<string, string>) =>
      runProgram(["chat", "-u", "ida"], {
        environment: { ...environmentOf("ida"), ...given },
        input: "exit\n",
      });
    expectRefusal(await chat({ HOLDFAST_PASSWORD: "something else" }));
    expect(expectRefusal(await chat({})).code).toBe(2);
    expect(await chat({ HOLDFAST_PASSWORD: password })).toMatchObject({ code: 0, stderr: "" });
  });
});

describe("status (R14)", () => {
  test("every server shows every server, and a dead one as unreachable", async () => {
    const ask = (to: string, args: readonly string[] = []) =>
      runProgram(["status", "--to", to, ...args], { environment: {} });
    const views = await Promise.all(cluster.addresses.map((address) => ask(address)));
    for (const { code, stdout } of views) {
      expect(code).toBe(0);
      for (const address of cluster.addresses) expect(stdout).toContain(address);
      expect(stdout.match(/ leader /g)?.length).toBeGreaterThanOrEqual(2);
    }
    await cluster.kill(2);
    const all = cluster.addresses.join(",");
    await eventually(
      "server 2 to be shown as unreachable",
      async () => / 2 .*unreachable/.test((await ask(all)).stdout),
      { timeoutMs: 15_000 },
    );
    const json = JSON.parse((await ask(all, ["--json"])).stdout);
    expect(json.servers.map((server: { connected: boolean }) => server.connected)).toEqual([
      true,
      false,
      true,
    ]);
    await cluster.restart(2);
  });

  test("without any server the answer is one sentence and exit code 3", async () => {
    const [port] = await findFreePorts(1);
    const result = await runProgram(["status", "--to", `127.0.0.1:${port}`], { environment: {} });
    expect(expectRefusal(result).code).toBe(3);
  });
});

describe("starts that are refused", () => {
  const listening: Server[] = [];
  afterEach(async () => {
    for (const server of listening.splice(0)) {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  async function occupy(port: number): Promise<void> {
    const server = createServer();
    listening.push(server);
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  }

  test("a client port and a peer port that are in use", async () => {
    const [port] = await findFreePorts(1);
    await occupy(port!);
    const data = join(folder.path, "ports");
    const byClient = await serve({ "client-port": String(port), data });
    expect(byClient).toMatchObject({ code: 1 });
    expect(byClient.stderr).toContain(`port ${port} at 127.0.0.1`);
    expect(byClient.stderr).toContain("clients");
    const byPeer = await serve({ members: `1=127.0.0.1:${port}`, data });
    expect(byPeer).toMatchObject({ code: 1 });
    expect(byPeer.stderr).toContain("servers");
  });

  test("a folder that another server uses", async () => {
    const { code, stderr } = await serve({ data: cluster.server(1).dataFolder });
    expect(code).toBe(1);
    expect(stderr).toContain("in use by another process");
    const inspected = await runProgram(["inspect", cluster.server(1).dataFolder]);
    expect(expectRefusal(inspected).stderr).toContain("in use by another process");
  });

  test.each([
    [["serve", "--client-prot", "1"], {}, 2, "`--client-port`"],
    [["serve"], { HOLDFAST_CLIENT_PROT: "1" }, 1, "`HOLDFAST_CLIENT_PORT`"],
    [["rooms"], { HOLDFAST_SERVRS: "x" }, 1, "`HOLDFAST_SERVERS`"],
    [["serve", "--config", "/nonexistent.toml"], {}, 1, "does not exist"],
    [["serve", "--tick-ms", "0"], {}, 2, "--tick-ms"],
    [["snd"], {}, 2, "`send`"],
    [["inspect", "/nonexistent"], {}, 1, "is not the data folder"],
    [["tail", "x", "-n", "many"], {}, 2, "--lines"],
    [["send", "x", "y", "--to", "::"], {}, 2, "is not a server address"],
  ])("O1: holdfast %s %o", async (args, environment, code, expected) => {
    const session = { HOLDFAST_SESSION: join(folder.path, "none.json") };
    const result = await runProgram(args, { environment: { ...session, ...environment } });
    expect(expectRefusal(result)).toMatchObject({ code });
    expect(result.stderr).toContain(expected);
  });

  test("O1: config shows where each value comes from", async () => {
    const file = join(folder.path, "h.toml");
    writeFileSync(file, "tick-ms = 20\nheartbeat-ms = 60\n");
    const environment = { HOLDFAST_CONFIG: file, HOLDFAST_HEARTBEAT_MS: "80" };
    const args = ["config", "--json", "--id", "1"];
    const { stdout } = await runProgram(args, { environment });
    expect(JSON.parse(stdout)).toMatchObject({
      id: { value: "1", source: "flag" },
      "heartbeat-ms": { value: "80", source: "environment" },
      "tick-ms": { value: "20", source: "file" },
      acks: { value: "live", source: "default" },
    });
  });
});

describe("up (O2)", () => {
  /**
   * Process ids of the servers, from what they tell of themselves at `status`: the line that they
   * log at start.
   */
  async function startUp() {
    const data = join(folder.path, `up-${running.length}-${Date.now()}`);
    const [basePort] = await findFreePorts(1);
    const up = new RunningProgram(["up", "--data", data, "--base-port", String(basePort)], {
      environment: {},
    });
    running.push(up);
    await eventually("three servers", () => up.stdout.includes("Three servers are running"), {
      timeoutMs: 30_000,
    });
    const addresses = [0, 1, 2].map((i) => `http://127.0.0.1:${basePort! + i}`);
    return { up, addresses };
  }

  async function answers(address: string): Promise<boolean> {
    return await fetch(`${address}/livez`, { signal: AbortSignal.timeout(1_000) }).then(
      (answer) => answer.ok,
      () => false,
    );
  }

  test("starts three servers, tells where to go, and stops them", async () => {
    const { up, addresses } = await startUp();
    for (const address of addresses) expect(up.stdout).toContain(address);
    expect(up.stdout).toContain("./holdfast chat -u ada");
    up.signal("SIGINT");
    expect(await up.ended).toMatchObject({ code: 0 });
    expect(await Promise.all(addresses.map(answers))).toEqual([false, false, false]);
  });

  test("the servers end when it is killed with -9", async () => {
    const { up, addresses } = await startUp();
    up.signal("SIGKILL");
    await eventually(
      "the servers to end",
      async () => (await Promise.all(addresses.map(answers))).every((alive) => !alive),
      { timeoutMs: 20_000 },
    );
  });

  test("says in one sentence which server could not start and why", async () => {
    const [basePort] = await findFreePorts(1);
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(basePort! + 1, "127.0.0.1", resolve));
    const data = join(folder.path, "up-blocked");
    const args = ["up", "--data", data, "--base-port", String(basePort)];
    const result = expectRefusal(await runProgram(args, { environment: {} }));
    expect(result.code).toBe(1);
    expect(result.stderr).toContain(`server 2 did not start: port ${basePort! + 1}`);
    await new Promise((resolve) => blocker.close(resolve));
  });
});

describe("stopped servers", () => {
  let live: ReturnType<typeof linesOf>;

  beforeAll(async () => {
    await newPerson("sam");
    for (const body of ["one", "two", "three"]) await done("sam", ["send", "@sam", body]);
    const tail = await done("sam", ["tail", "@sam", "--no-follow", "--json"]);
    live = linesOf(tail).filter((item) => item.kind === "message");
    expect(live).toHaveLength(3);
    await cluster.killAll();
  });

  test("inspect reads every message from each folder, with its id, number and position", async () => {
    for (const { dataFolder } of cluster.servers) {
      const { stdout } = await runProgram(["inspect", dataFolder, "--json"]);
      const messages = linesOf(stdout).filter((message) => message.room === "@sam");
      expect(messages).toMatchObject(
        live.map(({ kind, roomId, authorId, authorUsername, ...message }) => ({
          ...message,
          author: authorUsername,
        })),
      );
      const summary = await runProgram(["inspect", dataFolder]);
      expect(summary.stdout).toMatch(/^messages {2}\d+ committed, \d+ in the tail$/m);
    }
  });

  test("an entry that broke this build keeps it from starting, and says how to go on", async () => {
    const { version } = JSON.parse(
      readFileSync(new URL("../package.json", import.meta.url), "utf8"),
    );
    const { dataFolder } = cluster.server(3);
    const poison = { index: 7, error: "no such table", stack: "", version };
    writeFileSync(join(dataFolder, "poison.json"), JSON.stringify(poison));
    const members = cluster.servers.map((server) => `${server.id}=${server.peerAddress}`).join();
    const settings = { data: dataFolder, id: "3", members };
    const { code, stderr } = await serve({ ...settings, "cluster-name": "e2e" });
    expect(code).toBe(1);
    expect(stderr).toContain("entry 7 broke this build");
    expect(stderr).toContain("start a mended build, or remove");
  });

  test("a data folder is refused to another server, and to another cluster", async () => {
    const data = cluster.server(1).dataFolder;
    const members = "2=127.0.0.1:1";
    const otherId = await serve({ data, id: "2", members, "cluster-name": "e2e" });
    expect(otherId.code).toBe(1);
    expect(otherId.stderr).toContain("belongs to server 1, but `id` is 2");
    const otherCluster = await serve({ data });
    expect(otherCluster.code).toBe(1);
    expect(otherCluster.stderr).toContain("belongs to the cluster `e2e`");
  });
});

test("no HOLDFAST_ variable of the outside reaches a test", () => {
  expect(Object.keys(cleanEnvironment()).filter((name) => name.startsWith("HOLDFAST_"))).toEqual(
    [],
  );
});
