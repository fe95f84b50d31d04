// Everything of the gateway that needs cryptography, behind one port: password hashes (argon2id),
// token signatures (JWT, RFC 7519, HS256) and plain HMACs. The libraries work on other threads, in
// an order that does not repeat, so the simulator brings its own. What a token says and when a
// password is checked is not here.
import { createHmac } from "node:crypto";
import { hash, verify } from "@node-rs/argon2";
import { jwtVerify, SignJWT } from "jose";

/** What a token says, as JSON. */
export type TokenPayload = Readonly<Record<string, unknown>>;

/** Makes and checks what only the right one can have made. */
export interface Secrets {
  /** The PHC string of a password; about 20 ms of a core and 19 MiB. */
  hashPassword(password: string): Promise<string>;
  /** Whether the password fits the PHC string; takes as long as `hashPassword`. */
  verifyPassword(passwordHash: string, password: string): Promise<boolean>;
  /** A token that says `payload`, signed under a key of 32 bytes. */
  signToken(payload: TokenPayload, key: Uint8Array): Promise<string>;
  /** What a token says; undefined where it was not signed under this key. */
  readToken(token: string, key: Uint8Array): Promise<TokenPayload | undefined>;
  /** HMAC-SHA256 (RFC 2104); 32 bytes. */
  mac(key: Uint8Array, content: Uint8Array): Uint8Array;
}

/**
 * OWASP Password Storage Cheat Sheet: argon2id, 19 MiB, two passes, one lane; the salt is drawn by
 * the library.
 */
const argon2Options = { memoryCost: 19_456, timeCost: 2, parallelism: 1, outputLen: 32 };

/** The real ones. */
export function createSecrets(): Secrets {
  return {
    hashPassword: (password) => hash(password, argon2Options),
    verifyPassword: (passwordHash, password) => verify(passwordHash, password),
    signToken: (payload, key) =>
      new SignJWT({ ...payload }).setProtectedHeader({ alg: "HS256" }).sign(key),
    readToken: async (token, key) => {
      try {
        return (await jwtVerify(token, key, { algorithms: ["HS256"] })).payload;
      } catch {
        return undefined;
      }
    },
    mac: hmacSha256,
  };
}

/** HMAC-SHA256 (RFC 2104); 32 bytes. */
export function hmacSha256(key: Uint8Array, content: Uint8Array): Uint8Array {
  return createHmac("sha256", key).update(content).digest();
}
