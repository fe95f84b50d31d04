// Every limit of the supervisor, by name.

/**
 * A process that ran for this long had nothing wrong with its start: the next start comes at once.
 * In ms.
 */
export const stableRunMs = 10_000;
/** The first wait of a process that dies again and again; doubled each time. In ms. */
export const restartDelayMinMs = 100;
/** The longest such wait, in ms. */
export const restartDelayMaxMs = 5_000;
/**
 * How long processes may take to stop before they are killed, in ms; more than a server's own
 * limit.
 */
export const stopTimeoutMs = 10_000;
/** How often a process is asked whether it is ready, in ms. */
export const readyPollMs = 50;
/** How long an answer to that may take, in ms. */
export const readyAnswerTimeoutMs = 1_000;
/** A line of output is cut where it is longer, in UTF-16 units. */
export const lineUnitsMax = 16_384;
/** Lines of standard error that are kept to say why a process did not start. */
export const failureLinesMax = 20;
