// Listens in on what one client and its servers say to each other: which message was acknowledged
// when, how and by whom, and what became of the connections. So a run is judged by what servers
// have promised on the wire, whatever the client library makes of it. Changes no byte.
import { fromBinary } from "@bufbuild/protobuf";
import { toHex } from "../../src/base/bytes.ts";
import {
  type Connection,
  type ConnectionFactory,
  type ConnectionListener,
  createWebSocketFactory,
} from "../../src/client/index.ts";
import {
  ClientFrameSchema,
  type Reply,
  ServerFrameSchema,
  WriteStatus,
} from "../../src/proto/gen/chat/v1/api_pb.js";

/** A server has acknowledged a message. */
export interface WireAck {
  readonly commandId: string;
  readonly body: string;
  /** On the clock of `performance.now()`. */
  readonly atMs: number;
  /** By which server. */
  readonly address: string;
  /** Accepted without a majority (R8). */
  readonly held: boolean;
  /** Its number in its room; 0 for a held one, which has none yet. */
  readonly number: number;
  readonly disks: number;
}

/** Something else that was said, for whoever looks for the reason of a pause. */
export interface WireNote {
  readonly atMs: number;
  readonly address: string;
  /** Such as "opening", "welcome", "goodbye: …", "rejected: …", "closed: …". */
  readonly text: string;
}

/** One client's ear on the wire. Give its `connect` to `createClient`. */
export class WireTap {
  /** In the order in which they came. A message that was sent again may be there twice. */
  readonly acks: WireAck[] = [];
  readonly notes: WireNote[] = [];
  readonly connect: ConnectionFactory;

  constructor(open: ConnectionFactory = createWebSocketFactory()) {
    this.connect = (address, listener) => {
      this.#note(address, "opening");
      const ear = new Ear(address, this);
      const connection = open(address, this.#listen(address, listener, ear));
      return {
        send: (bytes) => {
          ear.hearClient(bytes);
          connection.send(bytes);
        },
        close: () => connection.close(),
      } satisfies Connection;
    };
  }

  #listen(address: string, listener: ConnectionListener, ear: Ear): ConnectionListener {
    return {
      opened: () => {
        this.#note(address, "opened");
        listener.opened();
      },
      received: (bytes) => {
        ear.hearServer(bytes, (text) => this.#note(address, text));
        listener.received(bytes);
      },
      closed: (reason) => {
        this.#note(address, `closed: ${reason}`);
        listener.closed(reason);
      },
    };
  }

  #note(address: string, text: string): void {
    this.notes.push({ atMs: performance.now(), address, text });
  }
}

/** One connection: which request carried which message. */
class Ear {
  readonly #address: string;
  readonly #tap: WireTap;
  readonly #asked = new Map<number, { readonly commandId: string; readonly body: string }>();

  constructor(address: string, tap: WireTap) {
    this.#address = address;
    this.#tap = tap;
  }

  hearClient(bytes: Uint8Array): void {
    for (const { requestId, body } of fromBinary(ClientFrameSchema, bytes).requests) {
      if (body.case !== "sendMessage") continue;
      const { commandId, body: text } = body.value;
      this.#asked.set(requestId, { commandId: toHex(commandId), body: text });
    }
  }

  hearServer(bytes: Uint8Array, note: (text: string) => void): void {
    const { replies, notices } = fromBinary(ServerFrameSchema, bytes);
    for (const reply of replies) this.#hearReply(reply, note);
    for (const { body } of notices) {
      note(body.case === "goodbye" ? `goodbye: ${body.value.message}` : `notice: ${body.case}`);
    }
  }

  #hearReply({ requestId, body }: Reply, note: (text: string) => void): void {
    if (body.case === "welcome") note("welcome");
    if (body.case === "rejected") note(`rejected: ${body.value.message}`);
    const asked = this.#asked.get(requestId);
    this.#asked.delete(requestId);
    if (asked === undefined || body.case !== "sendMessage") return;
    const { receipt, number } = body.value;
    this.#tap.acks.push({
      ...asked,
      atMs: performance.now(),
      address: this.#address,
      held: receipt?.status === WriteStatus.HELD,
      number,
      disks: receipt?.disks ?? 0,
    });
  }
}
