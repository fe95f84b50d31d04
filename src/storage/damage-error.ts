// The one error with which storage refuses what it finds on disk. Not for failed calls: those are
// the disk's errors.

/**
 * The bytes on disk are not what was made durable there. Whoever gets it must neither vote nor
 * acknowledge.
 */
export class DamageError extends Error {
  override name = "DamageError";
  /** File name, relative to the data folder. */
  readonly file: string;
  /** Where in the file, in bytes. */
  readonly offset: number;

  constructor(damage: { file: string; offset: number; reason: string }) {
    super(`${damage.file} is damaged at byte ${damage.offset}: ${damage.reason}`);
    this.file = damage.file;
    this.offset = damage.offset;
  }
}
