// One changed byte in a value of a database, behind the back of everybody who uses it: what is left
// of a bad sector that no checksum has noticed. Not here: when, and what becomes of it.
import type { DatabaseSync } from "node:sqlite";
import type { Random } from "../base/random.ts";
import type { SqlValue } from "../io/database.ts";

/** A value with one byte changed. */
export interface Rot {
  readonly table: string;
  readonly column: string;
  /** The columns that say which row it is ("rowid", or the primary key), and their values. */
  readonly key: readonly string[];
  readonly keyValues: readonly SqlValue[];
  /** Bytes of the text or blob as they were and as they are. */
  readonly sound: Uint8Array;
  readonly rotten: Uint8Array;
  /** Where they differ. */
  readonly offset: number;
}

interface Column {
  readonly table: string;
  readonly column: string;
  readonly key: readonly string[];
}

/** Columns outside of keys of all tables, with the key of their table. */
const columnsSql = `
  SELECT t.name AS "table", c.name AS "column", CASE WHEN t.wr = 0 THEN '["rowid"]' ELSE (
      SELECT json_group_array(k.name ORDER BY k.pk) FROM pragma_table_info(t.name) AS k
      WHERE k.pk > 0
    ) END AS key
  FROM pragma_table_list AS t JOIN pragma_table_info(t.name) AS c
  WHERE t.schema = 'main' AND t.type = 'table' AND t.name <> 'sqlite_schema' AND c.pk = 0
  ORDER BY t.name, c.cid`;

const hasBytes = (column: string) =>
  `typeof("${column}") IN ('text', 'blob') AND octet_length("${column}") > 0`;

/**
 * Draws a table that has such a value, then the column, the row and the byte; undefined where there
 * is none. Nothing is changed yet.
 */
export function drawRot(database: DatabaseSync, random: Random): Rot | undefined {
  const columns = (database.prepare(columnsSql).all() as { [name: string]: string }[])
    .map((row) => ({ ...row, key: JSON.parse(row["key"] ?? "[]") }) as unknown as Column)
    .map((column) => ({ ...column, count: countOf(database, column) }))
    .filter(({ count }) => count > 0);
  if (columns.length === 0) return undefined;
  // The table first: the one with the messages has most columns, and the others matter as much.
  const table = drawOne(random, [...new Set(columns.map((candidate) => candidate.table))]);
  const column = drawOne(
    random,
    columns.filter((candidate) => candidate.table === table),
  );
  return drawByte(database, random, column);
}

function countOf(database: DatabaseSync, { table, column }: Column): number {
  const sql = `SELECT count(*) AS count FROM "${table}" WHERE ${hasBytes(column)}`;
  return Number(database.prepare(sql).get()?.["count"]);
}

function drawByte(
  database: DatabaseSync,
  random: Random,
  { table, column, key, count }: Column & { readonly count: number },
): Rot {
  const names = key.map((name) => `"${name}"`).join(", ");
  const statement = database.prepare(
    `SELECT CAST("${column}" AS BLOB), ${names} FROM "${table}" WHERE ${hasBytes(column)}
      ORDER BY ${names} LIMIT 1 OFFSET ?`,
  );
  statement.setReturnArrays(true);
  const row = statement.get(random.nextInteger(0, count)) as unknown as SqlValue[];
  const [sound, ...keyValues] = row as [Uint8Array, ...SqlValue[]];
  const rotten = sound.slice();
  const offset = random.nextInteger(0, rotten.length);
  // Seven bits: an ASCII character stays one, so that a text mostly stays a text.
  rotten[offset] = (rotten[offset] ?? 0) ^ (1 << random.nextInteger(0, 7));
  return { table, column, key, keyValues, sound, rotten, offset };
}

function drawOne<T>(random: Random, choices: readonly T[]): T {
  return choices[random.nextInteger(0, choices.length)] as T;
}

/** Makes it so. False: the row has another value, or the schema forbids this one. */
export function rotValue(database: DatabaseSync, rot: Rot): boolean {
  const { table, column, key, keyValues, sound, rotten } = rot;
  const where = key.map((name) => `"${name}" = ?`).join(" AND ");
  const statement = database.prepare(
    `UPDATE OR IGNORE "${table}"
      SET "${column}" = CASE typeof("${column}") WHEN 'text' THEN CAST(? AS TEXT) ELSE ? END
      WHERE ${where} AND CAST("${column}" AS BLOB) = ?`,
  );
  return statement.run(rotten, rotten, ...keyValues, sound).changes === 1;
}
