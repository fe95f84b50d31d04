// The door of host: the real machine behind the ports of io.

export { FolderInUseError, FolderLock } from "./folder-lock.ts";
export { HostClock } from "./host-clock.ts";
export { HostDatabase, type HostDatabaseOptions } from "./host-database.ts";
export { createDataFolder, HostDisk } from "./host-disk.ts";
export { HostStateFiles } from "./host-state-files.ts";
export {
  createHostTransport,
  type HostTransport,
  type HostTransportOptions,
  type TransportLogger,
} from "./host-transport.ts";
export { defaultTransportLimits, type TransportLimits } from "./transport-limits.ts";
