// The port to one WebSocket, and its implementation over the host's global WebSocket. It knows
// bytes, not frames, and never reconnects.

/** What a connection tells its owner. */
export interface ConnectionListener {
  /** Bytes may be sent from now on. Comes at most once, before anything is received. */
  opened(): void;
  /** One whole binary message. */
  received(bytes: Uint8Array): void;
  /**
   * It is over, or never came to be. Comes at most once, and nothing after it; not after `close()`.
   */
  closed(reason: string): void;
}

/** One connection to one server; ordered, reliable, message by message. */
export interface Connection {
  /** Sends one binary message. Only between `opened` and `closed`. */
  send(bytes: Uint8Array<ArrayBuffer>): void;
  /** Ends it; the listener hears nothing any more. Harmless when it is over. */
  close(): void;
}

/**
 * Opens a connection to the session of the server at `http://host:port`. The listener is never
 * called inside.
 */
export type ConnectionFactory = (address: string, listener: ConnectionListener) => Connection;

/** Connections over the global WebSocket of browsers and Node. */
export function createWebSocketFactory(): ConnectionFactory {
  return (address, listener) => {
    try {
      return new WebSocketConnection(address, listener);
    } catch {
      // A browser forbids the address, such as plain ws: from an https: page.
      return failedConnection(listener, "this address is not allowed here");
    }
  };
}

function failedConnection(listener: ConnectionListener, reason: string): Connection {
  let open = true;
  queueMicrotask(() => {
    if (open) listener.closed(reason);
    open = false;
  });
  return {
    send: () => {},
    close: () => {
      open = false;
    },
  };
}

class WebSocketConnection implements Connection {
  readonly #socket: WebSocket;
  #listener: ConnectionListener | undefined;

  constructor(address: string, listener: ConnectionListener) {
    this.#listener = listener;
    this.#socket = new WebSocket(sessionUrl(address));
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => this.#listener?.opened();
    this.#socket.onmessage = (event: MessageEvent) => {
      if (event.data instanceof ArrayBuffer) this.#listener?.received(new Uint8Array(event.data));
      else this.#end("the server sent text where frames are binary");
    };
    // An error is always followed by a close, but that of a peer that is silent may take minutes.
    this.#socket.onerror = () => this.#end("the connection failed");
    this.#socket.onclose = (event: CloseEvent) =>
      this.#end(event.reason === "" ? `the connection closed (${event.code})` : event.reason);
  }

  send(bytes: Uint8Array<ArrayBuffer>): void {
    this.#socket.send(bytes);
  }

  close(): void {
    this.#listener = undefined;
    this.#socket.close();
  }

  #end(reason: string): void {
    const listener = this.#listener;
    this.close();
    listener?.closed(reason);
  }
}

/** `ws://host:port/session` for `http://host:port`, `wss:` for `https:`. */
export function sessionUrl(address: string): string {
  return `${address.replace(/^http/, "ws")}/session`;
}
