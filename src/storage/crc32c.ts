// CRC-32C (Castagnoli; RFC 3720 appendix B.4), eight bytes a step by eight tables (slicing-by-8).
// In plain TypeScript since this floor has no host, and a host's zlib only knows the other CRC-32.

const polynomialReflected = 0x82f63b78;
const tables = makeTables();

/** Eight tables of 256, one behind the other: table k advances a byte by k further zero bytes. */
function makeTables(): Int32Array {
  const made = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc & 1) === 1 ? (crc >>> 1) ^ polynomialReflected : crc >>> 1;
    }
    made[byte] = crc;
  }
  for (let at = 256; at < made.length; at++) {
    const previous = made[at - 256]!;
    made[at] = (previous >>> 8) ^ made[previous & 0xff]!;
  }
  return made;
}

/**
 * The checksum of bytes [start, end) as an unsigned integer. A `seed` other than 0 gives another
 * checksum of the same bytes, so that bytes in the wrong place can be told from those in the right
 * one.
 */
export function crc32c(bytes: Uint8Array, start: number, end: number, seed = 0): number {
  const t = tables;
  let crc = ~seed;
  let at = start;
  for (const wordsEnd = end - 7; at < wordsEnd; at += 8) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc =
      t[1792 + (crc & 0xff)]! ^
      t[1536 + ((crc >>> 8) & 0xff)]! ^
      t[1280 + ((crc >>> 16) & 0xff)]! ^
      t[1024 + (crc >>> 24)]! ^
      t[768 + bytes[at + 4]!]! ^
      t[512 + bytes[at + 5]!]! ^
      t[256 + bytes[at + 6]!]! ^
      t[bytes[at + 7]!]!;
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ t[(crc ^ bytes[at]!) & 0xff]!;
  return ~crc >>> 0;
}
