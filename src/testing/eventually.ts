// Waiting in tests for something that another process or socket does. A bound, not a sleep: it
// returns as soon as the condition holds, and fails with what was waited for when it does not.

/** How often the condition is tried, in milliseconds. */
const pollMs = 2;

/**
 * Resolves with what `condition` answers, as soon as that is neither undefined, null nor false.
 * Rejects after `timeoutMs` (default 5000) with `what`, which completes the sentence "waited for
 * …".
 */
export async function eventually<T>(
  what: string,
  condition: () => T | Promise<T>,
  options: { readonly timeoutMs?: number } = {},
): Promise<Exclude<T, undefined | null | false>> {
  const timeoutMs = options.timeoutMs ?? 5000;
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const answer = await condition();
    if (answer !== undefined && answer !== null && answer !== false) {
      return answer as Exclude<T, undefined | null | false>;
    }
    if (performance.now() > deadlineMs) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}
