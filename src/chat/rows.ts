// Typed access to the columns of a row. A column of another type than the schema says is a bug or a
// damaged file: it throws, it is never coerced.
import { assert } from "../base/assert.ts";
import type { SqlRow } from "../io/database.ts";

/** The integer in a column. */
export function integer(row: SqlRow | undefined, column: string): number {
  const value = row?.[column];
  assert(typeof value === "number", `column ${column} holds no integer`);
  return value;
}

/** The text in a column. */
export function text(row: SqlRow | undefined, column: string): string {
  const value = row?.[column];
  assert(typeof value === "string", `column ${column} holds no text`);
  return value;
}

/** The bytes in a column. */
export function bytes(row: SqlRow | undefined, column: string): Uint8Array {
  const value = row?.[column];
  assert(value instanceof Uint8Array, `column ${column} holds no bytes`);
  return value;
}
