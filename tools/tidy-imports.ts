// Rules on who may import what (docs/ARCHITECTURE.md, the floors). The compiler refuses what a
// tsconfig does not reference at all; these rules refuse what is only referenced by way of another
// floor, and what is behind a door.
import {
  type Floor,
  type Problem,
  type Project,
  type ProjectFile,
  resolveImport,
} from "./tidy-project.ts";

/** Floors without a door: their files are imported directly. */
const floorsWithoutDoor = new Set(["base", "proto", "io"]);

/**
 * What the end-to-end tests may import: they see servers as a user does, as processes and through
 * the client. The simulator is among them for its workload and for the judges of what clients saw:
 * both are the same against real servers.
 */
const floorsForEndToEnd = new Set(["base", "proto", "client", "testing", "sim"]);

/** Every import that breaks a rule. */
export function checkImports(project: Project): Problem[] {
  return project.files.flatMap((file) =>
    importsOf(file).flatMap(({ specifier, line }) =>
      checkImport(project, file, specifier).map((message) => ({ path: file.path, line, message })),
    ),
  );
}

function importsOf(file: ProjectFile): { specifier: string; line: number }[] {
  return (file.source?.strings ?? [])
    .filter(({ before }) => /\b(from|import)\s*\(?\s*$/.test(before))
    .map(({ text, line }) => ({ specifier: text, line }));
}

function checkImport(project: Project, file: ProjectFile, specifier: string): string[] {
  const floor = project.floors.get(file.floor ?? "");
  if (!specifier.startsWith(".")) return checkPackage(file, floor, specifier);
  const messages: string[] = [];
  if (!/\.(ts|tsx|js|json|css)$/.test(specifier)) {
    messages.push(`"${specifier}" has no ending: import the file as it is called, "….ts"`);
  }
  const target = resolveImport(file, specifier);
  const targetFloor = /^src\/([^/]+)\//.exec(target)?.[1];
  if (targetFloor === undefined) {
    if (file.floor !== undefined && !target.startsWith("src/")) {
      messages.push(`"${specifier}" is outside of src: move what is needed to a floor below`);
    }
  } else if (targetFloor === file.floor) {
    if (target === `src/${targetFloor}/index.ts` && !file.isTest) {
      messages.push("a floor does not use its own door: import the file that has it");
    }
  } else {
    messages.push(...checkFloor(file, floor, targetFloor));
    messages.push(...checkDoor(file, target, targetFloor));
  }
  return messages;
}

function checkPackage(file: ProjectFile, floor: Floor | undefined, specifier: string): string[] {
  if (floor?.isPure !== true || file.isTest || !specifier.startsWith("node:")) return [];
  return [`"${specifier}" in a pure floor: use a port of src/io, which src/host fulfils`];
}

function checkFloor(file: ProjectFile, floor: Floor | undefined, target: string): string[] {
  if (file.path.startsWith("e2e/") && !floorsForEndToEnd.has(target)) {
    return [`e2e does not look into ${target}: start ./holdfast, or use src/client`];
  }
  if (floor === undefined || file.isTest || floor.references.has(target)) return [];
  return [
    `${floor.name} may not import ${target}: use what its tsconfig.json references ` +
      "(a new reference is a change of the architecture: docs/ARCHITECTURE.md)",
  ];
}

function checkDoor(file: ProjectFile, target: string, targetFloor: string): string[] {
  // Each implementation of a port runs the contract of the floor that owns it.
  if (file.isTest && target.endsWith(".contract.ts")) return [];
  if (floorsWithoutDoor.has(targetFloor) || target === `src/${targetFloor}/index.ts`) return [];
  return [`${target} is behind a door: import it from src/${targetFloor}/index.ts`];
}
