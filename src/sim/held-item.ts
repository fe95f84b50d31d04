// Held items as checkers look at them: what stands in an island log and in the commands that merge
// it, read by the simulator itself. Judges nothing.
import { fromBinary } from "@bufbuild/protobuf";
import { type Command, CommandSchema } from "../proto/gen/chat/v1/command_pb.js";
import { HeldItemSchema } from "../proto/gen/cluster/v1/peer_pb.js";
import { ContentHash } from "./checkers/content-hash.ts";

/** A message or a log-in that an island may hold, as far as checkers tell them apart. */
export interface HeldCommand {
  /** Author and command id: what stands for it everywhere. */
  readonly key: string;
  readonly kind: "message" | "logIn";
  /** Over all that is merged of it. */
  readonly content: number;
}

/** One item of an island log. */
export interface HeldRecord {
  /** Undefined where it carries what no island may hold. */
  readonly held: HeldCommand | undefined;
  /** When it was accepted, in cluster time. */
  readonly timestampMs: number;
}

/** Reads an item as it stands in an island log. */
export function readHeldItem(bytes: Uint8Array): HeldRecord {
  const { command, timestampMs } = fromBinary(HeldItemSchema, bytes);
  return { held: readHeldCommand(command), timestampMs: Number(timestampMs) };
}

/** Undefined for what is neither a message nor a log-in. */
export function readHeldCommand(encoded: Uint8Array): HeldCommand | undefined {
  const { id, userId, body } = fromBinary(CommandSchema, encoded);
  return heldCommandOf({ id, userId }, body);
}

/** A merge of a held command, and when it says that this was accepted. */
export function readMerge(
  encoded: Uint8Array,
): { readonly held: HeldCommand | undefined; readonly acceptedMs: number } | undefined {
  const { id, userId, body } = fromBinary(CommandSchema, encoded);
  if (body.case !== "mergeHeld") return undefined;
  const { held, acceptedMs } = body.value;
  return { held: heldCommandOf({ id, userId }, held), acceptedMs: Number(acceptedMs) };
}

function heldCommandOf(
  { id, userId }: Pick<Command, "id" | "userId">,
  body: Command["body"],
): HeldCommand | undefined {
  const hash = new ContentHash().reset();
  if (body.case === "sendMessage") {
    const content = hash.number(body.value.roomId).text(body.value.body).value();
    return { key: keyOf(userId, id), kind: "message", content };
  }
  if (body.case === "openSession") {
    const { device, islandNonce } = body.value;
    const content = hash.text(device).text(islandNonce.toString()).value();
    return { key: keyOf(body.value.userId, id), kind: "logIn", content };
  }
  return undefined;
}

function keyOf(userId: number, id: Uint8Array): string {
  return `${userId}:${Buffer.from(id).toString("hex")}`;
}
