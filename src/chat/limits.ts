// Every bound of the chat state, by name. A change of one that `apply` checks is a change of the
// replicated rules: all servers must have the same.

/** A command id: as long as a UUID. */
export const commandIdBytes = 16;
/** The key that signs session tokens. */
export const tokenKeyBytes = 32;

/** A username; ASCII only, so characters are bytes. */
export const usernameCharactersMax = 32;
/** A group room's name; ASCII only. */
export const roomNameCharactersMax = 64;
/** A display name, in code points. */
export const displayNameCharactersMax = 64;
/** What a person calls a log-in, in code points. */
export const deviceCharactersMax = 64;
/** A password, in code points; the state machine never sees one. */
export const passwordCharactersMin = 8;
/** A password, in code points. Bounds the work of a log-in attempt. */
export const passwordCharactersMax = 256;
/** An argon2id hash in PHC form is about 100 characters. */
export const passwordHashCharactersMax = 512;
/** A message's body in bytes of UTF-8. */
export const bodyBytesMax = 16_384;

/** People in a cluster; their names and rooms are held in memory (about 500 bytes a person). */
export const usersMax = 100_000;
/** Rooms in a cluster, the personal ones included. */
export const roomsMax = 200_000;
/**
 * Rooms that one person may be in. Bounds a replay: some microseconds for each room that has
 * something new.
 */
export const roomsPerUserMax = 2_000;
/** Log-ins of one person that are open; one more ends the oldest. */
export const sessionsPerUserMax = 50;
/**
 * Stands as session id in a command that was given through a session which an island has opened:
 * the session has no id of its own yet. No session ever gets this id.
 */
export const islandSessionId = 0xffff_ffff;
/** Items of one room: what a uint32 can number. */
export const itemsPerRoomMax = 0xffff_ffff;

/**
 * How long the ids of commands other than messages are remembered at least: 30 days of cluster
 * time.
 */
export const commandMemoryMs = 30 * 24 * 3_600_000;
/**
 * How many outdated ids are forgotten with each one that is remembered: more than one, so that a
 * backlog shrinks.
 */
export const commandsForgottenMax = 2;

/** People or rooms on a page. */
export const listPage = { default: 50, max: 200 } as const;
/** Timeline items on a page. */
export const timelinePage = { default: 20, max: 500 } as const;
/** Events in one answer of `eventsSince`. */
export const replayEventsMax = 1_000;
/**
 * Ended memberships that one answer of `eventsSince` walks; a window that holds more is cut short.
 */
export const replayEndedMembershipsMax = 1_000;
/** Set-aside messages that come with the newest page of a room; they may be large. */
export const setAsideShownMax = 20;
/** A wildcard pattern. */
export const patternCharactersMax = 64;

/** Rows read at once while the state is loaded at the start. */
export const loadRowsMax = 1_000;
/** Rows read at once from one room in a replay. */
export const replayRowsMax = 64;
/** Owners of sessions held in memory; beyond it they are read anew. */
export const sessionOwnersHeldMax = 100_000;
