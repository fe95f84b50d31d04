// Rules on the shape of files: length, opening comment, doc comments, names, words that must not
// stay. What the formatter and the linter see already is not repeated here.
import type { Problem, Project, ProjectFile } from "./tidy-project.ts";

const lineColumnsMax = 100;
const fileLinesMax = 500;
const headerLinesMax = 6;

/** Words that say nothing about what is in a file. */
const bannedNames = new Set("util utils helper helpers common misc manager managers".split(" "));

/** Put together here, so that this file does not break its own rule. */
const bannedMarks = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "X" + "XX"].join("|")})\\b`);

/** Folders of one machine; what a server has, such as /var/lib, may be written about. */
const machinePath = new RegExp(
  `(?<![\\w./-])/(${["home", "root", "work", "Users", "farm"].join("|")})/\\w`,
);

/** Floors whose README a newcomer reads first, and its sections. */
const floorsWithReadme = ["raft", "storage", "chat", "replica", "client"];
const readmeSections = ["Purpose", "Start here", "Invariants", "Why it is so", "Not here"];

/** Everything about the text of files. */
export function checkText(project: Project): Problem[] {
  return [
    ...project.files.flatMap((file) => [
      ...checkLength(file),
      ...checkName(project, file),
      ...checkHeader(file),
      ...checkDocs(file),
      ...checkWords(file),
    ]),
    ...checkFloors(project),
    ...checkReadmes(project),
  ];
}

function checkLength(file: ProjectFile): Problem[] {
  if (!/\.(tsx?|proto|mjs)$/.test(file.path)) return [];
  const problems = findLines(file, (text) => {
    const columns = [...text].length;
    // A link and a test's title cannot be broken.
    if (columns <= lineColumnsMax || /https?:\/\/\S{60,}/.test(text)) return undefined;
    if (file.isTest && /^\s*(test|describe|expect)\b/.test(text)) return undefined;
    return `${columns} columns: break the line at ${lineColumnsMax}`;
  });
  if (file.lines.length > fileLinesMax) {
    const message =
      `${file.lines.length} lines, at most ${fileLinesMax} are allowed: ` +
      "find the two things in it and give each a file";
    problems.push({ path: file.path, line: fileLinesMax + 1, message });
  }
  return problems;
}

function checkName(project: Project, file: ProjectFile): Problem[] {
  const message = findNameProblem(file) ?? findOrphan(project, file);
  return message === undefined ? [] : [{ path: file.path, line: 1, message }];
}

function findNameProblem(file: ProjectFile): string | undefined {
  if (file.source === undefined) return undefined;
  const name = file.path.split("/").at(-1)!;
  if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*\.tsx?$/.test(name)) {
    return `"${name}": write file names in kebab-case, as in raft-log.ts`;
  }
  const banned = file.path.split(/[/.-]/).find((word) => bannedNames.has(word));
  if (banned !== undefined) {
    return `"${banned}" says nothing: name the file after the main thing in it`;
  }
  return undefined;
}

/** A test is beside the file that it is named after, or at least beside one that it imports. */
function findOrphan(project: Project, file: ProjectFile): string | undefined {
  const subject = /^(src\/.*\/[^/.]+)(\..+)?\.test\.tsx?$/.exec(file.path)?.[1];
  if (subject === undefined || importsFromBeside(file)) return undefined;
  const isNamed = project.files.some(({ path }) =>
    [`${subject}.ts`, `${subject}.tsx`].includes(path),
  );
  return isNamed ? undefined : "tests nothing in its folder: put it beside the file that it tests";
}

function importsFromBeside(file: ProjectFile): boolean {
  return file.source!.strings.some(
    ({ text, before }) => text.startsWith("./") && /\b(from|import|URL)\s*\(?\s*$/.test(before),
  );
}

function checkHeader(file: ProjectFile): Problem[] {
  if (file.source === undefined) return [];
  const lines = file.lines[0]?.startsWith("#!") === true ? file.lines.slice(1) : file.lines;
  const end = lines.findIndex((line) => !line.startsWith("//"));
  const count = end === -1 ? lines.length : end;
  if (count >= 1 && count <= headerLinesMax) return [];
  const message =
    count === 0
      ? "no opening comment: say in two to six lines what the file is for and what it does not do"
      : `opening comment of ${count} lines: say it in six, or in the README`;
  return [{ path: file.path, line: 1, message }];
}

const exportPattern = new RegExp(
  "^export (?:declare )?(?:abstract |async )*" +
    "(?:function\\*?|class|const|let|interface|type|enum) ([\\w$]+)",
);

function checkDocs(file: ProjectFile): Problem[] {
  if (file.source === undefined || /\.(test|test-support)\.ts$/.test(file.path)) return [];
  const documented = new Set<string>();
  return findLines(file, (text, index) => {
    const name = exportPattern.exec(text)?.[1];
    if (name === undefined || documented.has(name)) return undefined;
    documented.add(name);
    if (file.lines[index - 1]?.trimEnd().endsWith("*/") === true) return undefined;
    return `${name} is exported without a doc comment: say what it is above it, as /** … */`;
  });
}

function checkWords(file: ProjectFile): Problem[] {
  if (!/\.(tsx?|proto|md|json|ya?ml|toml|sh)$/.test(file.path)) return [];
  const isCode = !/\.(md|json)$/.test(file.path);
  return findLines(file, (text) => {
    const path = machinePath.exec(text)?.[0];
    if (path !== undefined) return `"${path}…" exists on one machine: write a relative path`;
    const mark = isCode ? bannedMarks.exec(text)?.[0] : undefined;
    return mark && `${mark} does not stay in the tree: do it, or open an issue`;
  });
}

function checkFloors(project: Project): Problem[] {
  const problems: Problem[] = [];
  const floors = new Set(
    project.files.map((file) => file.floor).filter((name) => name !== undefined),
  );
  for (const name of floors) {
    const path = `src/${name}/tsconfig.json`;
    if (!project.floors.has(name)) {
      const message = `src/${name} is not compiled: add ${path} and a reference in tsconfig.json`;
      problems.push({ path, line: 1, message });
    } else if (!project.built.has(name)) {
      const message = `src/${name} is not built: add a reference to it in tsconfig.json`;
      problems.push({ path: "tsconfig.json", line: 1, message });
    }
  }
  return problems;
}

function checkReadmes(project: Project): Problem[] {
  const problems: Problem[] = [];
  for (const name of floorsWithReadme.filter((each) => project.floors.has(each))) {
    const path = `src/${name}/README.md`;
    const readme = project.files.find((file) => file.path === path);
    const missing = readmeSections.filter(
      (section) =>
        readme?.lines.some((line) => line.startsWith("#") && line.endsWith(` ${section}`)) !== true,
    );
    if (missing.length === 0) continue;
    const message = `has no section ${missing.map((section) => `"## ${section}"`).join(", ")}`;
    problems.push({ path, line: 1, message: `${message}: write it, one page in all` });
  }
  return problems;
}

function findLines(
  file: ProjectFile,
  find: (text: string, index: number) => string | undefined,
): Problem[] {
  const problems: Problem[] = [];
  for (const [index, text] of file.lines.entries()) {
    const message = find(text, index);
    if (message !== undefined) problems.push({ path: file.path, line: index + 1, message });
  }
  return problems;
}
