// The configurations of a run as its logs tell them (docs/decisions/0011): who votes and who the
// members are, each with the one that stood before it in its log. Read from the entries alone;
// judges nothing.
import { fromBinary } from "@bufbuild/protobuf";
import { toHex64 } from "../../base/bytes.ts";
import { MemberTableSchema } from "../../proto/gen/cluster/v1/peer_pb.js";
import { decodeConfiguration, type Entry } from "../../raft/index.ts";
import type { ServerId } from "../cluster-event.ts";

/** A member as its table has it. */
export interface KnownMember {
  /**
   * Birth number of its data folder, in hexadecimal digits; undefined for a founder that no entry
   * names.
   */
  readonly birth: string | undefined;
  readonly reader: boolean;
}

/** One configuration at its place. */
export interface LoggedConfiguration {
  /** 0: the founding one, which no entry holds. */
  readonly index: number;
  readonly term: number;
  readonly voters: readonly ServerId[];
  /** Empty but while a change of voters is under way. */
  readonly votersOutgoing: readonly ServerId[];
  readonly learners: readonly ServerId[];
  readonly members: ReadonlyMap<ServerId, KnownMember>;
  /** Birth numbers of all folders that were ever removed on the way here. */
  readonly removedBirths: ReadonlySet<string>;
  readonly previous: LoggedConfiguration | undefined;
}

/** The configuration that a new cluster begins with. */
export function foundingConfiguration(servers: number): LoggedConfiguration {
  const voters = Array.from({ length: servers }, (_, at) => at + 1);
  return {
    index: 0,
    term: 0,
    voters,
    votersOutgoing: [],
    learners: [],
    members: new Map(voters.map((id) => [id, { birth: undefined, reader: false }])),
    removedBirths: new Set(),
    previous: undefined,
  };
}

/** The configuration that an entry holds; undefined where its bytes are none. */
export function configurationIn(
  entry: Entry,
  previous: LoggedConfiguration,
): LoggedConfiguration | undefined {
  const decoded = decodeConfiguration(entry.payload);
  if (decoded === undefined) return undefined;
  const table = fromBinary(MemberTableSchema, decoded.context);
  const members = new Map(
    table.members.map(({ replicaId, birthNonce, reader }): [ServerId, KnownMember] => [
      replicaId,
      { birth: toHex64(birthNonce), reader },
    ]),
  );
  const births = new Set([...members.values()].map(({ birth }) => birth));
  const gone = [...previous.members.values()].filter(({ birth }) => !births.has(birth));
  return {
    index: entry.index,
    term: entry.term,
    voters: decoded.voters,
    votersOutgoing: decoded.votersOutgoing,
    learners: decoded.learners,
    members,
    removedBirths: new Set([
      ...previous.removedBirths,
      ...gone.flatMap(({ birth }) => (birth === undefined ? [] : [birth])),
      ...table.removed.map(({ birthNonce }) => toHex64(birthNonce)),
    ]),
    previous,
  };
}

/**
 * Whether those for whom `holds` answers true are a majority of the voters; of both while joint.
 */
export function isQuorum(
  { voters, votersOutgoing }: Pick<LoggedConfiguration, "voters" | "votersOutgoing">,
  holds: (server: ServerId) => boolean,
): boolean {
  return [voters, votersOutgoing].every(
    (list) => list.length === 0 || list.filter(holds).length > list.length / 2,
  );
}

/** In words, for a finding. */
export function describeVoters({
  voters,
  votersOutgoing,
}: Pick<LoggedConfiguration, "voters" | "votersOutgoing">): string {
  const now = voters.join(", ");
  return votersOutgoing.length === 0
    ? `voters ${now}`
    : `voters ${now} and before ${votersOutgoing.join(", ")}`;
}
