// The project as the rules of tidy see it: its files as texts, and its floors as their tsconfig
// files state them. Reads no disk, so that a test can make a project of three lines.
import { dirname, posix } from "node:path";
import { readSource, type SourceText } from "./source-text.ts";

/** Something that a rule found. */
export interface Problem {
  /** From the project's root, with slashes. */
  readonly path: string;
  /** Counted from 1. */
  readonly line: number;
  /** What is wrong and what to write instead. */
  readonly message: string;
}

/** One file. */
export interface ProjectFile {
  /** From the project's root, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
  /** The folder below src that it is in, or undefined. */
  readonly floor: string | undefined;
  /** Tests, contracts and what supports them: they may use what the floor itself may not. */
  readonly isTest: boolean;
  /** TypeScript only. */
  readonly source: SourceText | undefined;
}

/** A folder below src. */
export interface Floor {
  readonly name: string;
  /** The floors that its tsconfig references directly. */
  readonly references: ReadonlySet<string>;
  /**
   * Compiled without Node and without a browser, so that the simulator can run it: no clock, no
   * chance.
   */
  readonly isPure: boolean;
}

/** All that the rules look at. */
export interface Project {
  readonly files: readonly ProjectFile[];
  readonly floors: ReadonlyMap<string, Floor>;
  /** The floors that the root tsconfig builds. */
  readonly built: ReadonlySet<string>;
}

interface TsConfig {
  readonly compilerOptions?: {
    readonly types?: readonly string[];
    readonly lib?: readonly string[];
  };
  readonly references?: readonly { readonly path: string }[];
}

/** Makes a project of texts by path. Generated files are left out. */
export function readProject(texts: ReadonlyMap<string, string>): Project {
  const files: ProjectFile[] = [];
  const floors = new Map<string, Floor>();
  for (const [path, text] of texts) {
    if (path.startsWith("src/proto/gen/")) continue;
    files.push(readFile(path, text));
    const floor = /^src\/([^/]+)\/tsconfig\.json$/.exec(path)?.[1];
    if (floor !== undefined) floors.set(floor, readFloor(floor, JSON.parse(text)));
  }
  const root: TsConfig = JSON.parse(texts.get("tsconfig.json") ?? "{}");
  const built = new Set(root.references?.map((reference) => posix.basename(reference.path)));
  return { files, floors, built };
}

/** The path that a relative import in a file points to, from the project's root. */
export function resolveImport(file: ProjectFile, specifier: string): string {
  return posix.normalize(posix.join(dirname(file.path), specifier));
}

function readFile(path: string, text: string): ProjectFile {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return {
    path,
    text,
    lines,
    floor: /^src\/([^/]+)\//.exec(path)?.[1],
    isTest: /\.(test|test-support|contract)\.tsx?$/.test(path),
    source: /\.tsx?$/.test(path) ? readSource(text) : undefined,
  };
}

function readFloor(name: string, config: TsConfig): Floor {
  const { types = [], lib = [] } = config.compilerOptions ?? {};
  return {
    name,
    references: new Set(config.references?.map((reference) => posix.basename(reference.path))),
    isPure: types.length === 0 && !lib.some((each) => each.startsWith("dom")),
  };
}
