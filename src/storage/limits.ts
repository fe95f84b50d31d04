// Every limit of this floor, with its arithmetic. Options may lower some of them for tests.

/**
 * Bytes of one segment file unless the options say otherwise: 25 ms to zero-fill, about 30,000
 * messages of 200 bytes. A new server makes two of them, so larger ones would delay its start.
 */
export const segmentBytesDefault = 8 * 1024 * 1024;
/** A segment is read in one piece at start-up. */
export const segmentBytesMax = 1024 * 1024 * 1024;
/** The smallest segment that makes sense; for tests. */
export const segmentBytesMin = 4096;
/** Payload of one entry; besides, an entry with its header must fit into one segment. */
export const entryPayloadBytesMax = 16 * 1024 * 1024;
/** Bytes of one write and fsync, but for a single larger entry; what is more waits for the next. */
export const batchBytesMax = 4 * 1024 * 1024;
/** Payload bytes of recent entries kept in memory, unless the options say otherwise. */
export const cacheBytesDefault = 32 * 1024 * 1024;
/**
 * Entries besides that count that many bytes each, so that a million empty ones are bounded too.
 */
export const cacheEntryOverheadBytes = 128;
/** Neighbouring records are read from disk together up to this many bytes. */
export const readBytesMax = 1024 * 1024;
/** Segment files that are open at once for reading. */
export const openSegmentsMax = 16;
/**
 * What a disk is assumed to write as a whole; a torn write is made of whole old and whole new
 * sectors.
 */
export const sectorBytes = 512;
/** Bytes of one of the vote's two slots: one page, so that the slots never share one. */
export const voteSlotBytes = 4096;
/** Bytes of one of the identity's two slots. */
export const identitySlotBytes = 64 * 1024;
/** Copies of damaged segments that are kept at most. */
export const damagedFilesMax = 8;
/** A snapshot has one checksum for so many bytes, 0.2 ms of work each. */
export const snapshotPieceBytes = 256 * 1024;
/** Complete snapshots that are kept: the newest one, and one that somebody may still be reading. */
export const snapshotsKept = 2;
/** A snapshot that is being fetched is synced whenever so many bytes have come. */
export const incomingSyncBytes = 4 * 1024 * 1024;
/** Payload of one item of the island log. */
export const islandItemBytesMax = 2 * 1024 * 1024;
/** Bytes of the whole island log; what would not fit is refused. */
export const islandLogBytesMax = 256 * 1024 * 1024;
/** Copies of damaged island logs that are kept at most. */
export const damagedIslandsMax = 4;
