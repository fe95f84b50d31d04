// A client network with one server that echoes, for tests: the real gateway meets the network in
// whole clusters.
import { create } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  createClient,
  createRouterTransport,
  type Transport,
} from "@connectrpc/connect";
import { expect } from "vitest";
import { decodeUtf8, encodeUtf8 } from "../base/bytes.ts";
import { Random } from "../base/random.ts";
import type { BytesSink, InProcessGateway } from "../gateways/index.ts";
import { ChatService, ListServersResponseSchema } from "../proto/gen/chat/v1/api_pb.js";
import { ClientNetwork } from "./client-network.ts";
import type { Death } from "./cluster-event.ts";
import { ProcessLife } from "./process-life.ts";
import { VirtualTime } from "./virtual-time.ts";

/** Where the one server is. */
export const address = "http://server-1:8080";

/** A server that echoes each message, and what it heard of its sessions. */
class EchoServer implements InProcessGateway {
  life!: ProcessLife;
  readonly heard: string[] = [];
  readonly sinks: BytesSink[] = [];
  calls = 0;
  readonly #rig: ClientRig;
  /** Unary calls take so long; undefined: for ever. */
  callMs: number | undefined = 1;
  readonly transport: Transport;

  constructor(rig: ClientRig) {
    this.#rig = rig;
    this.transport = createRouterTransport((router) =>
      router.service(ChatService, {
        listServers: async (_, { requestHeader, signal }) => {
          this.calls++;
          signal.addEventListener("abort", () => this.heard.push("aborted"));
          await new Promise<void>((resolve) => {
            if (this.callMs !== undefined) rig.time.at(this.callMs, this.life.guard(resolve));
          });
          const mood = requestHeader.get("mood");
          if (mood === "bad") throw new ConnectError("no", Code.ResourceExhausted);
          return create(ListServersResponseSchema, { addresses: [mood ?? "", address] });
        },
      }),
    );
    this.boot();
  }

  boot(): void {
    this.life = new ProcessLife(this.#rig.time);
    this.#rig.network.serve(1, this.life, this);
  }

  /** Unary calls are never answered any more. */
  hang(): void {
    this.callMs = undefined;
  }

  end(how: Death = "killed"): void {
    this.life.end();
    this.#rig.network.handleDeath(1, how);
  }

  openSession(sink: BytesSink) {
    this.sinks.push(sink);
    this.heard.push("opened");
    return {
      receive: (bytes: Uint8Array) => {
        if (!this.life.alive || this.life.paused) throw new Error("told while it does not run");
        this.heard.push(decodeUtf8(bytes)!);
        sink.send(bytes);
      },
      handleClosed: () => void this.heard.push("closed"),
    };
  }

  drain(): void {}
  close(): void {}
}

/** A client network with one server, id 1. */
export class ClientRig {
  readonly time = new VirtualTime();
  readonly network: ClientNetwork;
  readonly server: EchoServer;

  constructor(seed = 1) {
    this.network = new ClientNetwork({ time: this.time, random: new Random(seed) });
    this.server = new EchoServer(this);
  }

  run(durationMs: number): void {
    const endMs = this.time.nowMs + durationMs;
    this.time.at(durationMs, () => {});
    while (this.time.nowMs < endMs) this.time.step();
  }

  /** As the simulator's own loop: microtasks are drained between events. */
  async runDrained(durationMs: number): Promise<void> {
    const endMs = this.time.nowMs + durationMs;
    this.time.at(durationMs, () => {});
    while (this.time.nowMs < endMs) {
      this.time.step();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  connect(to = address, client = "") {
    const heard: string[] = [];
    const connection = this.network.door(client).connect(to, {
      opened: () => heard.push("opened"),
      received: (bytes) => heard.push(decodeUtf8(bytes)!),
      closed: (reason) => heard.push(`closed: ${reason}`),
    });
    return {
      heard,
      send: (text: string) => connection.send(new Uint8Array(encodeUtf8(text))),
      close: () => connection.close(),
    };
  }

  /** A client with an open session. */
  session(client = "") {
    const session = this.connect(address, client);
    this.run(20);
    expect(session.heard).toEqual(["opened"]);
    return session;
  }

  call(mood = "good", options: { timeoutMs?: number; signal?: AbortSignal } = {}) {
    const client = createClient(ChatService, this.network.transport(address));
    const result: { value: string[] | Code | undefined } = { value: undefined };
    client.listServers({}, { ...options, headers: { mood } }).then(
      (response) => {
        result.value = response.addresses;
      },
      (error: unknown) => {
        result.value = ConnectError.from(error).code;
      },
    );
    return result;
  }
}
