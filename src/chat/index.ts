// The door of the chat floor, in reading order.
export { Chat, openChat } from "./chat.ts";
export * from "./limits.ts";
export type { AppliedCommand, CommittedEntry } from "./log.ts";
export type { ChatQueries, Page, RoomName, TimelineView } from "./queries.ts";
export { isRejection, nameTaken, pageTooLarge, refused } from "./rejections.ts";
export { SchemaTooNewError, schemaVersion } from "./schema.ts";
export {
  countStored,
  type StoredCounts,
  type StoredMessage,
  storedMessages,
} from "./stored-messages.ts";
export type * from "./types.ts";
export {
  checkBody,
  checkCommandId,
  checkDevice,
  checkDisplayName,
  checkPassword,
  checkPasswordHash,
  checkPattern,
  checkRoomName,
  pageLimit,
  parseUsername,
} from "./validation.ts";
