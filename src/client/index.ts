// The door of the client: everything that browser, terminal, command line and bots may use, in
// reading order.

export type { TransportFactory } from "./anywhere.ts";
export {
  createFetchTransportFactory,
  type LogInOptions,
  type RegisterOptions,
} from "./calls.ts";
export {
  type Client,
  type ClientOptions,
  type ClientTopics,
  createClient,
} from "./client.ts";
export {
  type ClientClock,
  type ClientRandom,
  type ClientTimer,
  createHostClock,
  createHostRandom,
} from "./clock.ts";
export {
  type Connection,
  type ConnectionFactory,
  type ConnectionListener,
  createWebSocketFactory,
} from "./connection.ts";
export type { Listener } from "./emitter.ts";
export { isRetryable, RejectedError, type RejectionCodeName } from "./errors.ts";
export type { PageAsk, Timeline, TimelineChange } from "./live-timelines.ts";
export {
  createOperator,
  type ImportReport,
  type JoinToken,
  type LostItem,
  type Operator,
  type OperatorOptions,
} from "./operator.ts";
export type { PendingMessage } from "./outbox-entry.ts";
export { createMemoryOutboxStore, type OutboxMessage, type OutboxStore } from "./outbox-store.ts";
export type { Store, TimelineView, ViewState } from "./store.ts";
export type {
  Connected,
  ConnectionState,
  HeldMessage,
  HeldReceipt,
  IslandState,
  Item,
  ItemContent,
  Person,
  Receipt,
  Room,
  RoomCreated,
  RoomName,
  RoomReceipt,
  SendReceipt,
  SetAsideMessage,
  TimelinePage,
} from "./types.ts";
export { untilStored } from "./types.ts";
