// A process of its own with many subscribers: counts the events that reach it, and does nothing
// else with them, so that the servers are measured and not it. Arguments: address, token, count.
// Says "ready", then a count for each line read.
import { createInterface } from "node:readline";
import { create, toBinary } from "@bufbuild/protobuf";
import { ClientFrameSchema } from "../src/proto/gen/chat/v1/api_pb.js";

const [address = "", token = "", count = "0"] = process.argv.slice(2);
/** Field 2 of ServerFrame, length-delimited: an event. */
const eventTag = (2 << 3) | 2;

/**
 * How many events a frame holds: walks over the top-level fields, all of which are
 * length-delimited.
 */
function countEvents(frame: Uint8Array): number {
  let events = 0;
  let at = 0;
  while (at < frame.length) {
    if (frame[at++] === eventTag) events += 1;
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = frame[at++] ?? 0;
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    at += length;
  }
  return events;
}

let events = 0;
let welcomed = 0;
const hello = toBinary(
  ClientFrameSchema,
  create(ClientFrameSchema, {
    requests: [{ requestId: 1, body: { case: "hello", value: { token, subscribe: true } } }],
  }),
);
for (let i = 0; i < Number(count); i++) {
  const socket = new WebSocket(`${address.replace("http", "ws")}/session`);
  socket.binaryType = "arraybuffer";
  let first = true;
  socket.addEventListener("open", () => socket.send(hello as Uint8Array<ArrayBuffer>));
  socket.addEventListener("message", ({ data }) => {
    events += countEvents(new Uint8Array(data as ArrayBuffer));
    if (!first) return;
    first = false;
    welcomed += 1;
    if (welcomed === Number(count)) process.stdout.write("ready\n");
  });
  socket.addEventListener("close", () => {
    process.stderr.write("a subscriber was cut off\n");
    process.exit(1);
  });
}
const lines = createInterface({ input: process.stdin });
lines.on("line", () => process.stdout.write(`${events}\n`));
lines.on("close", () => process.exit(0));
