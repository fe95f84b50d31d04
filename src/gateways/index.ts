// The door of the gateways: the client port of a server.
export { createGateway, type Gateway, type GatewayOptions } from "./gateway.ts";
export type { ChatReplica, GatewayLogger } from "./gateway-context.ts";
export { defaultGatewayLimits, type GatewayLimits } from "./limits.ts";
export { type ListenAddress, ListenError } from "./port.ts";
