// What an SQLite database contains, as one sequence of bytes that does not depend on how its pages
// lie: two databases are equal where these bytes are, and a digest of a state is a digest of them.
// Not here: hashing, and any connection; both sides of the ports bring their own.
import { assert } from "./assert.ts";

/** What a column can hold. */
export type ContentValue = null | number | string | Uint8Array;

/** Runs a query without parameters and gives its rows, one after the other, as arrays. */
export type ContentQuery = (sql: string) => Iterable<readonly ContentValue[]>;

/** Bytes given at a time, or those of one row more. */
const pieceBytes = 64 * 1024;

/** What comes next. Values are followed by their bytes, texts and bytes by their length before. */
const tag = { null: 0, number: 1, text: 2, bytes: 3, schema: 4, rows: 5, end: 6 } as const;

/**
 * Everything that the schema says, and how it is meant to be read. Of an index that a constraint
 * makes there is no text: the table's has it.
 */
const schemaQueries = [
  "PRAGMA user_version",
  `SELECT type, name, tbl_name, sql FROM sqlite_schema
    WHERE sql IS NOT NULL ORDER BY type, name`,
];

/**
 * Every table that has rows of its own, and its key where it has no rowid. What a virtual table
 * keeps in its shadows lies as its history was, and can be made anew from other tables.
 */
const tablesQuery = `
  SELECT s.name, CASE WHEN l.wr = 0 THEN NULL ELSE (
      SELECT group_concat('"' || replace(c.name, '"', '""') || '"' ORDER BY c.pk)
      FROM pragma_table_info(s.name) AS c WHERE c.pk > 0
    ) END
  FROM sqlite_schema AS s JOIN pragma_table_list AS l ON l.name = s.name AND l.schema = 'main'
  WHERE s.type = 'table' AND l.type = 'table' ORDER BY s.name`;

/**
 * The schema and all rows of all tables in the order of rowids or primary keys, piece by piece.
 * A piece is good until the next one is asked for. Throws what the query throws.
 */
export function* contentsOf(query: ContentQuery): Generator<Uint8Array, void> {
  const piece = new Piece();
  for (const sql of schemaQueries) {
    piece.addTag(tag.schema);
    for (const row of query(sql)) piece.addRow(row);
  }
  for (const [name, key] of [...query(tablesQuery)]) {
    assert(typeof name === "string", "a table has a name");
    piece.addTag(tag.rows);
    piece.addRow([name]);
    const table = `"${name.replaceAll('"', '""')}"`;
    for (const row of query(`SELECT * FROM ${table} ORDER BY ${key ?? "rowid"}`)) {
      piece.addRow(row);
      if (piece.length >= pieceBytes) yield piece.take();
    }
  }
  piece.addTag(tag.end);
  yield piece.take();
}

/** Collects encoded values. */
class Piece {
  #bytes = new Uint8Array(2 * pieceBytes);
  #view = new DataView(this.#bytes.buffer);
  length = 0;

  addTag(value: number): void {
    this.#makeRoom(1);
    this.#bytes[this.length++] = value;
  }

  addRow(row: readonly ContentValue[]): void {
    for (const value of row) {
      if (typeof value === "number") this.#addNumber(value);
      else if (typeof value === "string") this.#addText(value);
      else if (value !== null) this.#addBytes(value);
      else this.addTag(tag.null);
    }
  }

  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.length);
    this.length = 0;
    return taken;
  }

  #addNumber(value: number): void {
    this.#makeRoom(9);
    this.#bytes[this.length] = tag.number;
    this.#view.setFloat64(this.length + 1, value, true);
    this.length += 9;
  }

  #addText(text: string): void {
    // A UTF-16 unit becomes three bytes at most.
    this.#makeRoom(5 + 3 * text.length);
    const { written } = encoder.encodeInto(text, this.#bytes.subarray(this.length + 5));
    this.#addHead(tag.text, written);
    this.length += written;
  }

  #addBytes(bytes: Uint8Array): void {
    this.#makeRoom(5 + bytes.length);
    this.#addHead(tag.bytes, bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  #addHead(kind: number, length: number): void {
    this.#bytes[this.length] = kind;
    this.#view.setUint32(this.length + 1, length, true);
    this.length += 5;
  }

  #makeRoom(bytes: number): void {
    if (this.length + bytes <= this.#bytes.length) return;
    const larger = new Uint8Array(2 * (this.length + bytes));
    larger.set(this.#bytes.subarray(0, this.length));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

// As in bytes.ts: the pure floors are compiled without a host, and every host has this.
declare const TextEncoder: {
  new (): { encodeInto(text: string, into: Uint8Array): { written: number } };
};
const encoder = new TextEncoder();
