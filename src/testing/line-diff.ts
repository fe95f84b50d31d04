// A diff of two short texts by lines, for people who read a failed test. Quadratic; not for large
// files.

/** Above this many lines a side the texts are shown one after the other instead of as a diff. */
const diffLinesMax = 2000;

/** The lines of both texts: `-` only expected, `+` only there, neither in both. */
export function formatDiff(texts: { readonly expected: string; readonly actual: string }): string {
  const expected = toLines(texts.expected);
  const actual = toLines(texts.actual);
  if (expected.length > diffLinesMax || actual.length > diffLinesMax) {
    return [...expected.map((line) => `- ${line}`), ...actual.map((line) => `+ ${line}`)].join(
      "\n",
    );
  }
  const common = commonLengths(expected, actual);
  const lines: string[] = [];
  let i = 0;
  let j = 0;
  while (i < expected.length || j < actual.length) {
    if (i < expected.length && j < actual.length && expected[i] === actual[j]) {
      lines.push(`  ${expected[i]}`);
      i += 1;
      j += 1;
    } else if (
      j === actual.length ||
      (i < expected.length && at(common, i + 1, j) >= at(common, i, j + 1))
    ) {
      lines.push(`- ${expected[i]}`);
      i += 1;
    } else {
      lines.push(`+ ${actual[j]}`);
      j += 1;
    }
  }
  return lines.join("\n");
}

/**
 * Element [i][j]: how many lines the rests of both texts from i and j on have in common, in order.
 */
function commonLengths(expected: readonly string[], actual: readonly string[]): Uint16Array[] {
  const table = Array.from(
    { length: expected.length + 1 },
    () => new Uint16Array(actual.length + 1),
  );
  for (let i = expected.length - 1; i >= 0; i -= 1) {
    for (let j = actual.length - 1; j >= 0; j -= 1) {
      const row = table[i]!;
      row[j] =
        expected[i] === actual[j]
          ? at(table, i + 1, j + 1) + 1
          : Math.max(at(table, i + 1, j), at(table, i, j + 1));
    }
  }
  return table;
}

function at(table: readonly Uint16Array[], i: number, j: number): number {
  return table[i]?.[j] ?? 0;
}

function toLines(text: string): string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}
