// Log-in sessions that an island has opened. Their tokens carry a number in place of a session id;
// here it is found what the number stands for: a held log-in of this island, or, once that is
// merged, an ordinary session.
import { fromBinary } from "@bufbuild/protobuf";
import { islandSessionId, type SessionId } from "../chat/index.ts";
import { type Command, CommandSchema } from "../proto/gen/chat/v1/command_pb.js";
import type { HeldItem } from "../proto/gen/cluster/v1/peer_pb.js";
import type { Caller, GatewayContext } from "./gateway-context.ts";

/** Finds them. One for each gateway. */
export class IslandSessions {
  readonly #context: GatewayContext;
  /** Log-ins among what is or was held here, by their number. */
  readonly #logIns = new Map<bigint, { readonly item: HeldItem; readonly userId: number }>();
  readonly #unsubscribe: () => void;

  constructor(context: GatewayContext) {
    this.#context = context;
    this.#readAll();
    this.#unsubscribe = context.island.subscribeIsland((change) => {
      if (change.kind === "held") for (const item of change.items) this.#read(item);
      else this.#readAll();
    });
  }

  /** Stops hearing of the island. */
  close(): void {
    this.#unsubscribe();
  }

  /**
   * Who comes with this number: with the session's id when it has one, with `islandSessionId` while
   * the log-in is held here. Undefined where neither is known here, or the session was ended.
   */
  find({
    userId,
    islandNonce,
  }: Pick<Caller, "userId"> & { islandNonce: bigint }): Caller | undefined {
    const { chat } = this.#context;
    const sessionId = chat.sessionByIslandNonce(islandNonce);
    if (sessionId !== undefined) {
      if (chat.sessionOwner(sessionId) !== userId) return undefined;
      return { userId, sessionId, islandNonce };
    }
    if (!this.#isHeld(islandNonce, userId)) return undefined;
    return { userId, sessionId: islandSessionId as SessionId, islandNonce };
  }

  #isHeld(islandNonce: bigint, userId: number): boolean {
    const logIn = this.#logIns.get(islandNonce);
    if (logIn === undefined || logIn.userId !== userId) return false;
    // Merged, and perhaps ended since: then the number counts no more.
    const isHeld = this.#context.island.heldItems().some((item) => isSameItem(item, logIn.item));
    if (!isHeld) this.#logIns.delete(islandNonce);
    return isHeld;
  }

  #readAll(): void {
    this.#logIns.clear();
    for (const item of this.#context.island.heldItems()) this.#read(item);
  }

  #read(item: HeldItem): void {
    const body = bodyOf(item);
    if (body?.case !== "openSession") return;
    const { islandNonce, userId } = body.value;
    this.#logIns.set(islandNonce, { item, userId });
  }
}

/** Undefined for what this version cannot read; another server's may be newer. */
function bodyOf(item: HeldItem): Command["body"] | undefined {
  try {
    return fromBinary(CommandSchema, item.command).body;
  } catch {
    return undefined;
  }
}

function isSameItem(a: HeldItem, b: HeldItem): boolean {
  return (
    a === b ||
    (a.sequence === b.sequence &&
      a.island?.replicaId === b.island?.replicaId &&
      a.island?.nonce === b.island?.nonce)
  );
}
