// Who owns this data folder, as bytes that the caller encodes (proto storage.v1.Identity). Written
// twice in a life.
import type { Disk } from "../io/disk.ts";
import { identitySlotBytes } from "./limits.ts";
import { TwinStore } from "./twin-store.ts";

/** Keeps the identity in the file "identity". */
export class IdentityStore {
  readonly #twin: TwinStore;

  /** Throws a DamageError where neither copy is intact. */
  constructor(disk: Disk, options: { readonly name?: string } = {}) {
    const { name = "identity" } = options;
    this.#twin = new TwinStore(disk, { name, slotBytes: identitySlotBytes, required: false });
  }

  /** The bytes saved last, or undefined in a folder that is new or whose making was cut short. */
  current(): Uint8Array | undefined {
    return this.#twin.current();
  }

  /** Durable when it returns. At most 65,512 bytes. Throws the disk's error, which is final. */
  save(bytes: Uint8Array): void {
    this.#twin.save(bytes);
  }

  close(): void {
    this.#twin.close();
  }
}
