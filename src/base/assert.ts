// Assertions for bugs. They stay on in production. What a user or a peer can cause is a value, not
// an assertion.

/** Thrown when the program finds itself wrong. Whoever catches it must stop, not go on. */
export class AssertionError extends Error {
  override name = "AssertionError";
}

/** Throws an AssertionError unless `condition` holds. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/**
 * Marks a place that the compiler has shown to be unreachable, such as the default of a full
 * switch.
 */
export function assertNever(value: never, what: string): never {
  throw new AssertionError(`unexpected ${what}: ${JSON.stringify(value)}`);
}

/** The value, which the caller knows to be there. */
export function assertDefined<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null) throw new AssertionError(`${what} is missing`);
  return value;
}
