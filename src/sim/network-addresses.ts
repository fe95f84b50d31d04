// Which machine an address means. It names a machine, not a replica: whose folder the machine holds
// is another matter.
import type { ReplicaMember } from "../replica/index.ts";
import type { ServerId } from "./cluster-event.ts";

/**
 * The server at `server-<id>:<port>`, with or without `http://` in front; undefined where there is
 * no such machine.
 */
export function serverOfAddress(address: string): ServerId | undefined {
  const digits = /^(?:http:\/\/)?server-(\d+):\d+$/.exec(address)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** A server as settings name it. */
export function memberAt(server: ServerId): ReplicaMember {
  return { replicaId: server, peerAddress: peerAddressOf(server) };
}

/** Where other servers reach a server. */
export function peerAddressOf(server: ServerId): string {
  return `server-${server}:9080`;
}

/** Where clients reach a server. */
export function clientAddressOf(server: ServerId): string {
  return `http://server-${server}:8080`;
}
