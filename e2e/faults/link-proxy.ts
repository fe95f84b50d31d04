// A TCP proxy for one link: whoever connects to its port is connected with the target, over pipes
// that can be held, delayed and reset. Several faults may lie on it at once, each under a name of
// its own. It cannot lose bytes of a stream: no proxy can, and TCP would not let anyone see it.
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { clearConditions, LinkPipe, type PipeConditions } from "./link-pipe.ts";

/** forward: from whoever connects to the target. */
export type LinkDirection = "forward" | "backward";

/** What a fault does to a link. */
export interface LinkCondition extends Partial<PipeConditions> {
  readonly direction: LinkDirection | "both";
}

/** A link that can be made worse; in this process or in another. */
export interface LinkControl {
  /** Lays a fault on the link, in addition to others; the same name again replaces the first. */
  impose(fault: string, condition: LinkCondition): void | Promise<void>;
  /** Takes it off again; harmless when it is not there. */
  lift(fault: string): void | Promise<void>;
  /** Resets every connection now; answers how many there were. */
  reset(): number | Promise<number>;
}

/** Where a proxy listens, and where it leads to. */
export interface LinkProxyOptions {
  readonly listenHost: string;
  readonly targetHost: string;
  readonly targetPort: number;
}

interface Passage {
  readonly caller: Socket;
  readonly target: Socket;
  readonly forward: LinkPipe;
  readonly backward: LinkPipe;
}

/** A proxy that listens. Make it with `listenLinkProxy`. */
export class LinkProxy implements LinkControl {
  readonly #options: LinkProxyOptions;
  readonly #server: Server;
  readonly #passages = new Set<Passage>();
  /** Callers that wait for the link to let anything through to the target. */
  readonly #waiting = new Set<Socket>();
  readonly #faults = new Map<string, LinkCondition>();
  #conditions: Record<LinkDirection, PipeConditions> = {
    forward: clearConditions,
    backward: clearConditions,
  };

  constructor(options: LinkProxyOptions, server: Server) {
    this.#options = options;
    this.#server = server;
    server.on("connection", (caller) => this.#accept(caller));
  }

  /** The port that was given to it. */
  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the proxy is closed");
    return address.port;
  }

  /** Connections that stand. */
  get connections(): number {
    return this.#passages.size;
  }

  impose(fault: string, condition: LinkCondition): void {
    this.#faults.set(fault, condition);
    this.#applyFaults();
  }

  lift(fault: string): void {
    if (this.#faults.delete(fault)) this.#applyFaults();
  }

  reset(): number {
    const passages = [...this.#passages];
    for (const { caller, target } of passages) {
      caller.resetAndDestroy();
      target.resetAndDestroy();
    }
    return passages.length;
  }

  /** Ends everything at once; resolves when the port is free. */
  close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const caller of this.#waiting) caller.destroy();
    for (const { caller, target } of [...this.#passages]) {
      caller.destroy();
      target.destroy();
    }
    return closed;
  }

  #applyFaults(): void {
    const all = [...this.#faults.values()];
    this.#conditions = {
      forward: combine(all.filter(({ direction }) => direction !== "backward")),
      backward: combine(all.filter(({ direction }) => direction !== "forward")),
    };
    for (const { forward, backward } of [...this.#passages]) {
      forward.flow();
      backward.flow();
    }
    for (const caller of [...this.#waiting]) this.#admit(caller);
  }

  #accept(caller: Socket): void {
    caller.on("error", () => undefined);
    caller.once("close", () => this.#waiting.delete(caller));
    this.#waiting.add(caller);
    this.#admit(caller);
  }

  /** Leads a caller on, unless its first packet would not arrive either. */
  #admit(caller: Socket): void {
    if (this.#conditions.forward.isHeld) return;
    this.#waiting.delete(caller);
    const { targetHost, targetPort } = this.#options;
    const target = createConnection({ host: targetHost, port: targetPort, allowHalfOpen: true });
    target.on("error", () => undefined);
    for (const socket of [caller, target]) socket.setNoDelay(true);
    const passage: Passage = {
      caller,
      target,
      forward: new LinkPipe(caller, target, () => this.#conditions.forward),
      backward: new LinkPipe(target, caller, () => this.#conditions.backward),
    };
    this.#passages.add(passage);
    for (const socket of [caller, target]) {
      socket.once("close", () => {
        if (!caller.destroyed || !target.destroyed) return;
        passage.forward.close();
        passage.backward.close();
        this.#passages.delete(passage);
      });
    }
  }
}

/** Opens a proxy on a free port. */
export async function listenLinkProxy(options: LinkProxyOptions): Promise<LinkProxy> {
  const server = createServer({ allowHalfOpen: true });
  const proxy = new LinkProxy(options, server);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: options.listenHost, port: 0 }, resolve);
  });
  return proxy;
}

function combine(faults: readonly LinkCondition[]): PipeConditions {
  return {
    isHeld: faults.some(({ isHeld }) => isHeld === true),
    delayMs: faults.reduce((sum, { delayMs = 0 }) => sum + delayMs, 0),
    jitterMs: faults.reduce((sum, { jitterMs = 0 }) => sum + jitterMs, 0),
  };
}
