// From one binary message of a message-oriented carrier (WebSocket, the simulator) to a session.
import { decodeClientFrame } from "./requests.ts";
import type { Session } from "./session.ts";

/** RFC 6455 §7.4.1: the message is not of the agreed form. */
const invalidPayload = 1007;

/** Takes one encoded ClientFrame; what is none ends the session. */
export function handleSessionFrame(session: Session, data: Uint8Array): void {
  const frame = decodeClientFrame(data);
  if (frame.kind === "requests") session.handleFrame(frame.requests);
  else session.handleMalformed(`The message is no ClientFrame: ${frame.problem}.`, invalidPayload);
}
