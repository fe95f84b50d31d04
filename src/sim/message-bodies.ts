// What people write: each body unique and short to find in a trace, of drawn length, with letters
// of one to four bytes. Also what no server takes.
import type { Random } from "../base/random.ts";
import { bodyBytesMax } from "./workload-limits.ts";

/** How long bodies are. */
export interface BodySizes {
  readonly bodyBytes: number;
  readonly largeBodyShare: number;
}

const letters = ["a", "ß", "語", "🙂"];

/**
 * A body that begins with `tag`, which nobody else may use. A large one may have exactly as many
 * bytes as are allowed.
 */
export function drawBody(random: Random, tag: string, sizes: BodySizes): string {
  if (!random.nextBoolean(sizes.largeBodyShare)) {
    return fill(random, tag, random.nextInteger(0, sizes.bodyBytes));
  }
  const bytes = random.nextBoolean(0.2) ? bodyBytesMax : random.nextInteger(0, bodyBytesMax);
  return fill(random, tag, bytes);
}

/** Bodies that are refused whatever else is right. */
export function drawRefusedBody(random: Random, tag: string): string {
  switch (random.nextInteger(0, 4)) {
    case 0:
      return "";
    case 1:
      return `${tag} `.padEnd(bodyBytesMax + random.nextInteger(1, 100), "x");
    case 2:
      // Fits in characters, not in bytes.
      return `${tag} ${"語".repeat(Math.ceil(bodyBytesMax / 3))}`;
    default:
      return `${tag} \u0007`;
  }
}

/** `tag` and filling, of so many bytes together; the tag alone where that is as long. */
function fill(random: Random, tag: string, bytes: number): string {
  const letter = letters[random.nextInteger(0, letters.length)] as string;
  const start = `${tag}${random.nextBoolean(0.1) ? "\n" : " "}`;
  const rest = bytes - start.length;
  if (rest <= 0) return tag;
  const letterBytes = Buffer.byteLength(letter);
  return start + letter.repeat(Math.floor(rest / letterBytes)) + "-".repeat(rest % letterBytes);
}
