// The documentation alone must work: the commands of README.md and docs/ are taken from the pages,
// not copied, and run in a shell against real servers. Only what a reader fills in is replaced:
// addresses, tokens, names that another page has taken.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createTemporaryFolder, eventually } from "../src/testing/index.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { cleanEnvironment } from "./program.ts";

const project = fileURLToPath(new URL("..", import.meta.url));
/** A machine may have Node and npm and nothing else; then the pages' curl commands cannot run. */
const hasCurl = spawnSync("curl", ["--version"]).status === 0;
const folder = createTemporaryFolder();
let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster();
});

afterAll(async () => {
  await cluster?.close();
  folder.remove();
});

/** The commands in the indented lines of a page or of one section, continued lines joined. */
function commandsOf(path: string, section = ""): string[] {
  const page = readFileSync(join(project, path), "utf8");
  const text =
    section === "" ? page : (page.split(`\n## ${section}\n`)[1] ?? "").split("\n## ")[0]!;
  const commands = [...text.replaceAll(/ \\\n +/g, " ").matchAll(/^ {4}(\S.*)$/gm)];
  expect(commands.length, `commands in ${path} ${section}`).toBeGreaterThan(0);
  return commands.map((command) => command[1]!);
}

/** `./holdfast` commands as they would be typed, without the words that explain them. */
function programCommandsOf(path: string): string[] {
  return commandsOf(path)
    .filter((command) => command.startsWith("./holdfast "))
    .map((command) => command.replace(/ {2,}.*$/, ""));
}

/** What one command came to. */
interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A reader at a shell in the project's folder, who fills in the token of the newest log-in. */
class Reader {
  token = "";
  readonly #environment: NodeJS.ProcessEnv;
  /** Assignments so far: each command runs in a shell of its own. */
  #assignments = "";

  constructor(environment: Record<string, string> = {}) {
    this.#environment = cleanEnvironment({
      // Nothing may come from the network, nor from what was cached before.
      HOME: folder.path,
      npm_config_offline: "true",
      HTTPS_PROXY: "http://127.0.0.1:1",
      ...environment,
    });
  }

  /** Starts a command. Give it time with `within`, or end it with `stop`. */
  start(command: string): ChildProcess {
    const script = `set -eu\n${this.#assignments}${command}`;
    // A group of its own, so that what npx starts can be ended with it.
    const child = spawn("sh", ["-c", script], {
      cwd: project,
      env: this.#environment,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    child.stdout?.setEncoding("utf8");
    child.stderr?.setEncoding("utf8");
    return child;
  }

  /** Runs a command, which must end by itself within 30 seconds. */
  async run(command: string): Promise<Outcome> {
    const child = this.start(command);
    const timer = setTimeout(() => stop(child), 30_000);
    const written = { stdout: "", stderr: "" };
    child.stdout?.on("data", (text: string) => (written.stdout += text));
    child.stderr?.on("data", (text: string) => (written.stderr += text));
    const code = await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (ended) => resolve(ended ?? -1));
    });
    clearTimeout(timer);
    return { code, ...written };
  }

  /**
   * Types a line of a page: an assignment is kept, anything else must answer JSON, which is
   * returned under its method's name.
   */
  // biome-ignore lint/suspicious/noExplicitAny: whatever the server answered.
  async type(line: string): Promise<{ method: string; answer: any } | undefined> {
    if (/^[A-Z]+=/.test(line)) {
      await this.#assign(line.replace("<token>", this.token));
      return undefined;
    }
    expect(line).toMatch(/^(curl|npx buf curl) /);
    const { code, stdout, stderr } = await this.run(line);
    expect(code, `${line}\n${stdout}${stderr}`).toBe(0);
    const answer = JSON.parse(stdout);
    if (typeof answer.token === "string") this.token = answer.token;
    return { method: line.slice(line.lastIndexOf("/") + 1), answer };
  }

  /** Types several lines; what was answered, in their order. */
  async typeAll(lines: readonly string[]) {
    const answers: { method: string; answer: unknown }[] = [];
    for (const line of lines) {
      const answered = await this.type(line);
      if (answered !== undefined) answers.push(answered);
    }
    return answers;
  }

  /** Keeps the value that an assignment comes to, as the reader's shell would. */
  async #assign(line: string): Promise<void> {
    const name = line.slice(0, line.indexOf("="));
    const { code, stdout } = await this.run(`${line}\nprintf %s "$${name}"`);
    expect({ line, code }).toEqual({ line, code: 0 });
    expect(stdout).not.toMatch(/['<>]/);
    this.#assignments += `${name}='${stdout}'\n`;
  }
}

/** Ends a command with all that it has started. */
function stop(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}

/** A line of api.md with the address of a server of this cluster. */
function at(server: number, lines: readonly string[]): string[] {
  const address = cluster.server(server).clientAddress;
  return lines.map((line) => line.replace("http://127.0.0.1:4801", address));
}

const stored = { status: "WRITE_STATUS_STORED", disks: 3 };

describe("docs/using/api.md (K4)", () => {
  test.skipIf(!hasCurl)("every command works as written, from top to bottom", async () => {
    const reader = new Reader();
    const page = "docs/using/api.md";
    const byCurl = await reader.typeAll(at(1, commandsOf(page, "With curl")));
    expect(byCurl).toMatchObject([
      { method: "Register", answer: { person: { username: "ada" }, receipt: stored } },
      { method: "LogIn", answer: { person: { username: "ada" }, token: expect.any(String) } },
      { method: "CreateRoom", answer: { room: { name: "general" }, receipt: stored } },
      { method: "SendMessage", answer: { receipt: stored, number: 1 } },
      { method: "ReadTimeline", answer: { items: [{ number: 1, body: "hello" }] } },
    ]);
    const byGrpc = await reader.typeAll(commandsOf(page, "With gRPC"));
    expect(byGrpc).toMatchObject([
      { method: "Register", answer: { person: { username: "bob" }, receipt: stored } },
      { method: "LogIn", answer: { person: { username: "bob" }, token: expect.any(String) } },
      { method: "SendMessage", answer: { receipt: stored, number: 1 } },
      {
        method: "ReadTimeline",
        answer: { room: { name: "@bob" }, items: [{ number: 1, body: "hello" }] },
      },
    ]);
    const [draw, send] = commandsOf(page, "Sending exactly once");
    const twice = await reader.typeAll([draw!, send!, send!]);
    expect(twice).toMatchObject([
      { answer: { receipt: stored, number: 2 } },
      { answer: { receipt: { ...stored, repeated: true }, number: 2 } },
    ]);
    const [watch, ...others] = commandsOf(page, "The session stream");
    expect(others).toEqual([]);
    const watching = reader.start(watch!);
    onTestFinished(() => stop(watching));
    let seen = "";
    watching.stdout?.on("data", (text: string) => (seen += text));
    await eventually("the welcome", () => seen.includes('"welcome"'), { timeoutMs: 20_000 });
    await reader.typeAll([draw!, send!]);
    await eventually("the event", () => /"number": 3\b/.test(seen), { timeoutMs: 20_000 });
    expect(seen).toContain('"body": "once"');
  });

  test.each([
    ["HTTP/2", "--protocol grpcweb --http2-prior-knowledge", "web2"],
    ["HTTP/1.1", "--protocol grpcweb", "web1"],
  ])("its gRPC commands work with gRPC-Web over %s", async (_, protocol, name) => {
    const page = "docs/using/api.md";
    const isAddress = (line: string) => line.startsWith("A=");
    const lines = [
      ...at(2, commandsOf(page, "With curl").filter(isAddress)),
      ...commandsOf(page, "With gRPC").map((line) =>
        line.replace("--protocol grpc --http2-prior-knowledge", protocol).replace("bob", name),
      ),
    ];
    expect(await new Reader().typeAll(lines)).toMatchObject([
      { method: "Register", answer: { person: { username: name } } },
      { method: "LogIn", answer: { person: { username: name } } },
      { method: "SendMessage", answer: { receipt: stored } },
      { method: "ReadTimeline", answer: { items: [{ body: "hello" }] } },
    ]);
  });
});

describe("README.md", () => {
  test.skipIf(!hasCurl)("an account registered on the command line logs in with curl", async () => {
    // Another page of this file's cluster has an ada.
    const renamed = (line: string) => line.replace("ada", "ann");
    const isFor = (start: string) => (line: string) => line.startsWith(start);
    const commands = commandsOf("README.md").map(renamed);
    const [register] = commands.filter(isFor("./holdfast register "));
    const [logIn, ...others] = at(3, commands.filter(isFor("curl ")));
    expect(others).toEqual([]);
    const reader = new Reader({ HOLDFAST_SERVERS: cluster.addresses.join(",") });
    const password = /"password":"([^"]*)"/.exec(logIn!)?.[1];
    const registered = await reader.run(`echo '${password}' | ${register} --password-stdin`);
    expect(registered).toMatchObject({ code: 0, stderr: "" });
    expect(await reader.type(logIn!)).toMatchObject({
      answer: { person: { username: "ann" }, token: expect.any(String), receipt: stored },
    });
  });
});

describe("docs/using/terminal.md", () => {
  test("every command works as written, in the order of the page", async () => {
    const own = await startCluster({ size: 1 });
    onTestFinished(() => own.close());
    const reader = new Reader({
      HOLDFAST_SERVERS: own.addresses.join(","),
      HOLDFAST_PASSWORD: "correct horse",
      HOLDFAST_SESSION: join(folder.path, "terminal.json"),
    });
    expect((await reader.run("./holdfast register -u bob")).code).toBe(0);
    const [help, ...commands] = [
      "./holdfast --help",
      ...programCommandsOf("docs/using/terminal.md"),
    ];
    const { stdout: listed } = await reader.run(help!);
    for (const command of commands) {
      expect(listed).toMatch(new RegExp(`^ +${command.split(" ")[1]} `, "m"));
      if (/ (tail|status|chat) /.test(command)) {
        await expectOutput(reader, command);
      } else {
        expect({ command, ...(await reader.run(command)) }).toMatchObject({ code: 0, stderr: "" });
      }
    }
    expect((await reader.run("./holdfast rooms")).stdout).toMatch(/^\* {2}@bob +personal +2 /m);
  });

  /** Runs a command that goes on until it is ended; it must show something, and no complaint. */
  async function expectOutput(reader: Reader, command: string): Promise<void> {
    const child = reader.start(`exec ${command}`);
    onTestFinished(() => stop(child));
    let [stdout, stderr] = ["", ""];
    child.stdout?.on("data", (text: string) => (stdout += text));
    child.stderr?.on("data", (text: string) => (stderr += text));
    const isChat = command.includes(" chat ");
    const expected = isChat ? /You are ada/ : / tail /.test(command) ? /ada: hello/ : / leader /;
    await eventually(`output of ${command}`, () => expected.test(stdout), { timeoutMs: 20_000 });
    stop(child);
    expect(stderr).toBe("");
  }
});

describe("docs/operating/three-machines.md", () => {
  test("the start of a server is made of settings that exist", async () => {
    const [serve] = programCommandsOf("docs/operating/three-machines.md");
    expect(serve).toMatch(/^\.\/holdfast serve /);
    const { code, stdout } = await new Reader().run(`${serve!.replace("serve", "config")} --json`);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      id: { value: "1", source: "flag" },
      "client-address": { value: "http://10.0.0.1:4801", source: "flag" },
      data: { value: "/var/lib/holdfast", source: "flag" },
    });
  });
});
