// Keeping processes running, with small processes that stand in for servers.
import { createServer } from "node:net";
import { afterEach, expect, test } from "vitest";
import { eventually } from "../testing/index.ts";
import { Supervisor } from "./supervisor.ts";

/** A stand-in server: says that it listens, answers 200, ends when its standard input does. */
const standIn = `
  const server = require("node:http").createServer((_, answer) => answer.end("ok"));
  server.listen(Number(process.argv[1]), "127.0.0.1", () => {
    console.log("line of " + process.pid);
    process.send({ kind: "started" });
  });
  process.stdin.on("close", () => process.exit(0)).resume();
`;

const running: Supervisor[] = [];
afterEach(async () => {
  for (const supervisor of running.splice(0)) await supervisor.stop();
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function supervise(script: string, names: readonly string[] = ["one"]) {
  const lines: string[] = [];
  const deaths: string[] = [];
  const plans = [];
  for (const name of names) {
    const port = await freePort();
    plans.push({
      name,
      command: process.execPath,
      args: ["-e", script, String(port)],
      readyUrl: `http://127.0.0.1:${port}/readyz`,
      finalExitCodes: [4],
    });
  }
  const supervisor = new Supervisor(plans, {
    handleLine: (name, line) => void lines.push(`${name} ${line}`),
    handleDeath: (name, how) => void deaths.push(`${name} ${how}`),
    handleFinalEnd: (name) => void deaths.push(`${name} for good`),
  });
  running.push(supervisor);
  return { supervisor, lines, deaths };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test("R10: a process that is killed comes back at once", async () => {
  const { supervisor, deaths, lines } = await supervise(standIn);
  expect(await supervisor.start()).toBeUndefined();
  const first = supervisor.pids().get("one")!;
  process.kill(first, "SIGKILL");
  await eventually("a new process", () => lines.length === 2);
  expect(deaths).toEqual(["one by SIGKILL"]);
  expect(supervisor.pids().get("one")).not.toBe(first);
});

test("R9: a process that has ended for good is not started again", async () => {
  const isRemoved = 'process.on("SIGUSR2", () => { console.error("removed"); process.exit(4); })';
  const script = standIn.replace("process.stdin.on", `${isRemoved};\nprocess.stdin.on`);
  const { supervisor, deaths, lines } = await supervise(script);
  await supervisor.start();
  process.kill(supervisor.pids().get("one")!, "SIGUSR2");
  await eventually("its end to be told", () => deaths.length === 1);
  expect(deaths).toEqual(["one for good"]);
  await supervisor.stop();
  expect(lines).toEqual([expect.stringContaining("line of"), "one removed"]);
});

test("stopping ends all processes, and none comes back", async () => {
  const { supervisor, deaths } = await supervise(standIn, ["one", "two"]);
  await supervisor.start();
  const pids = [...supervisor.pids().values()];
  await supervisor.stop();
  expect(pids.map(isAlive)).toEqual([false, false]);
  expect(deaths).toEqual([]);
});

test("a process that cannot start says why", async () => {
  const script = 'console.error("holdfast: port 1 is in use."); process.exit(1);';
  const { supervisor } = await supervise(script);
  expect(await supervisor.start()).toEqual({ name: "one", reason: "port 1 is in use." });
});

test("a stranger who answers at a process's port is not taken for it", async () => {
  const stranger = createServer((socket) => {
    socket.end("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  });
  await new Promise<void>((resolve) => stranger.listen(0, "127.0.0.1", resolve));
  const address = stranger.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const script = standIn.replace(
    "server.listen",
    'server.on("error", () => process.exit(1)).listen',
  );
  const supervisor = new Supervisor(
    [
      {
        name: "one",
        command: process.execPath,
        args: ["-e", script, String(port)],
        readyUrl: `http://127.0.0.1:${port}/readyz`,
        finalExitCodes: [],
      },
    ],
    {
      handleLine: () => undefined,
      handleDeath: () => undefined,
      handleFinalEnd: () => undefined,
    },
  );
  running.push(supervisor);
  expect(await supervisor.start()).toMatchObject({ name: "one" });
  await new Promise((resolve) => stranger.close(resolve));
});
