// What a setting is, and the makers of the usual kinds: whole numbers, numbers, choices, texts. No
// setting itself.
import { z } from "zod";

/** One setting. `T` is what the program sees; text is what people write. */
export interface Setting<T = unknown> {
  /** One or two sentences for people. */
  readonly description: string;
  /** "ms", "bytes", …; empty where there is none. */
  readonly unit: string;
  /** What may be written, in words. */
  readonly range: string;
  /**
   * Used when nobody says anything; as text in `defaultText` where it depends on other settings.
   */
  readonly default: T;
  readonly defaultText?: string;
  /** Judges a value that has its type already. */
  readonly schema: z.ZodType<T>;
  /** Turns text (flag, environment) into a value for the schema. */
  readonly fromText: (text: string) => unknown;
  /** Turns a value of a file into a value for the schema. */
  readonly fromFile: (value: unknown) => unknown;
  readonly toText: (value: T) => string;
}

/** What every maker wants. */
export interface Described {
  readonly description: string;
  readonly unit?: string;
  readonly defaultText?: string;
}

/** A whole number within bounds. */
export function integer(
  given: Described & { default: number; min: number; max: number },
): Setting<number> {
  const range = `${given.min} to ${given.max}`;
  const refusal = `must be a whole number from ${range}`;
  return {
    ...given,
    unit: given.unit ?? "",
    range,
    schema: z.int(refusal).min(given.min, refusal).max(given.max, refusal),
    fromText: (text) => (/^-?\d{1,15}$/.test(text) ? Number(text) : text),
    fromFile: (value) => value,
    toText: String,
  };
}

/** One of several words. */
export function choice<const T extends string>(
  given: Described & { default: NoInfer<T>; choices: readonly T[] },
): Setting<T> {
  const range = given.choices.join(" | ");
  return {
    ...given,
    unit: given.unit ?? "",
    range,
    schema: z.enum(given.choices, `must be one of ${given.choices.join(", ")}`) as z.ZodType<T>,
    fromText: (text) => text,
    fromFile: (value) => value,
    toText: (value) => value,
  };
}

/** A text that fits a rule; `range` says the rule in words. */
export function text(
  given: Described & { default: string; range: string; fits: (value: string) => boolean },
): Setting<string> {
  return {
    ...given,
    unit: given.unit ?? "",
    schema: z.string(`must be ${given.range}`).refine(given.fits, `must be ${given.range}`),
    fromText: (value) => value,
    fromFile: (value) => value,
    toText: (value) => value,
  };
}

/** A number within bounds that may have a fraction. */
export function number(
  given: Described & { default: number; min: number; max: number },
): Setting<number> {
  const range = `${given.min} to ${given.max}`;
  const refusal = `must be a number from ${range}`;
  return {
    ...given,
    unit: given.unit ?? "",
    range,
    schema: z.number(refusal).min(given.min, refusal).max(given.max, refusal),
    fromText: (text) => (/^\d{1,9}(\.\d{1,6})?$/.test(text) ? Number(text) : text),
    fromFile: (value) => value,
    toText: String,
  };
}
