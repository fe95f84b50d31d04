// The proxies of one server in a process of their own, which runs in that server's network
// namespace: started by remote-proxies.ts, told what to do over its IPC channel. Ends when that
// closes.
import { type LinkCondition, type LinkProxy, listenLinkProxy } from "./link-proxy.ts";

/** What the process is started with, as JSON in its first argument. */
export interface ProxyProcessOptions {
  readonly links: readonly {
    readonly name: string;
    readonly targetHost: string;
    readonly targetPort: number;
  }[];
}

/** What it is told. */
export type ProxyRequest = { readonly id: number; readonly link: string } & (
  | { readonly act: "impose"; readonly fault: string; readonly condition: LinkCondition }
  | { readonly act: "lift"; readonly fault: string }
  | { readonly act: "reset" }
);

/** What it answers: first its ports, by link; then one number for each request. */
export type ProxyAnswer =
  | { readonly ports: Readonly<Record<string, number>> }
  | { readonly id: number; readonly value: number };

const proxies = new Map<string, LinkProxy>();

function obey(request: ProxyRequest): number {
  const proxy = proxies.get(request.link);
  if (proxy === undefined) throw new Error(`there is no link ${request.link} here`);
  switch (request.act) {
    case "impose":
      proxy.impose(request.fault, request.condition);
      return 0;
    case "lift":
      proxy.lift(request.fault);
      return 0;
    case "reset":
      return proxy.reset();
  }
}

function answer(message: ProxyAnswer): void {
  process.send?.(message);
}

async function main(): Promise<void> {
  const { links } = JSON.parse(process.argv[2] ?? "") as ProxyProcessOptions;
  // Ctrl-C goes to the whole group; this process ends with its parent, not before it.
  process.on("SIGINT", () => undefined);
  process.on("disconnect", () => process.exit(0));
  const ports: Record<string, number> = {};
  for (const { name, targetHost, targetPort } of links) {
    const proxy = await listenLinkProxy({ listenHost: "127.0.0.1", targetHost, targetPort });
    proxies.set(name, proxy);
    ports[name] = proxy.port;
  }
  process.on("message", (request: ProxyRequest) => {
    answer({ id: request.id, value: obey(request) });
  });
  answer({ ports });
}

if (import.meta.main) await main();
