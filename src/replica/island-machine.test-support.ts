// A state machine for tests of island mode, whose commands are texts.
import { fromBinary } from "@bufbuild/protobuf";
import { assert } from "../base/assert.ts";
import { decodeUtf8, encodeUtf8 } from "../base/bytes.ts";
import { HeldItemSchema } from "../proto/gen/cluster/v1/peer_pb.js";
import type { IslandStateMachine } from "./island.ts";

/**
 * Commands are texts: "m:key" is a message, "x:key" no kind that islands hold, "merge:m:key" brings
 * a held one in. A key that begins with "banned" is refused plainly, and put aside by a merge.
 */
export class KeyMachine implements IslandStateMachine<string> {
  /** Keys in the state with how often a command for them was applied. */
  readonly keys = new Map<string, number>();
  index = 0;

  appliedIndex(): number {
    return this.index;
  }
  heldKey(command: Uint8Array): string | undefined {
    return /^(?:merge:)?m:(.*)$/s.exec(decodeUtf8(command) ?? "")?.[1];
  }
  isHoldable(command: Uint8Array): boolean {
    return (decodeUtf8(command) ?? "").startsWith("m:");
  }
  judgeHeld(command: Uint8Array): string | undefined {
    if (!this.isHoldable(command)) return "needs a majority";
    const key = this.heldKey(command)!;
    if (this.keys.has(key)) return `accepted before: ${key}`;
    return key.startsWith("refused") ? "refused" : undefined;
  }
  isMerged(command: Uint8Array): boolean {
    return this.keys.has(this.heldKey(command) ?? "");
  }
  mergeCommand({ command }: { readonly command: Uint8Array }): Uint8Array {
    assert(this.isHoldable(command), "only what is held is merged");
    return encodeUtf8(`merge:${decodeUtf8(command)}`);
  }
  apply(command: Uint8Array): void {
    this.index += 1;
    const key = this.heldKey(command);
    if (key === undefined) return;
    if (key.startsWith("banned") && this.isHoldable(command)) return;
    this.keys.set(key, (this.keys.get(key) ?? 0) + 1);
  }
}

const keys = new WeakMap<Uint8Array, string>();

/** The key of an encoded item. */
export function keyIn(bytes: Uint8Array): string {
  let key = keys.get(bytes);
  if (key === undefined) {
    key = new KeyMachine().heldKey(fromBinary(HeldItemSchema, bytes).command)!;
    keys.set(bytes, key);
  }
  return key;
}
