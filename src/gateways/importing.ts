// Messages of a lost server's disk, brought into the log as a healed island's are
// (docs/decisions/0013): once, under their own authors and ids. An id that means somebody else here
// is refused: a cluster that went on without that disk may have given it again. Who may ask is
// checked in admin-rpc.ts.
import { fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { RejectionCode } from "../proto/gen/chat/v1/api_pb.js";
import { type Command, CommandSchema } from "../proto/gen/chat/v1/command_pb.js";
import type {
  ImportHeldRequest,
  ImportHeldResponseSchema,
  ImportItem,
} from "../proto/gen/cluster/v1/admin_pb.js";
import { unavailable } from "./admin.ts";
import { propose, type WriteResult } from "./commands.ts";
import { isRefusal, type Refusal, refuse } from "./errors.ts";
import type { GatewayContext } from "./gateway-context.ts";
import { waitForRead } from "./waits.ts";

const itemsMax = 256;

/** After these the same items may be sent again. */
const passing: readonly RejectionCode[] = [
  RejectionCode.UNAVAILABLE,
  RejectionCode.OVERLOADED,
  RejectionCode.NEEDS_MAJORITY,
];

/** What became of one item; kept: set aside. A Refusal is of the whole call. */
type ItemResult =
  | { readonly kind: "accepted" | "already" }
  | { readonly kind: "kept" | "declined"; readonly reason: string };

/** Serves the call. */
export class ImportDesk {
  readonly #context: GatewayContext;

  constructor(context: GatewayContext) {
    this.#context = context;
  }

  /** Takes all items, in their order, and answers when each has its outcome. */
  async importHeld({
    items,
  }: ImportHeldRequest): Promise<MessageInitShape<typeof ImportHeldResponseSchema> | Refusal> {
    if (items.length > itemsMax) {
      const problem = `The request has ${items.length} items; send at most ${itemsMax} at once.`;
      return refuse(RejectionCode.INVALID_ARGUMENT, problem);
    }
    // What is known here must be what the cluster knows, or an id might still be given to another.
    if (!(await waitForRead(this.#context))) {
      return unavailable(this.#context, "This server cannot reach a majority now. Try again.");
    }
    const results = await Promise.all(items.map((item) => this.#import(item)));
    const open = results.find(isRefusal);
    if (open !== undefined) return open;
    const remarks = (kind: "kept" | "declined") =>
      results.flatMap((result, item) =>
        result.kind === kind && "reason" in result ? [{ item, reason: result.reason }] : [],
      );
    return {
      accepted: results.filter(({ kind }) => kind === "accepted").length,
      already: results.filter(({ kind }) => kind === "already").length,
      setAside: remarks("kept"),
      refused: remarks("declined"),
    };
  }

  /** A Refusal where the item is as it was: it is to be sent again. */
  #import(item: ImportItem): Promise<ItemResult | Refusal> {
    const command = decode(item.command);
    const body = command?.body;
    if (command === undefined || body?.case !== "sendMessage") {
      return Promise.resolve(declined("It is no message."));
    }
    const stranger = this.#refuseStranger(item, command, body.value.roomId);
    if (stranger !== undefined) return Promise.resolve(declined(stranger));
    if (this.#context.chat.isMerged(item.command)) return Promise.resolve({ kind: "already" });
    const merge = {
      held: body,
      acceptedMs: item.timestampMs,
      separationIndex: item.commitIndex,
    };
    const { id, userId, sessionId } = command;
    return new Promise((resolve) =>
      propose(
        this.#context,
        { id, userId, sessionId, body: { case: "mergeHeld", value: merge } },
        (result) => resolve(this.#read(result)),
      ),
    );
  }

  /** Why the ids do not mean here what they meant there. */
  #refuseStranger(
    { authorUsername, roomName }: ImportItem,
    { userId }: Command,
    roomId: number,
  ): string | undefined {
    const { chat } = this.#context;
    const author = chat.person(userId)?.username;
    if (author === undefined) return `There is no ${authorUsername} here under the id ${userId}.`;
    if (author !== authorUsername) {
      return `Person ${userId} is ${author} here, but was ${authorUsername} there.`;
    }
    const room = chat.findRoom(userId, { roomId });
    if (room.kind === "rejected")
      return `There is no room ${roomName} here under the id ${roomId}.`;
    if (room.name === roomName) return undefined;
    return `Room ${roomId} is ${room.name} here, but was ${roomName} there.`;
  }

  #read(result: WriteResult): ItemResult | Refusal {
    if (isRefusal(result)) {
      return passing.includes(result.code) ? result : declined(result.message);
    }
    if (result.kind === "held") return unavailable(this.#context, "There is no majority now.");
    if (result.receipt.repeated === true) return { kind: "already" };
    if (result.answer.kind !== "setAside") return { kind: "accepted" };
    const reason = "Its author may not write in that room: the author and its owner can read it.";
    return { kind: "kept", reason };
  }
}

function declined(reason: string): ItemResult {
  return { kind: "declined", reason };
}

function decode(bytes: Uint8Array): Command | undefined {
  try {
    return fromBinary(CommandSchema, bytes);
  } catch {
    return undefined;
  }
}
