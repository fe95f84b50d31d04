// How long a sender had to wait for acknowledgements around an event. Pure arithmetic on times.

/** An acknowledgement of one sender's message, ms of one clock. */
export interface Answer {
  readonly sentMs: number;
  readonly ackedMs: number;
}

/** Part of a run, ms of the same clock. */
export interface Window {
  /** The event. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** So long before an event a sender's usual gap is taken. */
const calmMs = 1_000;
/** Who had nothing to send for this long did not wait meanwhile. */
const idleMs = 500;

/**
 * The pause that one sender saw: the longest time between two acknowledgements in a row of which
 * the later came after the event (for a sender that stood still: from the last one before the event
 * to the first one after), minus the usual gap. `answers` ascends by `ackedMs`; `openSinceMs` is
 * when the oldest message was sent that is not answered yet, if any: the pause lasts until the
 * window's end then.
 */
export function longestPauseMs(
  answers: readonly Answer[],
  window: Window,
  openSinceMs?: number,
): number {
  const { fromMs, toMs } = window;
  const open = openSinceMs === undefined ? [] : [{ sentMs: openSinceMs, ackedMs: toMs }];
  let longest = 0;
  let before: number | undefined;
  for (const { sentMs, ackedMs } of [...answers, ...open]) {
    const wasIdle = before === undefined || sentMs - before > idleMs;
    const sinceMs = wasIdle || before === undefined ? sentMs : before;
    if (ackedMs > fromMs && sinceMs <= toMs) longest = Math.max(longest, ackedMs - sinceMs);
    before = ackedMs;
  }
  return Math.max(0, longest - usualGapMs(answers, fromMs));
}

/** The median gap in the second before the event; 0 where there is none. */
function usualGapMs(answers: readonly Answer[], fromMs: number): number {
  const calm = answers.filter(({ ackedMs }) => ackedMs <= fromMs && ackedMs > fromMs - calmMs);
  const gaps = calm.slice(1).map(({ ackedMs }, i) => ackedMs - calm[i]!.ackedMs);
  gaps.sort((a, b) => a - b);
  return gaps[Math.floor(gaps.length / 2)] ?? 0;
}
