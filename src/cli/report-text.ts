// Bits of text in what commands tell operators of data folders. Pure.
import { printable } from "./item-text.ts";

/**
 * A time in milliseconds since 1970, to the second, in UTC, since servers may stand in several time
 * zones; "an unknown time" for 0.
 */
export function formatTime(ms: number): string {
  if (ms <= 0 || ms > 8.64e15) return "an unknown time";
  return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** A message's body on one line, without anything that could move the cursor. */
export function oneLine(body: string): string {
  return printable(body).replaceAll(/\s*\n\s*/g, " / ");
}
