// A client's end of the session stream by hand, for tests that do what src/client never would.
// Sends what it is told to, valid or not; knows no resuming and no retries.
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { onTestFinished } from "vitest";
import { WebSocket } from "ws";
import {
  ClientFrameSchema,
  type ClientRequestSchema,
  type Goodbye,
  type Reply,
  ServerFrameSchema,
} from "../src/proto/gen/chat/v1/api_pb.js";
import { eventually } from "../src/testing/index.ts";

/** Longer than anything here takes; a busy machine is not what is tested. */
const waiting = { timeoutMs: 20_000 };

/** A WebSocket on /session that does as it is told, and remembers what it hears. */
export class RawSession {
  readonly socket: WebSocket;
  readonly replies: Reply[] = [];
  readonly goodbyes: Goodbye[] = [];
  bytesHeard = 0;
  cursor = new Uint8Array();
  closeCode: number | undefined;

  constructor(address: string) {
    this.socket = new WebSocket(`${address.replace("http", "ws")}/session`);
    this.socket.on("error", () => undefined);
    this.socket.on("close", (code) => (this.closeCode = code));
    this.socket.on("message", (data: Buffer) => {
      this.bytesHeard += data.length;
      const frame = fromBinary(ServerFrameSchema, data);
      this.replies.push(...frame.replies);
      if (frame.cursor.length > 0) this.cursor = new Uint8Array(frame.cursor);
      for (const { body } of frame.notices)
        if (body.case === "goodbye") this.goodbyes.push(body.value);
    });
  }

  static async open(address: string): Promise<RawSession> {
    const session = new RawSession(address);
    onTestFinished(() => session.socket.terminate());
    await eventually("the socket", () => session.socket.readyState === WebSocket.OPEN, waiting);
    return session;
  }

  send(...requests: MessageInitShape<typeof ClientRequestSchema>[]): void {
    this.socket.send(toBinary(ClientFrameSchema, create(ClientFrameSchema, { requests })));
  }

  async hello(token: string, cursor: Uint8Array = new Uint8Array()) {
    this.send({ requestId: 1, body: { case: "hello", value: { token, cursor, subscribe: true } } });
    return await this.reply(1);
  }

  async reply(requestId: number): Promise<Reply["body"]> {
    const found = () => this.replies.find((reply) => reply.requestId === requestId);
    return (await eventually(`reply ${requestId}`, found, waiting)).body;
  }

  /** Resolves when the server has ended the stream. */
  closed(): Promise<number> {
    return eventually("the end of the stream", () => this.closeCode, waiting);
  }
}
