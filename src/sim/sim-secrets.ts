// Hashes and signatures that repeat and cost nothing, in place of argon2 and JWT: they have the
// form of the real ones and tell right from wrong, and no more is asked of them in a simulator.
import { createHmac } from "node:crypto";
import type { Secrets } from "../gateways/index.ts";

function phcString(password: string): string {
  const text = Buffer.from(password).toString("base64").replaceAll("=", "");
  return `$argon2id$v=19$m=19456,t=2,p=1$c2ltdWxhdGVk$${text.slice(0, 43)}`;
}

function signatureOf(key: Uint8Array): string {
  return Buffer.from(key.subarray(0, 8)).toString("hex");
}

/** The secrets of every simulated server. */
export const simSecrets: Secrets = {
  hashPassword: async (password) => phcString(password),
  verifyPassword: async (passwordHash, password) => passwordHash === phcString(password),
  signToken: async (payload, key) =>
    `${Buffer.from(JSON.stringify(payload)).toString("base64url")}.${signatureOf(key)}`,
  readToken: async (token, key) => {
    const [payload = "", signature] = token.split(".");
    if (signature !== signatureOf(key)) return undefined;
    return JSON.parse(Buffer.from(payload, "base64url").toString());
  },
  // The real one: it works on this thread and repeats.
  mac: (key, content) => createHmac("sha256", key).update(content).digest(),
};
