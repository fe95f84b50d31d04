// Password hashes: argon2id with the parameters that OWASP recommends, a few at once. The password
// itself never leaves this file. Hashing takes about 20 ms of a core and 19 MiB, which is why it is
// bounded.
import { hash, verify } from "@node-rs/argon2";
import { Slots } from "./admission.ts";
import type { GatewayContext } from "./gateway-context.ts";

/**
 * OWASP Password Storage Cheat Sheet: argon2id, 19 MiB, two passes, one lane; the salt is drawn by
 * the library.
 */
const argon2Options = { memoryCost: 19_456, timeCost: 2, parallelism: 1, outputLen: 32 };

/** Makes and checks password hashes. */
export class Passwords {
  readonly #slots: Slots;
  // What is checked where there is no such user, so that it takes as long as where there is one.
  readonly #decoyHash: Promise<string>;

  constructor(context: GatewayContext) {
    const { hashesMax, hashesWaitingMax } = context.limits;
    this.#slots = new Slots({ runningMax: hashesMax, waitingMax: hashesWaitingMax });
    const decoy = Buffer.from(context.randomBytes(32)).toString("hex");
    this.#decoyHash = hash(decoy, argon2Options);
  }

  /** The PHC string for a new account's password; undefined where too many hashes are waiting. */
  hash(password: string): Promise<string> | undefined {
    return this.#slots.run(() => hash(normalize(password), argon2Options));
  }

  /**
   * Whether the password fits the hash; undefined where too many hashes are waiting. Without a hash
   * it takes the same time and answers false.
   */
  verify(passwordHash: string | undefined, password: string): Promise<boolean> | undefined {
    return this.#slots.run(async () => {
      const fits = await verify(passwordHash ?? (await this.#decoyHash), normalize(password));
      return fits && passwordHash !== undefined;
    });
  }
}

/**
 * The same password from every keyboard: Unicode normalization form C, as RFC 8265 §4.2.1 has it.
 */
function normalize(password: string): string {
  return password.normalize("NFC");
}
