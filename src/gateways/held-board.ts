// How held items are shown, worked out once for all who see them. Who may see one is decided by the
// chat floor and changes only with the state, so what was worked out lasts until the next command
// is applied; while an island lasts, none is.

import { create } from "@bufbuild/protobuf";
import type { Audience } from "../chat/index.ts";
import type { HeldMessage } from "../proto/gen/chat/v1/event_pb.js";
import { EventSchema } from "../proto/gen/chat/v1/event_pb.js";
import type { HeldItem } from "../proto/gen/cluster/v1/peer_pb.js";
import { type EncodedEvent, encodeEvent } from "./frames.ts";
import type { GatewayContext } from "./gateway-context.ts";

/** A held message, ready to be sent. */
export interface HeldView {
  readonly audience: Audience;
  readonly message: HeldMessage;
  readonly event: EncodedEvent;
}

/** What is held here, as messages. */
export class HeldBoard {
  readonly #context: GatewayContext;
  #views = new WeakMap<HeldItem, HeldView | "hidden">();
  #position = -1;

  constructor(context: GatewayContext) {
    this.#context = context;
  }

  /** The item as it is shown now; undefined for what is no message, or is one no more. */
  view(item: HeldItem): HeldView | undefined {
    const { chat, replica } = this.#context;
    const position = replica.appliedPosition();
    if (position !== this.#position) {
      this.#views = new WeakMap();
      this.#position = position;
    }
    let view = this.#views.get(item);
    if (view === undefined) {
      const shown = chat.heldMessage(item);
      view = shown === undefined ? "hidden" : { ...shown, event: encodeHeld(shown.message) };
      this.#views.set(item, view);
    }
    return view === "hidden" ? undefined : view;
  }

  /** The newest held messages of a room that a person may see, oldest first. */
  ofRoom(userId: number, roomId: number, bytesMax: number): HeldMessage[] {
    const found: HeldMessage[] = [];
    let bytes = 0;
    for (const item of this.#context.island.heldItems().toReversed()) {
      const view = this.view(item);
      if (view === undefined || view.message.roomId !== roomId) continue;
      if (!isSeenBy(view.audience, userId)) continue;
      bytes += view.event.bytes.length;
      if (found.length > 0 && bytes > bytesMax) break;
      found.push(view.message);
    }
    return found.reverse();
  }
}

/** Whether the audience holds this person. */
export function isSeenBy(audience: Audience, userId: number): boolean {
  return audience.kind === "everyone" || (audience.users as ReadonlySet<number>).has(userId);
}

function encodeHeld(message: HeldMessage): EncodedEvent {
  // It has no place in the log: no cursor moves by it.
  return encodeEvent(create(EventSchema, { body: { case: "held", value: message } }), undefined);
}
