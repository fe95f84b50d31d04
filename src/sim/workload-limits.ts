// Every bound of the workload, by name: what keeps its memory and its patience finite however long
// a run is and however badly the cluster behaves.

/** Sends of one device that have no answer yet; while there are more, it sends nothing new. */
export const openSendsMax = 512;
/** Other operations of one device that have no answer yet. */
export const openAsksMax = 32;
/** Live timelines that one device has open. */
export const openViewsMax = 4;
/** Acknowledged commands that one device remembers, to give them again. */
export const rememberedCommandsMax = 64;
/** Accounts that are made besides those of the people who work, over a whole run. */
export const extraAccountsMax = 16;
/** Pages that a reader of a whole room turns before it has seen enough. */
export const wholeRoomPagesMax = 12;
/** Newest items of a live timeline that are written down when it is closed. */
export const viewItemsMax = 100;
/** Items that the history keeps one copy of, however many clients are given them. */
export const sharedItemsMax = 8_192;
/** How long a device waits for one answer before it goes on with something else. */
export const patienceMsMax = 8_000;
/** How long one unary call past a session may take. */
export const unaryCallMs = 5_000;
/** Longest time between two actions, in mean times. */
export const thinkTimesMax = 10;
/** How long a device waits before it tries again to register or to log in. */
export const accountRetryMs = 500;
/** How long a device stays away on purpose. */
export const absenceMsMax = 5_000;
/** UTF-8 bytes of a message's body: the servers' own limit, so that both sides of it are tried. */
export const bodyBytesMax = 16_384;
/** Items of a page: the servers' own limit. */
export const pageItemsMax = 500;

/** How often whoever reads at the end looks again where servers do not agree yet. */
export const finalRoundsMax = 10;
/** How long it waits between two looks. */
export const finalRetryMs = 500;
/** How long it tries altogether unless told otherwise. */
export const finalReadMs = 60_000;
