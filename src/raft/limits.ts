// Every bound of the consensus core that is not a setting of its config. Nothing here depends on a
// machine.

/**
 * Bytes that one entry counts besides its payload, in windows and batches: about what its header
 * costs on the wire.
 */
export const entryOverheadBytes = 32;

/**
 * Bytes of entries under way to one follower; beside `appendsInFlightMax`, so that large entries
 * cannot pile up.
 */
export const inFlightBytesMax = 16 * 1024 * 1024;

/** Reads that wait for an index at one replica; more are refused at once. */
export const readsWaitingMax = 65_536;

/** Members of one configuration, both lists of voters and the learners together. */
export const configurationMembersMax = 64;

/** Bytes of the context that the caller keeps with a configuration. */
export const configurationContextBytesMax = 64 * 1024;

/** Bytes read at a time when a start looks for configurations in the log. */
export const configurationScanBytes = 4 * 1024 * 1024;

/**
 * After the connection with the leader broke, the survivor with rank r among the voters stands
 * after r × this + 1 ticks. At 10 ms a tick and 50 ms of stagger, the first has its votes (one
 * round trip and two disk writes, a few milliseconds) long before the second would ask.
 */
export const leaderLostStaggerTicks = 5;

/**
 * While no leader is known since the break, a failed try is repeated after a delay drawn from [min,
 * max) ticks.
 */
export const leaderLostRetryTicksMin = 5;
/** The end of that range, itself excluded. */
export const leaderLostRetryTicksMax = 16;

/**
 * So many tries come at the short delay, then the full election time-out counts again: where disks
 * or links are so slow that short tries cannot succeed, they must not go on forever. 12 × 100 ms is
 * twice a full time-out.
 */
export const leaderLostTriesMax = 12;

/** A snapshot chunk that was not answered in so many ticks is asked for again. */
export const snapshotRetryTicks = 50;
