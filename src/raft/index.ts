// The consensus core's door: a pure Raft, stepped by its caller. See README.md.

export type { LogReader, RaftConfig, Restored } from "./config.ts";
export type { Effects, Persist, ReadResult, RoleChange } from "./effects.ts";
export type { Input } from "./input.ts";
export { type ConfigurationAt, decodeConfiguration, encodeConfiguration } from "./membership.ts";
export type { CoreView, Observer } from "./observer.ts";
export type * from "./peer-message.ts";
export type { ProgressState, ProgressView } from "./progress.ts";
export { Raft } from "./raft.ts";
export type * from "./types.ts";
