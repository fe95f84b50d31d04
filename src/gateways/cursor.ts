// Cursors: where a client resumes. Opaque to clients; inside, the cluster's id and a position in
// its log. Whether a position lies in the future is for the caller to judge.
import { toHex64 } from "../base/bytes.ts";

/** Bytes of every cursor: 8 of the cluster's id, 8 of the position, both big-endian. */
export const cursorBytes = 16;

/** A decoded cursor. */
export interface Cursor {
  /** 16 hexadecimal digits. */
  readonly clusterId: string;
  readonly position: number;
}

/** The bytes that a client keeps. `clusterId` must be 16 hexadecimal digits. */
export function encodeCursor(cursor: Cursor): Uint8Array {
  const bytes = new Uint8Array(cursorBytes);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(`0x${cursor.clusterId}`));
  view.setBigUint64(8, BigInt(cursor.position));
  return bytes;
}

/**
 * What the bytes stand for, or undefined where they are not of the form that encodeCursor makes.
 */
export function decodeCursor(bytes: Uint8Array): Cursor | undefined {
  if (bytes.length !== cursorBytes) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, cursorBytes);
  const position = view.getBigUint64(8);
  if (position > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  const clusterId = toHex64(view.getBigUint64(0));
  return { clusterId, position: Number(position) };
}
