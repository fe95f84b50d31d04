// The bytes of a backup: what goes in comes out, in pieces of any size, and damage is found.
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { concatBytes, decodeUtf8, equalBytes } from "../base/bytes.ts";
import { Random } from "../base/random.ts";
import {
  BackupError,
  type BackupHeader,
  BackupReader,
  backupPieceBytes,
  writeBackup,
} from "./backup-file.ts";

const header: BackupHeader = {
  clusterId: 0x00c0ffee00c0ffeen,
  clusterName: "ä ship",
  index: 17,
  term: 3,
  configuration: new Uint8Array([1, 2, 3]),
  clusterTimeMs: 1_700_000_000_000,
  size: 0,
  digest: new Uint8Array(32).fill(9),
};

function snapshotOf(size: number): Uint8Array {
  return new Uint8Array(size).map((_, i) => i * 31);
}

function backupOf(snapshot: Uint8Array): Uint8Array {
  const read = (offset: number, length: number) => snapshot.subarray(offset, offset + length);
  return concatBytes([...writeBackup({ ...header, size: snapshot.length }, read)]);
}

/** Reads in pieces; answers the snapshot, or the message of the BackupError. */
function readIn(bytes: Uint8Array, pieceBytes: (at: number) => number): Uint8Array | string {
  const reader = new BackupReader();
  const parts: Uint8Array[] = [];
  try {
    for (let at = 0; at < bytes.length; ) {
      const length = pieceBytes(at);
      parts.push(reader.take(bytes.subarray(at, at + length)));
      at += length;
    }
    expect(reader.end()).toEqual({
      ...header,
      size: bytes.length === 0 ? 0 : concatBytes(parts).length,
      configuration: Buffer.from(header.configuration),
      digest: Buffer.from(header.digest),
    });
    return concatBytes(parts);
  } catch (error) {
    if (error instanceof BackupError) return error.message;
    throw error;
  }
}

describe("a backup", () => {
  it.each([0, 1, backupPieceBytes, backupPieceBytes + 1, 3 * backupPieceBytes - 7])(
    "of %i bytes is read as it was written, in pieces of any size",
    (size) => {
      const snapshot = snapshotOf(size);
      const bytes = backupOf(snapshot);
      const random = new Random(size + 1);
      for (const pieceBytes of [() => bytes.length, () => random.nextInteger(1, 70_000)]) {
        const read = readIn(bytes, pieceBytes);
        expect(typeof read !== "string" && equalBytes(read, snapshot)).toBe(true);
      }
    },
  );

  it("is read byte by byte", () => {
    const snapshot = snapshotOf(100);
    expect(readIn(backupOf(snapshot), () => 1)).toEqual(snapshot);
  });

  it("has the layout that docs/reference/backup.md gives", () => {
    const bytes = Buffer.from(backupOf(snapshotOf(5)));
    expect(decodeUtf8(bytes.subarray(0, 18))).toBe("holdfast-backup 1\n");
    const jsonBytes = bytes.readUInt32BE(18);
    expect(JSON.parse(bytes.subarray(22, 22 + jsonBytes).toString())).toEqual({
      clusterId: "00c0ffee00c0ffee",
      clusterName: "ä ship",
      index: 17,
      term: 3,
      configuration: "AQID",
      clusterTimeMs: 1_700_000_000_000,
      size: 5,
      digest: "09".repeat(32),
    });
    expect(bytes.length).toBe(22 + jsonBytes + 5 + 32);
    const hash = createHash("sha256").update(bytes.subarray(0, -32)).digest();
    expect(bytes.subarray(-32).equals(hash)).toBe(true);
  });

  it("is refused wherever it is cut", () => {
    const bytes = backupOf(snapshotOf(50));
    for (let length = 0; length < bytes.length; length++) {
      expect(readIn(bytes.subarray(0, length), () => 64)).toMatch(/ends before|cut short/);
    }
    expect(readIn(concatBytes([bytes, new Uint8Array(1)]), () => 64)).toMatch(/goes on behind/);
  });

  it("is refused wherever a byte is wrong", () => {
    const bytes = backupOf(snapshotOf(50));
    for (let at = 0; at < bytes.length; at++) {
      const wrong = bytes.slice();
      wrong[at] = (wrong[at] ?? 0) ^ 1;
      expect(typeof readIn(wrong, () => 64)).toBe("string");
    }
    expect(readIn(snapshotOf(500), () => 64)).toMatch(/no backup of Holdfast/);
  });

  it("is not written from a snapshot that ends early", () => {
    const read = () => new Uint8Array(0);
    expect(() => [...writeBackup({ ...header, size: 5 }, read)]).toThrow(BackupError);
  });
});
