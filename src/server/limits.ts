// Every limit of the composition root, by name.

/** Servers that a cluster may have: more voters only make each write slower. */
export const membersMax = 7;
/** A configuration file longer than this is refused unread, in bytes. */
export const configFileBytesMax = 1024 * 1024;
/** How long a stop may take before the process ends anyway, in ms. */
export const stopTimeoutMs = 8_000;
/** How long clients may take to leave when the server stops, in ms; part of the above. */
export const goodbyeGraceMs = 3_000;
/** How long a member may take to answer a server that wants to join, in ms. */
export const joinTimeoutMs = 15_000;
/** Bytes of entries that reading a folder offline takes from the log at a time. */
export const inspectBatchBytes = 4 * 1024 * 1024;
/** Log lines that wait for a reader of standard output, in bytes; further ones are lost. */
export const logBufferBytesMax = 8 * 1024 * 1024;
/**
 * How long applied entries may wait for a common commit of chat.db. What is lost of it when the
 * process dies is applied again from the log.
 */
export const chatCommitDelayMs = 10;
/** How long other servers may take to say that they are there, before a recovery, in ms. */
export const presenceTimeoutMs = 2_000;
/** Bytes of a backup that a restore reads at a time. */
export const restorePieceBytes = 1024 * 1024;
