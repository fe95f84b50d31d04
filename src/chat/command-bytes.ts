// Commands as they stand in the log, to and from bytes. Judges nothing but that they are commands.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { MergeHeld } from "../proto/gen/chat/v1/command_pb.js";
import { type Command, CommandSchema, MergeHeldSchema } from "../proto/gen/chat/v1/command_pb.js";

/** The command that these bytes are; undefined where they are none. */
export function decodeCommand(encoded: Uint8Array): Command | undefined {
  try {
    return fromBinary(CommandSchema, encoded);
  } catch {
    // The decoder throws on bytes that are no Protobuf and on strings that are no UTF-8; nothing
    // else is called here.
    return undefined;
  }
}

/** The command that brings a held one into the log, under the same id, user and session. */
export function encodeMerge(
  { id, userId, sessionId }: Pick<Command, "id" | "userId" | "sessionId">,
  merge: Pick<MergeHeld, "held" | "acceptedMs" | "separationIndex">,
): Uint8Array {
  const value = create(MergeHeldSchema, merge);
  const body = { case: "mergeHeld", value } as const;
  return toBinary(CommandSchema, create(CommandSchema, { id, userId, sessionId, body }));
}
