// Session streams between simulated clients and servers: what a WebSocket does on a real network
// (src/client/connection.ts on one side, src/gateways/websocket.ts on the other). The first parcel
// each way stands for the HTTP upgrade; every later one is a whole binary message.
import type { Connection, ConnectionListener } from "../client/index.ts";
import type { BytesSink, InProcessGateway } from "../gateways/index.ts";
import type { Timer } from "../io/clock.ts";
import type { ClientParcel } from "./client-call.ts";
import type { NetworkTime } from "./network-route.ts";
import type { WireEnd, WireLife, WireListener } from "./network-wire.ts";

const upgrade = new Uint8Array(0);

/** The client's side; as a ConnectionFactory wants it. */
export function openSessionStream(
  open: (listener: WireListener<ClientParcel>) => WireEnd<ClientParcel>,
  listener: ConnectionListener,
): Connection {
  let isOpened = false;
  const end = open({
    handlePayload: (parcel) => {
      if (!isOpened) {
        isOpened = true;
        listener.opened();
      } else if (parcel instanceof Uint8Array) {
        listener.received(parcel);
      }
    },
    handleClosed: (reason) => listener.closed(reason === "" ? "the connection closed" : reason),
  });
  // TCP's handshake first: there, back, there.
  end.send(upgrade, 0, 3);
  return {
    send: (bytes) => end.send(new Uint8Array(bytes), bytes.length),
    close: () => end.close("the client closed", "keep"),
  };
}

/** What the server's side of a stream works with. */
export interface ServedStream {
  readonly time: NetworkTime;
  readonly life: WireLife;
  readonly gateway: InProcessGateway;
  readonly end: WireEnd<ClientParcel>;
  /** How long a client may take to read a goodbye. */
  readonly lingerMs: number;
}

/** The server's side, once the upgrade has come; answers who takes what follows. */
export function serveSessionStream(stream: ServedStream): WireListener<ClientParcel> {
  const { time, life, gateway, end, lingerMs } = stream;
  let linger: Timer | undefined;
  const sink: BytesSink = {
    // One encoding may serve many sessions: what arrives is the client's own.
    send: (bytes) => end.send(new Uint8Array(bytes), bytes.length),
    queuedBytes: () => end.queuedBytes,
    end: (reason) => {
      end.shut(reason);
      linger ??= time.at(
        lingerMs,
        life.guard(() => end.fail("the client did not take the goodbye")),
      );
    },
  };
  end.send(upgrade, 0);
  const session = gateway.openSession(sink);
  return {
    handlePayload: (parcel) => {
      if (parcel instanceof Uint8Array) session.receive(parcel);
    },
    handleClosed: () => {
      linger?.cancel();
      session.handleClosed();
    },
  };
}
