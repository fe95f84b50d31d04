// Parses and prints `host:port`, and the member list that is made of such addresses. Resolves no
// names.

/** Where something listens or is reached. */
export interface HostPort {
  /** A name, an IPv4 address, or an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
}

/** One server of the cluster as the configuration names it. */
export interface Member {
  readonly replicaId: number;
  /** `host:port` */
  readonly peerAddress: string;
}

/** The largest id that a server may have: it travels as a uint32, and 0 stands for none. */
export const replicaIdMax = 2 ** 31 - 1;

/** Parses `host:port` or `[ipv6]:port`; undefined where it is neither. */
export function parseHostPort(text: string): HostPort | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const port = Number(match[3]);
  if (port < 1 || port > 65_535) return undefined;
  return { host: (match[1] ?? match[2])!, port };
}

/** `host:port`, with brackets around an IPv6 address. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Parses `id=host:port`; the sentence that says what is wrong otherwise. */
export function parseMember(text: string): Member | string {
  const match = /^(\d{1,10})=(.+)$/.exec(text.trim());
  const address = match === null ? undefined : parseHostPort(match[2]!);
  if (match === null || address === undefined) {
    return `\`${text}\` is not of the form id=host:port`;
  }
  const replicaId = Number(match[1]);
  if (replicaId < 1 || replicaId > replicaIdMax) {
    return `\`${text}\` has an id outside of 1 to ${replicaIdMax}`;
  }
  return { replicaId, peerAddress: formatHostPort(address) };
}

/** `id=host:port` */
export function formatMember(member: Member): string {
  return `${member.replicaId}=${member.peerAddress}`;
}

/**
 * What is wrong with a list of members taken together, in one sentence; undefined when nothing is.
 */
export function checkMembers(members: readonly Member[]): string | undefined {
  const ids = new Set<number>();
  const addresses = new Set<string>();
  for (const { replicaId, peerAddress } of members) {
    if (ids.has(replicaId)) return `id ${replicaId} occurs twice`;
    if (addresses.has(peerAddress)) return `address ${peerAddress} occurs twice`;
    ids.add(replicaId);
    addresses.add(peerAddress);
  }
  return undefined;
}
