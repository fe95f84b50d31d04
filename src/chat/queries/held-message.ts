// How a message that is held is shown, and to whom: as it will be when it is merged. The list of
// what is held is the replica's.
import { assertDefined } from "../../base/assert.ts";
import { refusePosting } from "../access.ts";
import { decodeCommand } from "../command-bytes.ts";
import { recallHeld } from "../command-ids.ts";
import type { Context } from "../context.ts";
import type { HeldCommand, ShownHeldMessage } from "../types.ts";
import { checkBody, checkCommandId } from "../validation.ts";

/** SPEC.md IM13. */
export function heldMessage(context: Context, held: HeldCommand): ShownHeldMessage | undefined {
  const { state } = context;
  const command = decodeCommand(held.command);
  if (command?.body.case !== "sendMessage") return undefined;
  const { id: commandId, userId: authorId } = command;
  const { roomId, body } = command.body.value;
  const room = state.room(roomId);
  const refusal =
    checkCommandId(commandId) ?? checkBody(body) ?? refusePosting(state, roomId, authorId);
  if (room === undefined || refusal !== undefined) return undefined;
  const id = { userId: authorId, commandId };
  const known = recallHeld(context, id, { kind: "message", roomId, body });
  if (known.outcome !== undefined || known.refusal !== undefined) return undefined;
  const author = assertDefined(state.user(authorId), "a member of a room");
  return {
    audience: state.audienceOf(room),
    message: {
      $typeName: "chat.v1.HeldMessage",
      roomId,
      authorId,
      authorUsername: author.username,
      commandId,
      timestampMs: held.timestampMs,
      body,
      hybridTime: held.hybridTime,
    },
  };
}
