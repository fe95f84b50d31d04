// The token by which operators prove themselves: made from the cluster's secret, the same on every
// server, never stored by the cluster. Where a server writes it down for its owner is the server's
// matter.
import { timingSafeEqual } from "node:crypto";
import { encodeUtf8 } from "../base/bytes.ts";
import { hmacSha256, type Secrets } from "./secrets.ts";

const prefix = "hfop_";
const purpose = encodeUtf8("holdfast operator 1");

/** The operator token of the cluster with this token key (`ChatQueries.tokenKey`). */
export function operatorToken(tokenKey: Uint8Array, mac: Secrets["mac"] = hmacSha256): string {
  return `${prefix}${Buffer.from(mac(tokenKey, purpose)).toString("base64url")}`;
}

/** Whether both are the same, in a time that does not tell where they differ. */
export function isSameSecret(given: string, right: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}
