// Under which key a client's address is counted, for limits per address. Says nothing of who the
// client is: many may sit behind one address.
import { isIPv6 } from "node:net";

/**
 * What one client's addresses have in common: an IPv4 address, or an IPv6 /64, which one site has
 * to itself.
 */
export function addressKey(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
  if (!isIPv6(plain)) return plain;
  const [head = "", tail] = plain.split("::");
  const groups = head === "" ? [] : head.split(":");
  const tailGroups = tail === undefined || tail === "" ? [] : tail.split(":");
  while (tail !== undefined && groups.length + tailGroups.length < 8) groups.push("0");
  return `${[...groups, ...tailGroups].slice(0, 4).join(":")}::/64`;
}
