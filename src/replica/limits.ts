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
/** A new leader waits so long for a sign of life of whoever was silent before its election. */
export const newLeaderGraceMs = 100;
/** How often a replica tells the others how it is, in heartbeats: 250 ms by default. */
export const statusIntervalHeartbeats = 5;
/** At a stop, how long a leader waits for another to take over before it goes anyway. */
export const handOverTimeoutMs = 2_000;
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
/** Removed members that a member table remembers; their join tokens stay used up so long. */
export const removedMembersMax = 256;
/** Members of one cluster, with and without a vote. */
export const membersMax = 32;
/** A learner this close to the log's end, in entries, gets its vote. */
export const promotionLagMax = 256;
/** Wishes of operators that one server has open at a time. */
export const membershipRequestsMax = 64;
/** Wishes that a leader has open at a time, of all servers. */
export const acceptedWishesMax = 256;
/** A server that is about to stop is believed to be for so long: three times its hand-over. */
export const leavingMs = 6_000;
/** Characters of an address of a member: a host name has at most 253. */
export const addressLengthMax = 300;
/** Ids are positive integers up to this one. */
export const replicaIdMax = 2 ** 31 - 1;
/** How long such a wish is tried. */
export const membershipTimeoutMs = 10_000;
/** A wish is put to the leader again after this long. */
export const membershipRetryMs = 250;
/** Bytes of one piece of a snapshot on its way between servers. */
export const snapshotPieceBytes = 256 * 1024;
/** Pieces that a fetching server asks for ahead of the one that it waits for. */
export const snapshotPiecesAhead = 4;
/** A piece that has not come after this long is asked for again, perhaps of another server. */
export const snapshotRetryMs = 1_000;
/** A snapshot that nobody has read from for this long is closed. */
export const snapshotReaderIdleMs = 30_000;
/** Checkpoints whose digests are remembered for comparison. */
export const digestsKept = 4;
/** The log waits for servers that are behind until it has grown by so many checkpoints. */
export const logWaitCheckpoints = 4;
/** The log's growth is noted in steps of so many bytes, to find where to cut it. */
export const logMarkBytes = 256 * 1024;
/** Bytes read at a time when an island takes in the log's tail. */
export const tailBytes = 4 * 1024 * 1024;
/** How long a checkpoint that somebody asked for may take. */
export const checkpointTimeoutMs = 120_000;
/** How long a server that abstains waits for a leader's word before it asks again. */
export const trustTimeoutMs = 5_000;
/** A removed server goes on for so many ticks, so that the others hear what is committed. */
export const removalGraceTicks = 5;
/** A leader without a state of its own tries again after this long to have another one lead. */
export const giveUpLeadRetryMs = 5_000;
/** So long a state is not fetched while it is not known whose is like a majority's. */
export const agreementWaitMs = 5_000;
/** A source of a state is asked so often for a piece before another one is tried. */
export const snapshotMissesMax = 3;
/** How long a transfer of leadership may take before it is called failed. */
export const transferTimeoutMs = 5_000;
/** Bytes read at a time when a damaged log is searched for its configuration. */
export const mendScanBytes = 4 * 1024 * 1024;
