// What is known of a snapshot, as a small checksummed file of its own. Not here: which file says
// what of which snapshot (snapshot-store.ts).
//
// 0 u32 magic, 4 u32 CRC-32C from 8 on, 8 u32 format, 12 u32 bytes of the configuration, 16 u64
// index, 24 u64 term, 32 u64 size, 40 u32 number of CRCs, 44 the digest's 32 bytes, 76 the
// configuration, then the CRCs.
import { assert } from "../base/assert.ts";
import type { Disk } from "../io/disk.ts";
import { crc32c } from "./crc32c.ts";
import type { LogIndex, Term } from "./types.ts";

const magic = 0x5350_4648;
const format = 1;
const headerBytes = 76;
const digestAt = 44;
const digestBytes = 32;
const twoTo32 = 0x1_0000_0000;

/** What is known of a whole snapshot. */
export interface SnapshotFacts {
  /** The last entry in it, and that entry's term. */
  readonly index: LogIndex;
  readonly term: Term;
  /** As of that entry; opaque here. */
  readonly configuration: Uint8Array;
  /** Bytes of the file. */
  readonly size: number;
  /** 32 bytes that say what is in it. */
  readonly digest: Uint8Array;
}

/** Facts and the CRC-32C of each piece of the file; no CRCs where they are not known. */
export interface FactsFile {
  readonly facts: SnapshotFacts;
  readonly crcs: Uint32Array;
}

/** Writes the file and syncs it; its name is durable with the next folder sync. Throws. */
export function writeFacts(disk: Disk, name: string, { facts, crcs }: FactsFile): void {
  const { index, term, configuration, size, digest } = facts;
  assert(digest.length === digestBytes, `a digest of ${digest.length} bytes`);
  const crcsAt = headerBytes + configuration.length;
  const bytes = new Uint8Array(crcsAt + crcs.length * 4);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, true);
  view.setUint32(8, format, true);
  view.setUint32(12, configuration.length, true);
  for (const [at, value] of [index, term, size].entries()) {
    view.setUint32(16 + at * 8, value % twoTo32, true);
    view.setUint32(20 + at * 8, Math.floor(value / twoTo32), true);
  }
  view.setUint32(40, crcs.length, true);
  bytes.set(digest, digestAt);
  bytes.set(configuration, headerBytes);
  for (const [at, crc] of crcs.entries()) view.setUint32(crcsAt + at * 4, crc, true);
  view.setUint32(4, crc32c(bytes, 8, bytes.length), true);
  const file = disk.open(name, { create: true });
  try {
    // In this order: to write what is there already harms nothing, even when it is cut short.
    file.write(0, bytes);
    file.truncate(bytes.length);
    file.syncNow();
  } finally {
    file.close();
  }
}

/** What the file says; undefined where it is not there, or not as it was written. Throws. */
export function readFacts(disk: Disk, name: string): FactsFile | undefined {
  if (!disk.exists(name)) return undefined;
  const file = disk.open(name, { create: false });
  try {
    return decodeFacts(file.read(0, file.size()));
  } finally {
    file.close();
  }
}

function decodeFacts(bytes: Uint8Array): FactsFile | undefined {
  if (bytes.length < headerBytes) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== magic || view.getUint32(8, true) !== format) return undefined;
  if (view.getUint32(4, true) !== crc32c(bytes, 8, bytes.length)) return undefined;
  const number = (at: number) => view.getUint32(at, true) + view.getUint32(at + 4, true) * twoTo32;
  const crcsAt = headerBytes + view.getUint32(12, true);
  const crcs = new Uint32Array(view.getUint32(40, true));
  if (crcsAt + crcs.length * 4 !== bytes.length) return undefined;
  for (let at = 0; at < crcs.length; at++) crcs[at] = view.getUint32(crcsAt + at * 4, true);
  const facts = {
    index: number(16),
    term: number(24),
    size: number(32),
    digest: bytes.slice(digestAt, digestAt + digestBytes),
    configuration: bytes.slice(headerBytes, crcsAt),
  };
  return { facts, crcs };
}
