// Rot: changes single bytes of files as a bad disk would, behind the back of whoever owns them.
import { closeSync, fstatSync, openSync, readFileSync, readSync, writeSync } from "node:fs";

/** Where in a file, by its length or by the part of it that is in use. */
export type Place = "first" | "middle" | "last";

/** Turns all bits of one byte. */
export function rotByte(path: string, offset: number): void {
  const file = openSync(path, "r+");
  try {
    const byte = Buffer.alloc(1);
    if (readSync(file, byte, 0, 1, offset) !== 1) {
      throw new Error(`${path} has ${fstatSync(file).size} bytes, none at ${offset}`);
    }
    byte[0]! ^= 0xff;
    writeSync(file, byte, 0, 1, offset);
  } finally {
    closeSync(file);
  }
}

/** The same in the part of a file that ends with the last byte that is not zero. */
export function rotUsedByte(path: string, place: Place): void {
  const used = readFileSync(path).findLastIndex((byte) => byte !== 0) + 1;
  if (used === 0) throw new Error(`${path} is empty`);
  const offsets = { first: 0, middle: Math.floor(used / 2), last: used - 1 };
  rotByte(path, offsets[place]);
}

/** Changes the first letter of this text wherever a file has it; throws where it does not. */
export function rotText(path: string, text: string): void {
  const bytes = readFileSync(path);
  const offsets: number[] = [];
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) offsets.push(at);
  if (offsets.length === 0) throw new Error(`${path} does not contain "${text}"`);
  const file = openSync(path, "r+");
  try {
    for (const offset of offsets) writeSync(file, "X", offset);
  } finally {
    closeSync(file);
  }
}
