// Tokens with which one new server may join, once: `hfjoin_` and, in base64url, cluster id (8
// bytes) | nonce (8) | expiry in ms of cluster time (8) | flags (1) | HMAC-SHA256 cut to 16 (RFC
// 2104 §5). Numbers are big-endian. Nobody stores them; whether one was used stands in the member
// table, by its nonce.
import { timingSafeEqual } from "node:crypto";
import { concatBytes, encodeUtf8 } from "../base/bytes.ts";
import type { Secrets } from "./secrets.ts";

const prefix = "hfjoin_";
const purpose = encodeUtf8("holdfast join 1");
const claimsBytes = 25;
const macBytes = 16;
const readerFlag = 1;

/** What a join token says. */
export interface JoinClaims {
  readonly clusterId: bigint;
  /** Names the token; never 0. */
  readonly nonce: bigint;
  /** Cluster time, milliseconds since 1970. */
  readonly expiresMs: number;
  /** The newcomer stays without a vote. */
  readonly reader: boolean;
}

/** What came as a join token. */
export type ReadJoinToken =
  | { readonly kind: "genuine"; readonly claims: JoinClaims }
  /** Not of the form, or cut short or mistyped. */
  | { readonly kind: "malformed" }
  | { readonly kind: "ofAnotherCluster" }
  /** Not made with this cluster's key. */
  | { readonly kind: "forged" };

/** The token that says this. */
export function encodeJoinToken(
  claims: JoinClaims,
  tokenKey: Uint8Array,
  mac: Secrets["mac"],
): string {
  const bytes = new Uint8Array(claimsBytes);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, claims.clusterId);
  view.setBigUint64(8, claims.nonce);
  view.setBigUint64(16, BigInt(claims.expiresMs));
  view.setUint8(24, claims.reader ? readerFlag : 0);
  const signed = concatBytes([bytes, sign(bytes, tokenKey, mac)]);
  return `${prefix}${Buffer.from(signed).toString("base64url")}`;
}

/** What the token says, once it is sure that this cluster said so. Expiry is for the caller. */
export function readJoinToken(
  token: string,
  cluster: { readonly clusterId: bigint; readonly tokenKey: Uint8Array },
  mac: Secrets["mac"],
): ReadJoinToken {
  if (!token.startsWith(prefix)) return { kind: "malformed" };
  const bytes = Buffer.from(token.slice(prefix.length), "base64url");
  if (bytes.length !== claimsBytes + macBytes) return { kind: "malformed" };
  // Node skips what is no base64url; only the form that we write is ours.
  if (bytes.toString("base64url") !== token.slice(prefix.length)) return { kind: "malformed" };
  const claims = bytes.subarray(0, claimsBytes);
  if (claims.readBigUInt64BE(0) !== cluster.clusterId) return { kind: "ofAnotherCluster" };
  const right = sign(claims, cluster.tokenKey, mac);
  if (!timingSafeEqual(bytes.subarray(claimsBytes), right)) return { kind: "forged" };
  return {
    kind: "genuine",
    claims: {
      clusterId: cluster.clusterId,
      nonce: claims.readBigUInt64BE(8),
      expiresMs: Number(claims.readBigUInt64BE(16)),
      reader: (claims.readUInt8(24) & readerFlag) !== 0,
    },
  };
}

/** Under a key of its own, so that nothing else that is signed can pass for a join token. */
function sign(claims: Uint8Array, tokenKey: Uint8Array, mac: Secrets["mac"]): Uint8Array {
  return mac(mac(tokenKey, purpose), claims).subarray(0, macBytes);
}
