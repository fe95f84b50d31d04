// Places in a log whose entries hold several things each, as one number.
// Knows nothing of what the things are.
import type { Brand } from "./brand.ts";

/**
 * A command's place in the log: entry index × 2^12 + its ordinal in the entry. Rises strictly from
 * command to command, with gaps. Fits a double up to index 2^41.
 */
export type Position = Brand<number, "Position">;

/** Commands that one entry may hold; the ordinal's range in a Position. */
export const commandsPerEntryMax = 4096;

/** The position of the command with this ordinal in the entry with this index. */
export function positionOf(index: number, ordinal: number): Position {
  return index * commandsPerEntryMax + ordinal;
}
