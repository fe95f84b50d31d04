// A cluster of real `holdfast serve` processes on free ports of this machine, in a temporary
// folder, for end-to-end tests, the demo of faults and benchmarks: start, kill, pause, restart, by
// server id. Judges nothing.
import { createServer } from "node:net";
import { join } from "node:path";
import { createTemporaryFolder, eventually, type TemporaryFolder } from "../src/testing/index.ts";
import { RunningProgram, type RunResult } from "./program.ts";

/** How a cluster is made. */
export interface ClusterOptions {
  /** Servers; default 3. Their ids are 1, 2, 3, … */
  readonly size?: number;
  /** More options of `serve`, by name without dashes, such as `{ "live-timeout-ms": "300" }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /**
   * False: nothing runs until `start(id)` is called. Default true, and ready when the call returns.
   */
  readonly autoStart?: boolean;
}

/** Where one server of the cluster lives. */
export interface ServerPlace {
  readonly id: number;
  /** `http://host:port` */
  readonly clientAddress: string;
  /** `host:port` */
  readonly peerAddress: string;
  readonly dataFolder: string;
}

/**
 * What `status` says of one server; the JSON form of cluster.v1.ServerStatus, as far as tests need
 * it.
 */
export interface ServerStatusJson {
  readonly replicaId: number;
  readonly role?: string;
  readonly term?: string;
  readonly leaderId?: number;
  readonly commitIndex?: string;
  readonly appliedIndex?: string;
  readonly lastLogIndex?: string;
  readonly live?: boolean;
  readonly connected?: boolean;
  readonly lastContactMs?: number;
  readonly condition?: string;
  /** Such as `MEMBERSHIP_VOTER`. */
  readonly membership?: string;
}

const host = "127.0.0.1";
/**
 * How long servers may take to be ready, in ms; generous, since a busy machine is not what is
 * tested.
 */
const readyTimeoutMs = 30_000;
/**
 * Ports are drawn below the range from which the system takes ports for outgoing connections (32768
 * and up).
 */
const portMin = 10_000;
const portMax = 32_000;

/** Several `serve` processes and their folders. Always `close` it. */
export class Cluster {
  readonly servers: readonly ServerPlace[];
  readonly folder: string;
  readonly #temporary: TemporaryFolder;
  readonly #settings: Readonly<Record<string, string>>;
  readonly #running = new Map<number, RunningProgram>();
  readonly #logs = new Map<number, string>();

  constructor(
    servers: readonly Omit<ServerPlace, "dataFolder">[],
    temporary: TemporaryFolder,
    settings: Readonly<Record<string, string>>,
  ) {
    this.#temporary = temporary;
    this.#settings = settings;
    this.folder = temporary.path;
    this.servers = servers.map((server) => ({
      ...server,
      dataFolder: join(temporary.path, String(server.id)),
    }));
  }

  /** Client addresses of all servers, in the order of their ids. */
  get addresses(): string[] {
    return this.servers.map((server) => server.clientAddress);
  }

  get ids(): number[] {
    return this.servers.map((server) => server.id);
  }

  server(id: number): ServerPlace {
    const found = this.servers.find((server) => server.id === id);
    if (found === undefined) throw new Error(`the cluster has no server ${id}`);
    return found;
  }

  /** The arguments with which a server is started. */
  serveArguments(id: number): string[] {
    const { clientAddress, dataFolder } = this.server(id);
    const members = this.servers.map((server) => `${server.id}=${server.peerAddress}`).join(",");
    const settings: Record<string, string> = {
      id: String(id),
      "cluster-name": "e2e",
      members,
      "client-host": host,
      "client-port": new URL(clientAddress).port,
      data: dataFolder,
      ...this.#settings,
    };
    const options = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, value]);
    return ["serve", "--exit-with-parent", ...options];
  }

  /** Starts a server that is not running; does not wait until it is ready. */
  start(id: number): void {
    if (this.isRunning(id)) throw new Error(`server ${id} is running already`);
    this.#keepLog(id);
    this.#running.set(id, this.launch(id));
  }

  /** Makes the process; a cluster in another environment makes it in its own way. */
  protected launch(id: number): RunningProgram {
    return new RunningProgram(this.serveArguments(id));
  }

  isRunning(id: number): boolean {
    const program = this.#running.get(id);
    return program !== undefined && !program.hasEnded;
  }

  /** Process id of a running server. */
  pid(id: number): number {
    const pid = this.#program(id).child.pid;
    if (pid === undefined) throw new Error(`server ${id} has no process`);
    return pid;
  }

  /** kill -9; resolves when the process is gone. */
  async kill(id: number): Promise<void> {
    const program = this.#program(id);
    program.signal("SIGKILL");
    await program.ended;
  }

  /** kill -9 of several in one go. */
  async killAll(ids: readonly number[] = this.ids): Promise<void> {
    const programs = ids.filter((id) => this.isRunning(id)).map((id) => this.#program(id));
    for (const program of programs) program.signal("SIGKILL");
    await Promise.all(programs.map((program) => program.ended));
  }

  /** SIGTERM: a graceful stop; resolves with what the process left. */
  terminate(id: number): Promise<RunResult> {
    const program = this.#program(id);
    program.signal("SIGTERM");
    return program.ended;
  }

  /** SIGSTOP: the process hangs, its connections stay. */
  pause(id: number): void {
    this.#program(id).signal("SIGSTOP");
  }

  /** SIGCONT. */
  resume(id: number): void {
    this.#program(id).signal("SIGCONT");
  }

  /** kill -9 where it runs, then a start; ready when the call returns. */
  async restart(id: number): Promise<void> {
    if (this.isRunning(id)) await this.kill(id);
    this.start(id);
    await this.waitReady([id]);
  }

  /**
   * Resolves when the servers answer /readyz with 200; rejects with their output when one of them
   * ends.
   */
  async waitReady(ids: readonly number[] = this.ids, timeoutMs = readyTimeoutMs): Promise<void> {
    await Promise.all(
      ids.map((id) =>
        eventually(
          `server ${id} to be ready`,
          async () => {
            if (!this.isRunning(id)) throw new Error(`server ${id} ended:\n${this.log(id)}`);
            return await this.isReady(id);
          },
          { timeoutMs },
        ),
      ),
    );
  }

  /** Whether a server answers /readyz with 200. */
  async isReady(id: number): Promise<boolean> {
    try {
      const address = this.server(id).clientAddress;
      const answer = await fetch(`${address}/readyz`, { signal: AbortSignal.timeout(1_000) });
      await answer.arrayBuffer();
      return answer.status === 200;
    } catch {
      return false;
    }
  }

  /** The cluster as one server sees it; undefined where it does not answer within a second. */
  async status(id: number): Promise<readonly ServerStatusJson[] | undefined> {
    try {
      const { clientAddress } = this.server(id);
      const answer = await fetch(`${clientAddress}/cluster.v1.AdminService/Status`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: "{}",
        signal: AbortSignal.timeout(1_000),
      });
      const body = (await answer.json()) as { servers?: ServerStatusJson[] };
      return answer.ok ? (body.servers ?? []) : undefined;
    } catch {
      return undefined;
    }
  }

  /**
   * The server that says of itself that it leads, in the newest term among those that answer; 0 for
   * none.
   */
  async findLeader(): Promise<number> {
    let leader = 0;
    let term = -1;
    const running = this.ids.filter((id) => this.isRunning(id));
    const answers = await Promise.all(running.map((id) => this.status(id)));
    for (const [i, servers] of answers.entries()) {
      const own = servers?.find((server) => server.replicaId === running[i]);
      if (own?.role !== "ROLE_LEADER" || Number(own.term ?? 0) <= term) continue;
      leader = running[i]!;
      term = Number(own.term ?? 0);
    }
    return leader;
  }

  /** Waits until one of the servers leads, and answers its id. */
  async waitLeader(timeoutMs = readyTimeoutMs): Promise<number> {
    return await eventually("a leader", async () => (await this.findLeader()) || undefined, {
      timeoutMs,
    });
  }

  /** Everything that the processes of this server have written so far. */
  log(id: number): string {
    const program = this.#running.get(id);
    const newest = program === undefined ? "" : program.stdout + program.stderr;
    return (this.#logs.get(id) ?? "") + newest;
  }

  /** Ends all processes and removes all files. */
  async close(): Promise<void> {
    await this.killAll();
    this.#temporary.remove();
  }

  #program(id: number): RunningProgram {
    const program = this.#running.get(id);
    if (program === undefined) throw new Error(`server ${id} has not been started`);
    return program;
  }

  #keepLog(id: number): void {
    if (this.#running.has(id)) this.#logs.set(id, this.log(id));
  }
}

/** Makes a cluster and, unless told otherwise, starts it and waits until it is ready. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const size = options.size ?? 3;
  const ports = await findFreePorts(2 * size);
  const servers = Array.from({ length: size }, (_, i) => ({
    id: i + 1,
    clientAddress: `http://${host}:${ports[i]}`,
    peerAddress: `${host}:${ports[size + i]}`,
  }));
  const cluster = new Cluster(servers, createTemporaryFolder(), options.settings ?? {});
  if (options.autoStart === false) return cluster;
  try {
    for (const id of cluster.ids) cluster.start(id);
    await cluster.waitReady();
  } catch (error) {
    const logs = cluster.ids.map((id) => `--- server ${id}\n${cluster.log(id)}`).join("\n");
    await cluster.close();
    throw new Error(`the cluster did not start: ${String(error)}\n${logs}`);
  }
  return cluster;
}

/**
 * Ports that nobody listens on at this moment, and that no outgoing connection will take by itself.
 */
export async function findFreePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  for (let attempt = 0; found.size < count; attempt++) {
    if (attempt > 1_000) throw new Error("found no free ports");
    const port = portMin + Math.floor(Math.random() * (portMax - portMin));
    if (await isFree(port)) found.add(port);
  }
  return [...found];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
