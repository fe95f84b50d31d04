// Every limit and interval of the client, in one place. Nothing here is negotiated with servers.

/**
 * UTF-8 bytes of a message body; the servers' own limit, checked early so that no frame is refused
 * as a whole.
 */
export const bodyBytesMax = 16_384;
/** UTF-16 units of any other text that a caller gives (names, patterns, passwords, devices). */
export const textUnitsMax = 1_024;
/** UTF-16 units of a session token. */
export const tokenUnitsMax = 8_192;
/** Estimated bytes after which a frame is closed and the next begun; servers take up to 1 MiB. */
export const frameBytesTarget = 512 * 1024;

/** Messages that wait in the outbox for a receipt. */
export const outboxMessagesMax = 10_000;
/** UTF-16 units of all bodies in the outbox together. */
export const outboxUnitsMax = 32 * 1024 * 1024;
/** Messages sent and not answered yet; the rest waits in the outbox. */
export const messagesInFlightMax = 512;
/** Requests other than messages that wait for their reply. */
export const requestsPendingMax = 1_000;
/** Addresses that a client keeps of each kind, given and learned. */
export const addressesMax = 32;

/** Rooms with a live timeline. */
export const openTimelinesMax = 100;
/** Items that one timeline holds; the oldest go first and are loaded again by scrolling. */
export const timelineItemsMax = 20_000;
/** Items that wait ahead of a gap until it is filled; further ones are read again when it is. */
export const timelineAheadMax = 2_000;
/** Held messages that one timeline shows; the oldest go first. */
export const timelineHeldMax = 2_000;
/** Messages that were set aside and that one timeline shows; the oldest go first. */
export const timelineSetAsideMax = 100;
/** Held messages that are remembered so that none is told twice. */
export const heldToldMax = 10_000;
/** Items that entering a room shows (product row C5). */
export const openRoomItems = 20;
/** Items of one page that fills a gap; the servers' limit. */
export const timelinePageMax = 500;
/** How long a timeline that could not be completed waits before it asks again. */
export const repairRetryMs = 1_000;
/** Items that scrolling up loads unless told otherwise. */
export const olderItemsDefault = 50;
/** Rooms that the view keeps. */
export const roomsMax = 10_000;
/** Entries of a page of rooms or people; the servers' limit. */
export const listPageMax = 200;
/** Pages that are joined to one list of rooms or people. */
export const listPagesMax = 100;

/**
 * How long a first attempt to open a session may take, until the welcome. Doubles with every round
 * that failed.
 */
export const handshakeTimeoutMs = 1_000;
/** What the doubling of `handshakeTimeoutMs` ends at. */
export const handshakeTimeoutMsMax = 10_000;
/** How often a session looks whether its server still answers. */
export const checkIntervalMs = 100;
/** Silence after which an idle session asks for a sign of life. */
export const pingWhenIdleMs = 5_000;
/**
 * Silence of a server that owes an answer after which it counts as hung, at least. On a network
 * that loses packets one of them is sent again within about 300 ms, and twice within this time.
 */
export const hungMsMin = 750;
/** The same for networks on which a round trip is long: so many of them. */
export const hungRoundTrips = 4;
/** The same at most. */
export const hungMsMax = 5_000;
/** The share of that silence after which a sign of life is asked for: 250 of 750 ms. */
export const pingShare = 1 / 3;
/** A check that comes this much late means that this machine slept, not that the server hung. */
export const sleptMs = 400;
/** A session that has lived this long counts as good even if nothing was asked. */
export const stableMs = 2_000;

/**
 * How long held messages are left to their island once a majority is back, before their author's
 * client sends them again: so they keep the time at which they were written. What is written
 * meanwhile waits behind them.
 */
export const mergeWaitMs = 1_000;
/** How often a timeline that shows held messages after their island asks what became of them. */
export const heldRefreshMs = 2_000;
/** Longest wait before the first delayed attempt; doubles with each. */
export const backoffMsMin = 25;
/** Longest wait between two attempts. */
export const backoffMsMax = 5_000;
/** Refusals for load or lack of a leader in a row after which another server is tried. */
export const refusalsBeforeSwitch = 2;
/**
 * A server that answers no message for this long, though some are under way, is left for another.
 */
export const messageAnswerTimeoutMs = 10_000;
/**
 * How long a request other than a message is tried, over all servers, before its caller hears of
 * it.
 */
export const requestTimeoutMs = 30_000;
/** How long one unary call may take at one server. */
export const callAttemptTimeoutMs = 5_000;
/** How long a unary call is tried, over all servers, before its caller hears of it. */
export const callTimeoutMs = 20_000;
/** How long one server may take to change the cluster, take a checkpoint or make a token. */
export const operatorAttemptTimeoutMs = 60_000;
/** How long an operator's call is tried, over all servers. */
export const operatorTimeoutMs = 90_000;
