// Every bound of the replica, with its unit. Defaults; those that operators may set are in
// ReplicaTimings.

/**
 * Entries and proposals in one peer frame together stay below this many bytes, one entry always
 * fits.
 */
export const frameBytesMax = 2 * 1024 * 1024;
/** Bytes of one encoded command; a message body is at most 16 KiB, so this leaves room. */
export const commandBytesMax = 64 * 1024;
/** Bytes of commands that are joined into one entry. */
export const entryBytesMax = 256 * 1024;
/**
 * Commands that are joined into one entry. Entries are applied one after the other with a turn of
 * the event loop between them, so that the answers to the first leave while the next are applied.
 */
export const entryCommandsMax = 64;
/** So many bytes of commands do not wait for the write that is under way. */
export const writeBytesMax = 512 * 1024;
/**
 * Commands that clients of this replica may have under way; one more is answered with "overloaded".
 */
export const pendingProposalsMax = 8_192;
/** Bytes of commands that clients of this replica may have under way. */
export const pendingProposalBytesMax = 32 * 1024 * 1024;
/** What a client is told to wait when it is refused for load. */
export const overloadRetryAfterMs = 100;
/** Reads that may wait for a position or for the leader's word. */
export const waitingReadsMax = 4_096;
/**
 * Committed commands applied in one go, so that one turn of the event loop stays below 5 ms
 * (design.md §3).
 */
export const applyCommandsMax = 64;
/**
 * Bytes of committed entries read from the log in one go, one entry at least: about what
 * applyCommandsMax commands take, since what is read beyond is read again for the next go.
 */
export const applyBytesMax = 32 * 1024;
/**
 * Proposals without an answer are sent to the leader again after this long, under their own ids.
 */
export const forwardRetryMs = 1_000;
/** How often a replica tells the others how it is, in heartbeats: 250 ms by default. */
export const statusIntervalHeartbeats = 5;
/** At a stop, how long a leader waits for another to take over before it goes anyway. */
export const handOverTimeoutMs = 1_000;
/** Bytes of entries in one appendEntries. */
export const appendBytesMax = 1024 * 1024;
/** appendEntries under way to one follower. */
export const appendsInFlightMax = 64;
/** Bytes of proposals that a leader has not committed yet; more wait in its queue. */
export const uncommittedBytesMax = 64 * 1024 * 1024;
/** A question for a read index without an answer is put again after this long. */
export const readRetryMs = 100;
/** A replica that has more committed entries than this to apply does not count as ready. */
export const readyLagMax = 1_024;
/** How long the first file of a log may take to be made, in ms. */
export const logFileTimeoutMs = 60_000;
/** How often a server looks whether that file is there, in ms. */
export const logFilePollMs = 5;
