// What makes two commands the same command by src/chat/SPEC.md (ID, IM4): for the model in
// chat-model.ts. Knows no state.
import { fromBinary } from "@bufbuild/protobuf";
import { type Command, CommandSchema } from "../proto/gen/chat/v1/command_pb.js";
import * as forms from "./chat-model-forms.ts";
import { hashText } from "./checkers/content-hash.ts";

/** What a command asks for. */
export type Body = Command["body"];

/** A command; undefined for bytes that are none. */
export function decode(encoded: Uint8Array): Command | undefined {
  try {
    return fromBinary(CommandSchema, encoded);
  } catch {
    // Bytes that are no command are a case of the rules (LG5), not of the model.
    return undefined;
  }
}

/** ID1: among whose ids it counts, where nobody is logged in yet; undefined for the others. */
export function scopeBeforeLogIn(body: Body): number | undefined {
  if (body.case === "openSession") return body.value.userId;
  return body.case === "registerUser" || body.case === "initializeCluster" ? 0 : undefined;
}

/** ID4: all that counts for "the same again", and nothing that a retry makes anew. */
export function contentOf(body: Body): number {
  switch (body.case) {
    case "initializeCluster":
    case undefined:
      return hashText(`${body.case}`);
    case "registerUser": {
      const { username, displayName } = body.value;
      return hashText(JSON.stringify([body.case, forms.lowerCase(username), displayName]));
    }
    case "openSession":
      return hashText(JSON.stringify([body.case, body.value.device]));
    case "closeSession":
      return hashText(`${body.case} ${body.value.sessionId}`);
    case "createRoom":
      return hashText(JSON.stringify([body.case, body.value.name]));
    case "joinRoom":
    case "leaveRoom":
      return hashText(`${body.case} ${body.value.roomId}`);
    case "sendMessage":
      return hashText(`${body.case} ${body.value.roomId} ${body.value.body}`);
    // IM4.
    case "mergeHeld":
      return contentOf(body.value.held);
  }
}
