// The gateway without a port: sessions as bytes in and bytes out, calls over an in-process
// transport. For hosts that carry the bytes themselves, such as the simulator: everything but
// sockets, HTTP and WebSocket framing is what a port would serve.
import { createRouterTransport, type Transport } from "@connectrpc/connect";
import { registerServices } from "./rpc.ts";
import { createServices, type GatewayOptions } from "./services.ts";
import { handleSessionFrame } from "./session-frame.ts";

/** Takes what a session says. */
export interface BytesSink {
  /** One encoded ServerFrame. Must not be changed. */
  send(bytes: Uint8Array): void;
  /** Bytes handed over that the client's side has not taken yet. */
  queuedBytes(): number;
  /** The session is over after what was sent. */
  end(reason: string): void;
}

/** A session's side that the carrier talks to. */
export interface InProcessSession {
  /** Takes one encoded ClientFrame. */
  receive(bytes: Uint8Array): void;
  /** The carrier is gone; call it once. */
  handleClosed(): void;
}

/** A gateway whose bytes somebody else carries. */
export interface InProcessGateway {
  openSession(sink: BytesSink, token?: string): InProcessSession;
  /** All unary calls of ChatService and AdminService. */
  readonly transport: Transport;
  /** Takes no more requests; sessions end as soon as they have answered. */
  drain(): void;
  /** What is open is answered and ends now; nothing is heard of the replica any more. */
  close(): void;
}

/** Makes one. It hears of applied commands from now on. */
export function createInProcessGateway(options: GatewayOptions): InProcessGateway {
  const services = createServices(options);
  return {
    openSession: (sink, token) => {
      const session = services.openSession(
        {
          send: (frame) => sink.send(frame.payload),
          queuedBytes: () => sink.queuedBytes(),
          end: (ending) => sink.end(ending?.refusal.message ?? ""),
        },
        token,
      );
      return {
        receive: (bytes) => handleSessionFrame(session, bytes),
        handleClosed: () => session.handleClosed(),
      };
    },
    transport: createRouterTransport((router) => registerServices(router, services)),
    drain: () => services.departure.drain(),
    close: () => {
      services.departure.leave();
      services.close();
    },
  };
}
