// Every bound of island mode, with its unit (docs/decisions/0013).

/**
 * Items that one server holds until they are merged and erased; one more is answered with
 * "overloaded". At ten messages a second that is almost three hours apart.
 */
export const heldItemsMax = 100_000;
/** Bytes of such items, as they stand in the island log. */
export const heldBytesMax = 64 * 1024 * 1024;
/** Islands that one server knows of: each separation of each server that held anything is one. */
export const islandsMax = 1_024;
/** Bytes of items in one frame to a peer; one item always fits. */
export const islandFrameBytesMax = 1024 * 1024;
/** Bytes of items that are under way to one peer, sent and not told of yet. */
export const islandBytesInFlightMax = 4 * 1024 * 1024;
/** How often a server tells what it has while it is in island mode or has something to merge. */
export const holdingsIntervalMs = 100;
/** Items that a peer has not told of are sent again after this long, then after twice as long… */
export const islandResendMs = 500;
/** …up to this long, for a peer that cannot take them. */
export const islandResendMsMax = 10_000;
/** A peer that was dropped as hung is awaited again when it lacks at most so many items. */
export const islandNearItems = 256;
/** Held items that one server brings to the leader at a time. */
export const mergesUnderWayMax = 256;
/**
 * So far ahead of cluster time may an item of another server push the hybrid clock here: a clock
 * that is a day off moves its own items only.
 */
export const hybridDriftMaxMs = 60_000;
/** Notes on bad input of one peer, for each of its connections. */
export const islandNotesMax = 8;
/** How long a command waits for this server's own disk before it goes the ordinary way. */
export const takeTimeoutMs = 10_000;
