// Unary calls between simulated clients and servers: a request goes over, the gateway's in-process
// transport answers it there, the answer comes back. Time-outs go by virtual time. What a broken
// connection gives on a real network, it gives here: a ConnectError and no word about whether the
// server has done it.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import type { InProcessGateway } from "../gateways/index.ts";
import type { NetworkTime } from "./network-route.ts";
import type { WireEnd, WireLife, WireListener } from "./network-wire.ts";

type Ask<Response> = (gateway: InProcessGateway, signal: AbortSignal) => Promise<Response>;

/** What travels for a call. */
export type CallParcel =
  /** Asks the gateway; aborted when the client is gone. */
  | { readonly kind: "request"; readonly ask: Ask<unknown> }
  | { readonly kind: "response"; readonly response: unknown }
  | { readonly kind: "failure"; readonly error: ConnectError };

/** What travels between clients and servers: a frame of a session stream, or a part of a call. */
export type ClientParcel = Uint8Array | CallParcel;

/** About what a call's head takes; only for the count of bytes under way. */
const callBytes = 256;

/** The client's side. */
export class CallTransport implements Transport {
  readonly #time: NetworkTime;
  readonly #open: (listener: WireListener<ClientParcel>) => WireEnd<ClientParcel>;

  /** `open` begins a connection to the server; each call has its own. */
  constructor(
    time: NetworkTime,
    open: (listener: WireListener<ClientParcel>) => WireEnd<ClientParcel>,
  ) {
    this.#time = time;
    this.#open = open;
  }

  readonly unary: Transport["unary"] = (method, signal, timeoutMs, header, input) => {
    // Through the wire's form, so that nothing that arrives is the sender's own memory.
    const encoded = toBinary(method.input, create(method.input, input));
    // The deadline is the client's alone: the server, too, would only stop listening to itself.
    return this.#call(signal, timeoutMs, (gateway, served) =>
      gateway.transport.unary(
        method,
        served,
        undefined,
        header,
        fromBinary(method.input, encoded) as typeof input,
      ),
    );
  };

  readonly stream: Transport["stream"] = () => {
    const problem = "streams are not carried by the simulated network";
    return Promise.reject(new ConnectError(problem, Code.Unimplemented));
  };

  #call<Response>(
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    ask: Ask<Response>,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        timer?.cancel();
        signal?.removeEventListener("abort", handleAbort);
        end.close("the client closed", "keep");
      };
      const fail = (error: ConnectError): void => {
        settle();
        reject(error);
      };
      const end = this.#open({
        handlePayload: (parcel) => {
          if (parcel instanceof Uint8Array || parcel.kind === "request") return;
          if (parcel.kind === "failure") {
            fail(parcel.error);
          } else {
            settle();
            resolve(parcel.response as Response);
          }
        },
        handleClosed: (reason) => fail(new ConnectError(reason, Code.Unavailable)),
      });
      const handleAbort = (): void => fail(ConnectError.from(signal?.reason, Code.Canceled));
      const handleTimeout = (): void =>
        fail(new ConnectError("the operation timed out", Code.DeadlineExceeded));
      const isBounded = timeoutMs !== undefined && timeoutMs > 0;
      const timer = isBounded ? this.#time.at(timeoutMs, handleTimeout) : undefined;
      signal?.addEventListener("abort", handleAbort);
      if (signal?.aborted === true) handleAbort();
      // TCP's handshake first: there, back, there.
      else end.send({ kind: "request", ask }, callBytes, 3);
    });
  }
}

/** The server's side, once the request has come; answers who hears of the connection's end. */
export function serveCall(
  request: CallParcel,
  server: {
    readonly life: WireLife;
    readonly gateway: InProcessGateway;
    readonly end: WireEnd<ClientParcel>;
  },
): WireListener<ClientParcel> {
  const { life, gateway, end } = server;
  const controller = new AbortController();
  if (request.kind === "request") {
    // Answers may come while the process is being stopped: they leave when it goes on.
    const answer = (parcel: CallParcel): void => life.guard(() => end.send(parcel, callBytes))();
    request.ask(gateway, controller.signal).then(
      (response) => answer({ kind: "response", response }),
      (reason: unknown) => answer({ kind: "failure", error: ConnectError.from(reason) }),
    );
  }
  return {
    handlePayload: () => {},
    handleClosed: () => {
      controller.abort(new ConnectError("the client is gone", Code.Canceled));
    },
  };
}
