// Commands given by a single unary call to one server, past any client's session: so that the same
// id can reach several servers at once. One attempt each; never tries again.
import { type CallOptions, ConnectError, createClient } from "@connectrpc/connect";
import { assertNever } from "../base/assert.ts";
import type { Person, Receipt, RejectionCodeName, RoomName } from "../client/index.ts";
import {
  ChatService,
  RejectedSchema,
  RejectionCode,
  type WriteReceipt,
  WriteStatus,
} from "../proto/gen/chat/v1/api_pb.js";
import type { GivenCommand } from "./given-commands.ts";
import { type Failure, failureOfAttempt } from "./operation-result.ts";
import { unaryCallMs } from "./workload-limits.ts";
import type { WorkloadWorld } from "./workload-world.ts";

/** Where a call goes, and as whom. */
export interface CallTarget {
  readonly address: string;
  readonly token: string;
}

/** What an accepted command answered. */
export type GivenAnswer = Receipt & { readonly roomId?: number; readonly number?: number };

/** An island holds the message: nobody knows yet what it comes to. */
export type GivenHeld = Failure & { readonly heldDisks: number };

/** A new account under an id of the caller's own choice. */
export interface NewAccount {
  readonly commandId: string;
  readonly username: string;
  readonly password: string;
}

/** Makes the calls. None rejects: a failure is a value. */
export class UnaryCalls {
  readonly #world: WorkloadWorld;

  constructor(world: WorkloadWorld) {
    this.#world = world;
  }

  /** An id that no command has had, as 32 hexadecimal digits. */
  newCommandId(): string {
    const bytes = new Uint8Array(16);
    this.#world.clientRandom.fillBytes(bytes);
    return Buffer.from(bytes).toString("hex");
  }

  /** Gives a command under its id. */
  give(target: CallTarget, given: GivenCommand): Promise<GivenAnswer | GivenHeld | Failure> {
    return this.#attempt<GivenAnswer | GivenHeld>(target, (chat, call) => ask(chat, call, given));
  }

  /** Makes an account. */
  register(
    address: string,
    { commandId, username, password }: NewAccount,
  ): Promise<(Receipt & { readonly person: Person }) | Failure> {
    return this.#attempt({ address, token: "" }, async (chat, call) => {
      const request = { commandId: toBytes(commandId), username, password };
      const { person, receipt } = await chat.register(request, call);
      const { userId = 0, displayName = "" } = person ?? {};
      const made = { userId, username: person?.username ?? "", displayName };
      return { ...toReceipt(receipt, commandId), person: made };
    });
  }

  async #attempt<Answer>(
    { address, token }: CallTarget,
    attempt: (chat: ChatClient, call: CallOptions) => Promise<Answer>,
  ): Promise<Answer | Failure> {
    const { clock, transport } = this.#world;
    const abort = new AbortController();
    const timer = clock.setTimer(unaryCallMs, () => abort.abort());
    const headers = { authorization: `Bearer ${token}` };
    try {
      const chat = createClient(ChatService, transport(address));
      const call = { signal: abort.signal, ...(token !== "" && { headers }) };
      return await attempt(chat, call);
    } catch (reason) {
      return failureOfAttempt(codeOf(reason));
    } finally {
      timer.cancel();
    }
  }
}

type ChatClient = ReturnType<typeof createClient<typeof ChatService>>;

async function ask(
  chat: ChatClient,
  call: CallOptions,
  given: GivenCommand,
): Promise<GivenAnswer | GivenHeld> {
  const commandId = toBytes(given.commandId);
  switch (given.command) {
    case "sendMessage": {
      const { body } = given;
      const request = { commandId, room: toRoomRef(given.room), body };
      const { receipt, roomId, number } = await chat.sendMessage(request, call);
      if (receipt?.status === WriteStatus.HELD) {
        return { result: "unknown", code: "HELD", heldDisks: receipt.disks };
      }
      return { ...toReceipt(receipt, given.commandId), roomId, number };
    }
    case "createRoom": {
      const { receipt, room } = await chat.createRoom({ commandId, name: given.name }, call);
      return { ...toReceipt(receipt, given.commandId), roomId: room?.roomId ?? 0 };
    }
    case "joinRoom": {
      const request = { commandId, room: toRoomRef(given.room) };
      const { receipt, room } = await chat.joinRoom(request, call);
      return { ...toReceipt(receipt, given.commandId), roomId: room?.roomId ?? 0 };
    }
    case "leaveRoom": {
      const request = { commandId, room: toRoomRef(given.room) };
      const { receipt } = await chat.leaveRoom(request, call);
      return toReceipt(receipt, given.commandId);
    }
    default:
      return assertNever(given, "given command");
  }
}

function toRoomRef(room: RoomName) {
  const value =
    typeof room === "number"
      ? ({ case: "roomId", value: room } as const)
      : ({ case: "name", value: room } as const);
  return { room: value };
}

function toReceipt(receipt: WriteReceipt | undefined, commandId: string): Receipt {
  return {
    position: Number(receipt?.position ?? 0n),
    disks: receipt?.disks ?? 0,
    repeated: receipt?.repeated ?? false,
    commandId,
  };
}

function toBytes(commandId: string): Uint8Array {
  return new Uint8Array(Buffer.from(commandId, "hex"));
}

/** The server's own refusal where it sent one; anything else is trouble on the way. */
function codeOf(reason: unknown): RejectionCodeName {
  const detail = ConnectError.from(reason).findDetails(RejectedSchema)[0];
  if (detail === undefined) return "UNAVAILABLE";
  return (RejectionCode[detail.code] as RejectionCodeName | undefined) ?? "UNSPECIFIED";
}
