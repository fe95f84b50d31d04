// The gateway: everything that clients reach on one port, put together. The parts know each other
// only through what is handed to them here.
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { createHttpHandler } from "./http-handler.ts";
import { type ListenAddress, Port } from "./port.ts";
import { createServices, type GatewayOptions } from "./services.ts";
import { WebSocketGate } from "./websocket.ts";

/** The client port of one server. */
export interface Gateway {
  /**
   * Listens; answers where. Rejects with a ListenError that names the address and what to change.
   */
  listen(address: ListenAddress): Promise<ListenAddress>;
  /**
   * Stops: not ready at once, no new connections, UNAVAILABLE to new requests, a goodbye to every
   * session as soon as what it asked is answered; UNAVAILABLE to what is unanswered after four
   * fifths of `graceMs`, and an end to all that is left after the whole. Resolves when nothing of
   * it is left.
   */
  close(options: { readonly graceMs: number }): Promise<void>;
}

/** Makes a gateway. It hears of applied commands from now on, and serves from `listen` on. */
export function createGateway(options: GatewayOptions): Gateway {
  const services = createServices(options);
  const { context, departure, openSession } = services;
  const webSockets = new WebSocketGate(context, openSession);
  const readiness = () =>
    departure.isDraining
      ? { ready: false, reason: "this server is stopping" }
      : context.replica.readiness();
  const port = new Port(context, {
    handleRequest: createHttpHandler(services, readiness),
    handleUpgrade: (request, socket, head) => upgrade(webSockets, request, socket, head),
    isStreaming: (path) => path === "/chat.v1.ChatService/Session",
  });
  return {
    listen: (address) => port.listen(address),
    close: async ({ graceMs }) => {
      departure.drain();
      // The last part of the grace is for those who are told to leave with something still
      // unanswered.
      const leaveTimer = context.clock.setTimer(graceMs * 0.8, () => departure.leave());
      await port.close({ graceMs });
      leaveTimer.cancel();
      webSockets.close();
      services.close();
    },
  };
}

function upgrade(
  webSockets: WebSocketGate,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): void {
  const path = (request.url ?? "").split("?", 1)[0];
  if (path === "/session") {
    webSockets.handleUpgrade(request, socket, head);
    return;
  }
  const text = "WebSockets are served at /session.\n";
  socket.end(
    `HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-type: text/plain\r\n` +
      `content-length: ${text.length}\r\n\r\n${text}`,
  );
}
