// Zeros on disk and what they tell. Segments are zero-filled before use and nothing in them is
// overwritten, so a sector that a crash kept from the disk is zero from the log's end on, and one
// that reached it is as written.
import { sectorBytes } from "./limits.ts";

const stepBytes = 4096;

/** Whether bytes [start, end) are all zero. */
export function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  return firstNonZero(bytes, start, end) === end;
}

/** Where the first byte in [start, end) is that is not zero; `end` where there is none. */
export function firstNonZero(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && ((bytes.byteOffset + at) & 7) !== 0) {
    if (bytes[at] !== 0) return at;
    at += 1;
  }
  const words = Math.max(0, Math.floor((end - at) / 8));
  if (words > 0) {
    const pairs = new Int32Array(bytes.buffer, bytes.byteOffset + at, words * 2);
    let pair = 0;
    while (pair < pairs.length && (pairs[pair]! | pairs[pair + 1]!) === 0) pair += 2;
    at += pair * 4;
  }
  while (at < end && bytes[at] === 0) at += 1;
  return at;
}

/** One past the last byte in [start, end) that is not zero; `start` where there is none. */
export function endOfNonZero(bytes: Uint8Array, start: number, end: number): number {
  let at = end;
  // In steps as long as they are zero, then byte by byte.
  while (at - stepBytes > start && isZero(bytes, at - stepBytes, at)) at -= stepBytes;
  while (at > start && bytes[at - 1] === 0) at -= 1;
  return at;
}

/**
 * Whether a crash can have kept a part of bytes [start, end) from the disk: some sector's share of
 * them is all zero. `bytes` begin at a sector boundary.
 */
export function hasUnwrittenSector(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; ) {
    const boundary = Math.min(end, endOfSector(at));
    if (isZero(bytes, at, boundary)) return true;
    at = boundary;
  }
  return false;
}

/** The end of the sector that holds this byte. */
function endOfSector(offset: number): number {
  return (Math.floor(offset / sectorBytes) + 1) * sectorBytes;
}
