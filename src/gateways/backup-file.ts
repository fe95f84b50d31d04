// A backup as bytes (docs/reference/backup.md): magic line, length-prefixed JSON header, a
// snapshot, SHA-256 of all before. Written and read piece by piece, so that its size does not
// matter. Where the bytes come from and go to is for the caller.
import { createHash } from "node:crypto";
import { concatBytes, decodeUtf8, encodeUtf8, toHex, toHex64 } from "../base/bytes.ts";

const magic = encodeUtf8("holdfast-backup 1\n");
const headerBytesMax = 1_048_576;
const digestBytes = 32;
/** Bytes of a snapshot that are read and handed on at once. */
export const backupPieceBytes = 262_144;

/** What a backup says of itself. */
export interface BackupHeader {
  readonly clusterId: bigint;
  readonly clusterName: string;
  /** The state is as it was after this entry. */
  readonly index: number;
  readonly term: number;
  /** As in a log entry. */
  readonly configuration: Uint8Array;
  /** Cluster time when it was taken, milliseconds since 1970. */
  readonly clusterTimeMs: number;
  /** Bytes of the snapshot. */
  readonly size: number;
  /** Of the snapshot's rows. */
  readonly digest: Uint8Array;
}

/** What is wrong with a backup: a sentence for the operator. */
export class BackupError extends Error {
  override name = "BackupError";
}

/**
 * The bytes of a backup, piece by piece. `read` answers the bytes of the snapshot at an offset, at
 * most so many; a snapshot that ends early is an error.
 */
export function* writeBackup(
  header: BackupHeader,
  read: (offset: number, length: number) => Uint8Array,
): Generator<Uint8Array> {
  const hash = createHash("sha256");
  const head = encodeHead(header);
  hash.update(head);
  yield head;
  for (let offset = 0; offset < header.size; ) {
    const piece = read(offset, Math.min(backupPieceBytes, header.size - offset));
    if (piece.length === 0) {
      throw new BackupError(`The snapshot ends after ${offset} of ${header.size} bytes.`);
    }
    hash.update(piece);
    offset += piece.length;
    yield piece;
  }
  yield hash.digest();
}

/**
 * Reads a backup that comes in pieces of any size: `take` answers what of each is the snapshot's,
 * `end` says whether all of it came. Both throw a BackupError. Nothing of a snapshot may be used
 * before `end` has returned.
 */
export class BackupReader {
  readonly #hash = createHash("sha256");
  /** Of the head or the trailer, whichever is being read. */
  #gathered: Uint8Array = new Uint8Array(0);
  #header: BackupHeader | undefined;
  #snapshotBytes = 0;

  /** Undefined until enough of the backup has come. */
  get header(): BackupHeader | undefined {
    return this.#header;
  }

  /** Takes the next bytes; answers those of them that are the snapshot's. */
  take(bytes: Uint8Array): Uint8Array {
    let rest = bytes;
    if (this.#header === undefined) {
      this.#gathered = concatBytes([this.#gathered, bytes]);
      const head = readHead(this.#gathered);
      if (head === undefined) return new Uint8Array(0);
      this.#header = head.header;
      this.#hash.update(this.#gathered.subarray(0, head.length));
      rest = this.#gathered.subarray(head.length);
      this.#gathered = new Uint8Array(0);
    }
    const snapshot = rest.subarray(0, this.#header.size - this.#snapshotBytes);
    this.#snapshotBytes += snapshot.length;
    this.#hash.update(snapshot);
    if (snapshot.length < rest.length) {
      this.#gathered = concatBytes([this.#gathered, rest.subarray(snapshot.length)]);
    }
    if (this.#gathered.length > digestBytes) {
      throw new BackupError("The file goes on behind the end of the backup.");
    }
    return snapshot;
  }

  /** No more comes. Answers the header of a backup that is whole. */
  end(): BackupHeader {
    if (this.#header === undefined) {
      throw new BackupError("The file ends before the header of the backup does.");
    }
    if (this.#gathered.length < digestBytes) {
      const { size } = this.#header;
      throw new BackupError(
        `The backup is cut short: ${this.#snapshotBytes} of ${size} bytes of its snapshot are ` +
          `there${this.#snapshotBytes === size ? ", but not its checksum" : ""}. Take it again.`,
      );
    }
    if (toHex(this.#hash.digest()) !== toHex(this.#gathered)) {
      throw new BackupError("The backup is damaged: its checksum does not fit its bytes.");
    }
    return this.#header;
  }
}

function encodeHead(header: BackupHeader): Uint8Array {
  const { clusterName, index, term, clusterTimeMs, size } = header;
  const json = encodeUtf8(
    JSON.stringify({
      clusterId: toHex64(header.clusterId),
      clusterName,
      index,
      term,
      configuration: Buffer.from(header.configuration).toString("base64"),
      clusterTimeMs,
      size,
      digest: toHex(header.digest),
    }),
  );
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, json.length);
  return concatBytes([magic, length, json]);
}

/** The header and how many bytes it takes with all before it; undefined while some are missing. */
function readHead(bytes: Uint8Array): { header: BackupHeader; length: number } | undefined {
  const compared = Math.min(bytes.length, magic.length);
  if (toHex(bytes.subarray(0, compared)) !== toHex(magic.subarray(0, compared))) {
    throw new BackupError("This is no backup of Holdfast, or one of a version unknown here.");
  }
  const jsonStart = magic.length + 4;
  if (bytes.length < jsonStart) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const jsonBytes = view.getUint32(magic.length);
  if (jsonBytes > headerBytesMax) throw damagedHeader();
  const length = jsonStart + jsonBytes;
  if (bytes.length < length) return undefined;
  return { header: parseHeader(bytes.subarray(jsonStart, length)), length };
}

function parseHeader(json: Uint8Array): BackupHeader {
  let fields: Record<string, unknown>;
  try {
    const parsed: unknown = JSON.parse(decodeUtf8(json) ?? "");
    if (typeof parsed !== "object" || parsed === null) throw damagedHeader();
    fields = parsed as Record<string, unknown>;
  } catch {
    throw damagedHeader();
  }
  const text = (name: string): string => {
    const value = fields[name];
    if (typeof value !== "string") throw damagedHeader();
    return value;
  };
  const count = (name: string): number => {
    const value = fields[name];
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
      throw damagedHeader();
    }
    return value;
  };
  const hex = (name: string): string => {
    if (!/^([0-9a-f]{2})*$/.test(text(name))) throw damagedHeader();
    return text(name);
  };
  return {
    clusterId: BigInt(`0x${hex("clusterId") || "0"}`),
    clusterName: text("clusterName"),
    index: count("index"),
    term: count("term"),
    configuration: Buffer.from(text("configuration"), "base64"),
    clusterTimeMs: count("clusterTimeMs"),
    size: count("size"),
    digest: Buffer.from(hex("digest"), "hex"),
  };
}

function damagedHeader(): BackupError {
  return new BackupError("The backup's header cannot be read: the file is damaged.");
}
