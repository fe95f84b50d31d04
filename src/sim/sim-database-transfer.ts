// Moves a database that was a file into one that is memory through and through: of the former
// SQLite's `serialize` gives only what was committed, and a simulated database never commits what a
// power failure may take. Not here: what the bytes are.
import type { DatabaseSync } from "node:sqlite";
import { assert } from "../base/assert.ts";
import type { SqlValue } from "../io/database.ts";

interface Table {
  readonly name: string;
  readonly sql: string;
  readonly hasRowid: boolean;
}

const tablesSql = `
  SELECT s.name, s.sql, l.wr = 0 AS hasRowid, l.type
  FROM sqlite_schema AS s JOIN pragma_table_list AS l ON l.name = s.name AND l.schema = 'main'
  WHERE s.type = 'table' ORDER BY s.rowid`;

/** Brings everything into an empty database. Throws as SQLite does where the source is damaged. */
export function transfer(source: DatabaseSync, target: DatabaseSync): void {
  const { user_version: version } = source.prepare("PRAGMA user_version").get() ?? {};
  const tables = source.prepare(tablesSql).all() as unknown as (Table & { type: string })[];
  target.exec("PRAGMA foreign_keys = OFF; BEGIN");
  for (const table of tables) {
    assert(table.type === "table", "virtual tables are not known here");
    target.exec(table.sql);
    transferRows(source, target, table);
  }
  const others = source.prepare(
    "SELECT sql FROM sqlite_schema WHERE type <> 'table' AND sql IS NOT NULL ORDER BY rowid",
  );
  for (const { sql } of others.all()) target.exec(String(sql));
  target.exec(`PRAGMA user_version = ${version}; COMMIT; PRAGMA foreign_keys = ON`);
}

function transferRows(source: DatabaseSync, target: DatabaseSync, table: Table): void {
  const { name, hasRowid } = table;
  const columns = source.prepare("SELECT name FROM pragma_table_info(?) ORDER BY cid").all(name);
  const names = columns.map((column) => `"${column["name"]}"`);
  if (hasRowid) names.unshift("rowid");
  const rows = source.prepare(`SELECT ${names.join(", ")} FROM "${name}"`);
  rows.setReturnArrays(true);
  rows.setReadBigInts(true);
  const places = names.map(() => "?").join(", ");
  const insert = target.prepare(`INSERT INTO "${name}" (${names.join(", ")}) VALUES (${places})`);
  for (const row of rows.iterate() as unknown as Iterable<SqlValue[]>) insert.run(...row);
}
