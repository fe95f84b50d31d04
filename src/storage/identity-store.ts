// Who owns this data folder, as bytes that the caller encodes (proto storage.v1.Identity). Written
// a few times in a life.
import type { Disk } from "../io/disk.ts";
import type { DamageError } from "./damage-error.ts";
import { identitySlotBytes } from "./limits.ts";
import { TwinStore } from "./twin-store.ts";

/** What the identity's store is told. */
export interface IdentityStoreOptions {
  /** File name relative to the data folder ("identity"). */
  readonly name?: string;
  /** Hears of a copy that was not intact and was mended from the other one. */
  readonly onMended?: (damage: DamageError) => void;
}

/** Keeps the identity. */
export class IdentityStore {
  readonly #twin: TwinStore;

  /** Throws a DamageError where neither copy is intact. */
  constructor(disk: Disk, options: IdentityStoreOptions = {}) {
    const { name = "identity" } = options;
    const fixed = { name, slotBytes: identitySlotBytes, required: false };
    this.#twin = new TwinStore(disk, { ...options, ...fixed });
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
