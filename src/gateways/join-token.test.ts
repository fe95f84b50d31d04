// Join tokens and the operator token: made from the cluster's secret, good for this cluster alone.
import { describe, expect, it } from "vitest";
import { encodeJoinToken, readJoinToken } from "./join-token.ts";
import { isSameSecret, operatorToken } from "./operator-token.ts";
import { hmacSha256 } from "./secrets.ts";

const tokenKey = new Uint8Array(32).fill(7);
const clusterId = 0x00c0ffee00c0ffeen;
const claims = { clusterId, nonce: 5n, expiresMs: 1_700_000_000_000, reader: true };
const token = encodeJoinToken(claims, tokenKey, hmacSha256);

function read(text: string, cluster = { clusterId, tokenKey }) {
  return readJoinToken(text, cluster, hmacSha256);
}

describe("a join token", () => {
  it("says what it was made of", () => {
    expect(token).toMatch(/^hfjoin_[A-Za-z0-9_-]{55}$/);
    expect(read(token)).toEqual({ kind: "genuine", claims });
    const voter = encodeJoinToken({ ...claims, reader: false }, tokenKey, hmacSha256);
    expect(read(voter)).toEqual({ kind: "genuine", claims: { ...claims, reader: false } });
  });

  it("is no token of another cluster, nor under another key", () => {
    expect(read(token, { clusterId: 1n, tokenKey }).kind).toBe("ofAnotherCluster");
    expect(read(token, { clusterId, tokenKey: new Uint8Array(32) }).kind).toBe("forged");
  });

  it("is refused wherever a character is wrong or missing", () => {
    for (let at = 0; at < token.length; at++) {
      const wrong = `${token.slice(0, at)}${token[at] === "A" ? "B" : "A"}${token.slice(at + 1)}`;
      expect(read(wrong).kind).not.toBe("genuine");
      expect(read(token.slice(0, at)).kind).toBe("malformed");
    }
    for (const odd of [
      `${token}=`,
      `${token} `,
      ` ${token}`,
      `${token}A`,
      operatorToken(tokenKey),
    ]) {
      expect(read(odd).kind).toBe("malformed");
    }
  });
});

describe("the operator token", () => {
  it("follows from the cluster's secret alone", () => {
    expect(operatorToken(tokenKey)).toMatch(/^hfop_[A-Za-z0-9_-]{43}$/);
    expect(operatorToken(tokenKey)).toBe(operatorToken(tokenKey.slice()));
    expect(operatorToken(new Uint8Array(32))).not.toBe(operatorToken(tokenKey));
  });

  it("is the same as itself and nothing else", () => {
    expect(isSameSecret("abc", "abc")).toBe(true);
    for (const other of ["abd", "ab", "abcd", ""]) expect(isSameSecret(other, "abc")).toBe(false);
  });
});
