// Rules for the floors that every replica must run with the same outcome (docs/ARCHITECTURE.md,
// Invariants): no clock, no chance, no locale, and no SQL whose answer depends on the machine or on
// the order of rows on disk.
import type { Problem, Project, ProjectFile } from "./tidy-project.ts";

interface Ban {
  readonly pattern: RegExp;
  readonly message: string;
}

const bannedCode: readonly Ban[] = [
  {
    pattern: /(?<![.\w])Date\b/g,
    message: "Date in a pure floor: take Clock of src/io/clock.ts, or the entry's timestampMs",
  },
  {
    pattern: /\bMath\s*\.\s*random\b/g,
    message: "Math.random in a pure floor: take Random of src/base/random.ts with a given seed",
  },
  {
    pattern: /(?<![.\w])performance\b/g,
    message: "performance in a pure floor: take Clock.monotonicMs of src/io/clock.ts",
  },
  {
    pattern: /(?<![.\w])crypto\b/g,
    message: "crypto in a pure floor: take the random bytes as an argument or from the command",
  },
  {
    pattern: /\.\s*toLocale\w*/g,
    message: "the machine's locale in a pure floor: use toUpperCase, toLowerCase or toString",
  },
  {
    pattern: /\.\s*localeCompare\b/g,
    message: "the machine's locale in a pure floor: compare with < and >",
  },
  {
    pattern: /(?<![.\w])Intl\b/g,
    message: "the machine's locale in a pure floor: format in the client or the gateway",
  },
];

const bannedSql: readonly Ban[] = [
  {
    pattern: /\brandom(blob)?\s*\(/gi,
    message: "random() in SQL: draw the value before the log and pass it as a parameter",
  },
  {
    pattern: /\bcurrent_(timestamp|date|time)\b/gi,
    message: "the machine's time in SQL: pass the entry's timestampMs as a parameter",
  },
  {
    pattern: /\b(datetime|date|time|julianday|unixepoch|strftime)\s*\([^)]*'now'/gi,
    message: "the machine's time in SQL: pass the entry's timestampMs as a parameter",
  },
  {
    pattern: /\bunixepoch\s*\(\s*\)/gi,
    message: "the machine's time in SQL: pass the entry's timestampMs as a parameter",
  },
];

const sqlPattern = /^\s*(SELECT|INSERT|UPDATE|DELETE|REPLACE|CREATE|WITH|ALTER|DROP)\b/i;

/**
 * Queries that have exactly one row whatever the order: a plain aggregate, or whether there is any
 * row.
 */
const oneRowPattern = /^\s*SELECT\s+(count|sum|total|min|max|avg|exists|not exists)\s*\(/i;

/** Every place where two replicas could come to differ. */
export function checkDeterminism(project: Project): Problem[] {
  return project.files
    .filter((file) => !file.isTest && project.floors.get(file.floor ?? "")?.isPure === true)
    .flatMap((file) => [...checkCode(file), ...checkSql(file)]);
}

function checkCode(file: ProjectFile): Problem[] {
  const lines = (file.source?.code ?? "").split("\n");
  return lines.flatMap((text, index) =>
    bannedCode
      .filter(({ pattern }) => text.search(pattern) !== -1)
      .map(({ message }) => ({ path: file.path, line: index + 1, message })),
  );
}

function checkSql(file: ProjectFile): Problem[] {
  const statements = joinTemplates(file);
  return statements.flatMap(({ text, line }) => {
    const problems = bannedSql
      .filter(({ pattern }) => text.search(pattern) !== -1)
      .map(({ message }) => ({ path: file.path, line, message }));
    const isUnordered =
      file.floor === "chat" &&
      /\bSELECT\b/i.test(text) &&
      !/\bORDER\s+BY\b/i.test(text) &&
      !(oneRowPattern.test(text) && !/\bGROUP\s+BY\b/i.test(text));
    if (isUnordered) {
      problems.push({
        path: file.path,
        line,
        message:
          "SELECT without ORDER BY: add one, by a unique key at the end (aggregates need none)",
      });
    }
    return problems;
  });
}

/** The texts that begin like SQL, the pieces of a template joined again. */
function joinTemplates(file: ProjectFile): { text: string; line: number }[] {
  const joined: { text: string; line: number }[] = [];
  let isSql = false;
  for (const { text, line, isContinued } of file.source?.strings ?? []) {
    const last = joined.at(-1);
    if (isContinued && isSql && last !== undefined) {
      last.text += ` ${text}`;
      continue;
    }
    if (!isContinued) isSql = sqlPattern.test(text);
    if (isSql) joined.push({ text, line });
  }
  return joined;
}
