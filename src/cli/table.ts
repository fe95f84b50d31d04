// Tables and lists as text. Pure.

/** Which side of its column a cell stands on. */
export type Align = "left" | "right";

/** A column's head and its alignment. */
export interface Column {
  readonly head: string;
  readonly align: Align;
}

/** Rows under their heads, two spaces between columns, no trailing spaces. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string {
  const widths = columns.map((column, i) =>
    Math.max(textWidth(column.head), ...rows.map((row) => textWidth(row[i] ?? ""))),
  );
  const lines = [columns.map((column) => column.head), ...rows].map((row) =>
    columns
      .map((column, i) => {
        const cell = row[i] ?? "";
        const padding = " ".repeat(widths[i]! - textWidth(cell));
        return column.align === "left" ? cell + padding : padding + cell;
      })
      .join("  ")
      .trimEnd(),
  );
  return lines.join("\n");
}

/** Code points of a text, which is near enough to the columns that it takes. */
export function textWidth(text: string): number {
  return [...text].length;
}

/** "1.4 GiB" and the like; for people, so three digits are enough. */
export function formatBytes(bytes: number | bigint): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = Number(bytes);
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** "120 ms", "3.4 s", "12 min" and the like. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return `${Math.round(ms / 3_600_000)} h`;
}
