// How a command ends: the exit codes, and the one sentence that goes with a failure.

/** What the process answers to its caller; the same list stands in `holdfast --help`. */
export const exitCodes = {
  /** Done. */
  done: 0,
  /** Refused or failed; the sentence on standard error says why, and nothing else has changed. */
  failed: 1,
  /** Wrong arguments. */
  usage: 2,
  /** No server answered. */
  unreachable: 3,
  /** The cluster has removed this server: to start it again is useless. */
  removed: 4,
} as const;

/** Ends a command. Its message is one sentence for people, printed as it is, without a stack. */
export class CommandFailure extends Error {
  override name = "CommandFailure";
  readonly exitCode: number;

  constructor(message: string, exitCode: number = exitCodes.failed) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Wrong arguments: exit code 2. */
export function usageFailure(message: string): CommandFailure {
  return new CommandFailure(message, exitCodes.usage);
}

/**
 * A sentence as it is printed: with the program's name, without a stop doubled or missing, on one
 * line.
 */
export function failureLine(message: string): string {
  const oneLine = message.replaceAll(/\s*\n\s*/g, " ").trim();
  return `holdfast: ${/[.!?]$/.test(oneLine) ? oneLine : `${oneLine}.`}`;
}
