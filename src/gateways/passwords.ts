// Password hashes, a few at once: each takes about 20 ms of a core and 19 MiB, which is why they
// are bounded. How they are made is in secrets.ts.
import { Slots } from "./admission.ts";
import type { GatewayContext } from "./gateway-context.ts";
import type { Secrets } from "./secrets.ts";

/** Makes and checks password hashes. */
export class Passwords {
  readonly #secrets: Secrets;
  readonly #slots: Slots;
  // What is checked where there is no such user, so that it takes as long as where there is one.
  readonly #decoyHash: Promise<string>;

  constructor(context: GatewayContext) {
    const { hashesMax, hashesWaitingMax } = context.limits;
    this.#slots = new Slots({ runningMax: hashesMax, waitingMax: hashesWaitingMax });
    const decoy = Buffer.from(context.randomBytes(32)).toString("hex");
    this.#secrets = context.secrets;
    this.#decoyHash = this.#secrets.hashPassword(decoy);
  }

  /** The PHC string for a new account's password; undefined where too many hashes are waiting. */
  hash(password: string): Promise<string> | undefined {
    return this.#slots.run(() => this.#secrets.hashPassword(normalize(password)));
  }

  /**
   * Whether the password fits the hash; undefined where too many hashes are waiting. Without a hash
   * it takes the same time and answers false.
   */
  verify(passwordHash: string | undefined, password: string): Promise<boolean> | undefined {
    return this.#slots.run(async () => {
      const known = passwordHash ?? (await this.#decoyHash);
      const fits = await this.#secrets.verifyPassword(known, normalize(password));
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
