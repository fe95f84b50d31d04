// Finds the known name that somebody most likely meant. For messages only; nothing is ever
// corrected silently.
import { closest } from "fastest-levenshtein";

/** The known name with the fewest letters' difference; undefined where none is known. */
export function nearestName(unknown: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  return closest(unknown.toLowerCase(), [...known]);
}

/** "unknown <what> `x`; the nearest known one is `y`", as every refusal of a key says it. */
export function unknownName(what: string, unknown: string, known: readonly string[]): string {
  const nearest = nearestName(unknown, known);
  const hint = nearest === undefined ? "" : `; the nearest known one is \`${nearest}\``;
  return `unknown ${what} \`${unknown}\`${hint}`;
}
