// One program of a device, from its start to its stop or kill: a client of the SDK, its connections
// and what it tells, written to the history. What to do with it is the device's part.
import {
  type Client,
  type ConnectionFactory,
  createClient,
  type OutboxMessage,
  type RejectedError,
  type SendReceipt,
} from "../client/index.ts";
import type { OutboxLife } from "./device-outbox.ts";
import type { ConnectedRecord } from "./history.ts";
import type { HistoryRecorder } from "./history-recorder.ts";
import type { WorkloadWorld } from "./workload-world.ts";

/** What a program tells its device. */
export interface LifeListener {
  stored(message: OutboxMessage, receipt: SendReceipt): void;
  refused(message: OutboxMessage, error: RejectedError): void;
  /** The connection's state is another. */
  connectionChanged(): void;
}

/** What a program is started with. */
export interface LifeOptions {
  readonly world: WorkloadWorld;
  readonly recorder: HistoryRecorder;
  /** The name of the client in the history. */
  readonly name: string;
  readonly addresses: readonly string[];
  readonly token: string | undefined;
  readonly outbox: OutboxLife;
  /** Who is logged in; asked with each delivery. */
  readonly userId: () => number;
  readonly listener: LifeListener;
}

/** One program. */
export class DeviceLife {
  readonly name: string;
  readonly client: Client;
  readonly #options: LifeOptions;
  /** The process is gone: nothing comes out of it and nothing comes in any more. */
  #isKilled = false;
  #isRunning = false;
  /** Not written before it is known whether the stream of items goes on. */
  #connected: Omit<ConnectedRecord, "recovered"> | undefined;

  constructor(options: LifeOptions) {
    const { world, name, addresses, token, outbox } = options;
    this.name = name;
    this.#options = options;
    this.client = createClient({
      addresses,
      ...(token !== undefined && { token }),
      deviceName: name,
      outbox,
      connect: this.#connect,
      transport: world.transport,
      clock: world.clock,
      random: world.clientRandom,
    });
    this.#listen();
  }

  /** Whether the client keeps a session open, or tries to. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Opens the session. Only with a token. */
  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.client.start();
  }

  /** Ends the program in good order. */
  async stop(): Promise<void> {
    await this.client.stop();
    this.#isRunning = false;
  }

  /** Ends the program as `kill -9` does: nothing more is sent, nothing more is written. */
  async kill(): Promise<void> {
    this.#isKilled = true;
    this.#options.outbox.kill();
    await this.stop();
  }

  readonly #connect: ConnectionFactory = (address, listener) => {
    const connection = this.#options.world.connect(address, {
      opened: () => this.#unlessKilled(() => listener.opened()),
      received: (bytes) => this.#unlessKilled(() => listener.received(bytes)),
      closed: (reason) => this.#unlessKilled(() => listener.closed(reason)),
    });
    return {
      send: (bytes) => this.#unlessKilled(() => connection.send(bytes)),
      close: () => connection.close(),
    };
  };

  #unlessKilled(action: () => void): void {
    if (!this.#isKilled) action();
  }

  #listen(): void {
    const { client, name } = this;
    const { recorder, listener, userId } = this.#options;
    client.on("stored", ({ message, receipt }) => listener.stored(message, receipt));
    client.on("refused", ({ message, error }) => listener.refused(message, error));
    client.on("item", (item) => {
      this.#writeConnected(true);
      const atNs = recorder.nowNs();
      const delivery = { client: name, userId: userId(), atNs, item: recorder.share(item) };
      recorder.write({ kind: "delivery", ...delivery });
    });
    client.on("reloaded", () => {
      this.#writeConnected(false);
      recorder.write({ kind: "reloaded", client: name, atNs: recorder.nowNs() });
    });
    client.on("island", ({ open }) => {
      recorder.write({ kind: "island", client: name, atNs: recorder.nowNs(), open });
    });
    const reader = () => ({ client: name, userId: userId() });
    client.on("held", (message) => recorder.writeShown("heldShown", reader(), message));
    client.on("setAside", (message) => recorder.writeShown("setAside", reader(), message));
    client.on("connection", (state) => {
      this.#writeConnected(true);
      if (state.kind === "connected") {
        const { serverId: server } = state;
        this.#connected = { kind: "connected", client: name, atNs: recorder.nowNs(), server };
        this.#writeConnectedSoon();
      }
      if (state.kind === "stopped" || state.kind === "ended") this.#isRunning = false;
      listener.connectionChanged();
    });
  }

  /** The client tells of the gap, if there is one, right after it tells of the connection. */
  #writeConnectedSoon(): void {
    const written = (): void => this.#writeConnected(true);
    this.client.ready().then(written, written);
  }

  #writeConnected(recovered: boolean): void {
    const connected = this.#connected;
    this.#connected = undefined;
    if (connected !== undefined) this.#options.recorder.write({ ...connected, recovered });
  }
}
