// The bytes of one record, the checksum, and what zeros tell.
import { describe, expect, it } from "vitest";
import { encodeUtf8 } from "../base/bytes.ts";
import { Random } from "../base/random.ts";
import { crc32c } from "./crc32c.ts";
import {
  decodeRecord,
  encodeRecord,
  type JournalRecord,
  type Place,
  recordBytes,
  recordHeaderBytes,
} from "./record.ts";
import { endOfNonZero, firstNonZero, hasUnwrittenSector } from "./sectors.ts";
import { makeEntry } from "./storage.contract.ts";

/** CRC-32C bit by bit, after its definition. */
function slowCrc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

function encode(record: JournalRecord, place: Place): Uint8Array {
  const bytes = new Uint8Array(recordBytes(record.content.payload.length));
  encodeRecord(record, { bytes, view: new DataView(bytes.buffer), at: 0 }, place);
  return bytes;
}

describe("CRC-32C", () => {
  it("has the check values of RFC 3720 B.4", () => {
    const check = (bytes: Uint8Array) => crc32c(bytes, 0, bytes.length).toString(16);
    expect(check(encodeUtf8("123456789"))).toBe("e3069283");
    expect(check(new Uint8Array(32))).toBe("8a9136aa");
    expect(check(new Uint8Array(32).fill(0xff))).toBe("62a8ab43");
    expect(check(Uint8Array.from({ length: 32 }, (_, at) => at))).toBe("46dd794e");
  });

  it("agrees with the definition at every length and alignment", () => {
    const random = new Random(1);
    const bytes = Uint8Array.from({ length: 80 }, () => random.nextInteger(0, 256));
    for (let start = 0; start < 12; start++) {
      for (let end = start; end <= bytes.length; end++) {
        expect(crc32c(bytes, start, end)).toBe(slowCrc32c(bytes.subarray(start, end)));
      }
    }
  });
});

describe("a record", () => {
  const place = { segment: 7, offset: 4096 };
  const record = {
    sequence: 2 ** 40 + 5,
    durableSequence: 2 ** 40,
    era: 255,
    content: makeEntry(9, 3, 33),
  };

  it("comes back as it was, with numbers up to 2^53", () => {
    const entries = [0, 1, 7, 8, 9, 1000].map((bytes) => makeEntry(2 ** 53 - 1, 2 ** 45, bytes));
    for (const entry of entries) {
      const bytes = encode({ ...record, content: entry }, place);
      expect(bytes.length % 8).toBe(0);
      expect(bytes.at(-1)).toBe(0xff);
      expect(decodeRecord(bytes, 0, place)).toEqual({
        kind: "record",
        record: { ...record, content: entry },
        bytes: bytes.length,
      });
    }
  });

  it("does not count in any other place", () => {
    const bytes = encode(record, place);
    for (const other of [
      { segment: 8, offset: 4096 },
      { segment: 7, offset: 4104 },
    ]) {
      expect(decodeRecord(bytes, 0, other).kind).toBe("broken");
    }
  });

  it("is told from zeros, from other bytes, and from one that is cut off", () => {
    const bytes = encode(record, place);
    expect(decodeRecord(new Uint8Array(200), 0, place).kind).toBe("noRecord");
    expect(decodeRecord(new Uint8Array(200).fill(0xff), 0, place).kind).toBe("noRecord");
    expect(decodeRecord(bytes.subarray(0, bytes.length - 1), 0, place).kind).toBe("broken");
    expect(decodeRecord(bytes.subarray(0, recordHeaderBytes - 1), 0, place).kind).toBe("noRecord");
  });

  it("says what it was where only its payload has changed, and nothing else", () => {
    const bytes = encode(record, place);
    const { index, term, kind } = record.content;
    const { sequence, durableSequence, era } = record;
    const header = { sequence, durableSequence, era, index, term, kind };
    for (let offset = 8; offset < bytes.length; offset++) {
      bytes[offset]! ^= 0x10;
      const decoded = decodeRecord(bytes, 0, place);
      const isInHeader = offset >= 12 && offset < recordHeaderBytes;
      expect(decoded).toEqual({
        kind: "broken",
        bytes: bytes.length,
        header: isInHeader ? undefined : header,
      });
      bytes[offset]! ^= 0x10;
    }
  });

  it("of a later format is refused, not cut", () => {
    const bytes = encode(record, place);
    bytes[13] = 2;
    const end = bytes.length;
    const seed = Math.imul(place.segment, 0x9e37_79b1) ^ place.offset;
    new DataView(bytes.buffer).setUint32(8, crc32c(bytes, 12, end, seed), true);
    expect(decodeRecord(bytes, 0, place).kind).toBe("unknownFormat");
  });

  it("has no sector's share of zeros wherever a sector boundary cuts it", () => {
    for (let offset = 0; offset < 512; offset += 8) {
      const small = { ...record, sequence: 1, durableSequence: 0, content: makeEntry(1, 1, 0) };
      const sectors = new Uint8Array(1024);
      sectors.set(encode(small, { segment: 1, offset }), offset);
      expect(hasUnwrittenSector(sectors, offset, offset + recordBytes(0))).toBe(false);
    }
  });
});

describe("zeros", () => {
  it("are found as by looking at each byte, at every alignment", () => {
    const random = new Random(3);
    for (let round = 0; round < 3000; round++) {
      const memory = new Uint8Array(20_000);
      const bytes = memory.subarray(random.nextInteger(0, 9));
      const start = random.nextInteger(0, 40);
      const end = random.nextInteger(start, round % 10 === 0 ? bytes.length : 200);
      for (let count = random.nextInteger(0, 3); count > 0 && end > start; count--) {
        bytes[random.nextInteger(start, end)] = random.nextInteger(0, 256);
      }
      const first = bytes.subarray(start, end).findIndex((byte) => byte !== 0);
      const last = bytes.subarray(start, end).findLastIndex((byte) => byte !== 0);
      expect(firstNonZero(bytes, start, end)).toBe(first === -1 ? end : start + first);
      expect(endOfNonZero(bytes, start, end)).toBe(last === -1 ? start : start + last + 1);
    }
  });
});
