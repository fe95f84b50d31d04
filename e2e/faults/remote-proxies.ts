// Proxies in another process, which may be in another network namespace (proxy-process.ts is its
// program), under the same control as proxies in this one.
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { LinkCondition, LinkControl } from "./link-proxy.ts";
import type { ProxyAnswer, ProxyProcessOptions, ProxyRequest } from "./proxy-process.ts";

const programPath = fileURLToPath(new URL("./proxy-process.ts", import.meta.url));
/** How long the process may take to open its ports. */
const startTimeoutMs = 30_000;

/** A request without its number. */
type Ask = ProxyRequest extends infer Request
  ? Request extends { readonly id: number }
    ? Omit<Request, "id">
    : never
  : never;

/** A process with proxies. Make it with `forkProxies`. */
export class RemoteProxies {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (value: number) => void>();
  #lastId = 0;
  #ports: Readonly<Record<string, number>> = {};
  #hasEnded = false;

  constructor(child: ChildProcess) {
    this.#child = child;
    child.on("message", (answer: ProxyAnswer) => {
      if (!("id" in answer)) return;
      this.#waiting.get(answer.id)?.(answer.value);
      this.#waiting.delete(answer.id);
    });
    child.once("exit", () => {
      this.#hasEnded = true;
      for (const resolve of this.#waiting.values()) resolve(0);
      this.#waiting.clear();
    });
  }

  /** Resolves when all ports are open. */
  async ready(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const fail = () => reject(new Error("the process of the proxies did not start"));
      const timer = setTimeout(fail, startTimeoutMs);
      this.#child.once("exit", fail);
      this.#child.once("error", fail);
      this.#child.once("message", (answer: ProxyAnswer) => {
        clearTimeout(timer);
        this.#child.off("exit", fail);
        if ("ports" in answer) this.#ports = answer.ports;
        resolve();
      });
    });
  }

  /** Where the proxy of this link listens. */
  port(link: string): number {
    const port = this.#ports[link];
    if (port === undefined) throw new Error(`there is no link ${link}`);
    return port;
  }

  /** The control of one link. */
  link(link: string): LinkControl {
    return {
      impose: async (fault: string, condition: LinkCondition) => {
        await this.#ask({ link, act: "impose", fault, condition });
      },
      lift: async (fault: string) => {
        await this.#ask({ link, act: "lift", fault });
      },
      reset: () => this.#ask({ link, act: "reset" }),
    };
  }

  /** Ends the process. */
  async close(): Promise<void> {
    if (this.#hasEnded) return;
    const ended = new Promise<void>((resolve) => this.#child.once("exit", () => resolve()));
    this.#child.kill("SIGKILL");
    await ended;
  }

  #ask(ask: Ask): Promise<number> {
    if (this.#hasEnded) return Promise.resolve(0);
    const id = ++this.#lastId;
    const answered = new Promise<number>((resolve) => this.#waiting.set(id, resolve));
    this.#child.send({ ...ask, id } satisfies ProxyRequest);
    return answered;
  }
}

/** Starts proxies by way of `wrapper`, a command that runs what follows it in another namespace. */
export async function forkProxies(
  wrapper: readonly string[],
  options: ProxyProcessOptions,
): Promise<RemoteProxies> {
  const [execPath = process.execPath, ...rest] = [...wrapper, process.execPath];
  const child = fork(programPath, [JSON.stringify(options)], { execPath, execArgv: rest });
  const proxies = new RemoteProxies(child);
  await proxies.ready();
  return proxies;
}
