// Which machine an address means. It names a machine, not a replica: whose folder the machine holds
// is another matter.
import type { ServerId } from "./cluster-event.ts";

/**
 * The server at `server-<id>:<port>`, with or without `http://` in front; undefined where there is
 * no such machine.
 */
export function serverOfAddress(address: string): ServerId | undefined {
  const digits = /^(?:http:\/\/)?server-(\d+):\d+$/.exec(address)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
