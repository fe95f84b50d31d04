// The door of the gateways: the client port of a server.

export {
  BackupError,
  type BackupHeader,
  BackupReader,
  backupPieceBytes,
  writeBackup,
} from "./backup-file.ts";
export { createGateway, type Gateway } from "./gateway.ts";
export type { ChatReplica, GatewayLogger } from "./gateway-context.ts";
export {
  type BytesSink,
  createInProcessGateway,
  type InProcessGateway,
  type InProcessSession,
} from "./in-process.ts";
export { defaultGatewayLimits, type GatewayLimits } from "./limits.ts";
export { operatorToken } from "./operator-token.ts";
export { type ListenAddress, ListenError } from "./port.ts";
export type { Secrets, TokenPayload } from "./secrets.ts";
export type { GatewayOptions } from "./services.ts";
export { ensureTokenKey } from "./token-key.ts";
