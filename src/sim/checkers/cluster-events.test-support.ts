// Cluster events by hand, for the tests of the checkers: makers of each kind, a short good run, and
// the judgement of one checker over a list. Holds no expectations of its own.
import { create, toBinary } from "@bufbuild/protobuf";
import { toHex64 } from "../../base/bytes.ts";
import { commandsPerEntryMax } from "../../base/position.ts";
import type { ChatEvent, ChatOutcome } from "../../chat/index.ts";
import { type Command, CommandSchema } from "../../proto/gen/chat/v1/command_pb.js";
import { MemberTableSchema } from "../../proto/gen/cluster/v1/peer_pb.js";
import { encodeConfiguration, type PeerMessage } from "../../raft/index.ts";
import type { CommittedEntry } from "../../replica/index.ts";
import { type ClusterChecker, type FinalServer, SafetyViolation } from "../checker.ts";
import type { ClusterEvent, ServerId } from "../cluster-event.ts";
import { ServerLogs } from "./server-logs.ts";

type Kind = ClusterEvent["kind"];
type Fields<K extends Kind> = Omit<Extract<ClusterEvent, { kind: K }>, "atMs" | "server" | "kind">;

function event<K extends Kind>(server: ServerId, kind: K, fields: Fields<K>): ClusterEvent {
  return { atMs: 0, server, kind, ...fields } as unknown as ClusterEvent;
}

/** A start; what is not told is that of a new server. */
export function started(server: ServerId, held: Partial<Fields<"started">> = {}): ClusterEvent {
  const empty = { life: 1, hardState: { term: 0, votedFor: 0 } };
  return event(server, "started", {
    ...{ ...empty, lastIndex: 0, lastTerm: 0, appliedIndex: 0, baseIndex: 0 },
    ...{ birth: birthOf(server), joinedIndex: 0, abstains: false, isFormed: true, logEpoch: 0 },
    ...held,
  });
}

export const died = (server: ServerId) => event(server, "died", { how: "killed" });
export const diskDamaged = (server: ServerId) => event(server, "diskDamaged", {});
export const diskReplaced = (server: ServerId) => event(server, "diskReplaced", { by: "empty" });
export const compacted = (server: ServerId, index: number) => event(server, "compacted", { index });
export const stateDamaged = (server: ServerId) => event(server, "stateDamaged", { by: "rot" });
export const snapshotTaken = (server: ServerId, index: number, digest: number) =>
  event(server, "snapshotTaken", {
    ...{ index, term: 1, configuration: new Uint8Array(0), size: 1 },
    digest: Uint8Array.of(digest),
  });
export const stateInstalled = (server: ServerId, index: number, digest: string) =>
  event(server, "stateInstalled", { index, digest });
export const saved = (server: ServerId, term: number, votedFor: ServerId) =>
  event(server, "hardStateSaved", { hardState: { term, votedFor } });
export const leads = (server: ServerId, term: number) =>
  event(server, "roleChanged", {
    ...{ role: "leader", hardState: { term, votedFor: server }, leader: server },
  });
export const follows = (server: ServerId, term: number, leader: ServerId) =>
  event(server, "roleChanged", {
    ...{ role: "follower", hardState: { term, votedFor: leader }, leader },
  });
export const durable = (server: ServerId, index: number) => event(server, "logDurable", { index });
export const committed = (server: ServerId, commitIndex: number) =>
  event(server, "committed", { commitIndex });

/** Entries [index, term, byte]; the byte is what stands in it. */
export function appended(
  server: ServerId,
  ...entries: readonly (readonly [index: number, term: number, byte?: number])[]
): ClusterEvent {
  return event(server, "appended", {
    entries: entries.map(([index, term, byte = 0]) => ({
      index,
      term,
      kind: "commands",
      payload: Uint8Array.of(byte),
    })),
  });
}

/** Who is in a configuration; a member's folder is named by its id where nothing else is said. */
export interface Members {
  readonly voters: readonly ServerId[];
  readonly outgoing?: readonly ServerId[];
  readonly learners?: readonly ServerId[];
  readonly births?: Readonly<Record<ServerId, number>>;
  readonly readers?: readonly ServerId[];
}

/** The birth number that `Members` gives, as events tell it. */
export const birthOf = (number: number) => toHex64(BigInt(number));

/** An entry of term 1 that holds a configuration. */
export function appendedConfiguration(
  server: ServerId,
  index: number,
  members: Members,
): ClusterEvent {
  const { voters, outgoing = [], learners = [], births = {}, readers = [] } = members;
  const ids = [...new Set([...voters, ...learners])].sort((a, b) => a - b);
  const context = toBinary(
    MemberTableSchema,
    create(MemberTableSchema, {
      members: ids.map((id) => ({
        replicaId: id,
        birthNonce: BigInt(births[id] ?? id),
        reader: readers.includes(id),
      })),
    }),
  );
  const payload = encodeConfiguration({ voters, votersOutgoing: outgoing, learners, context });
  return event(server, "appended", {
    entries: [{ index, term: 1, kind: "configuration", payload }],
  });
}

const heartbeatResponse = { kind: "heartbeatResponse", term: 1, readSequence: 0 } as const;
/** Any message that came: a new step of the core begins. */
export const received = (server: ServerId) =>
  event(server, "messageReceived", { message: { ...heartbeatResponse, from: 1, to: server } });

/** A message of a server to another. */
export function sent(
  server: ServerId,
  message: { readonly kind: PeerMessage["kind"]; readonly [field: string]: unknown },
): ClusterEvent {
  return event(server, "messageSent", {
    message: { to: 2, from: server, ...message } as unknown as PeerMessage,
  });
}

export const accepts = (server: ServerId, index: number, term = 1) =>
  sent(server, { ...{ kind: "appendEntriesResponse", to: 1, term, accepted: true, index } });

/** A position by entry and place in it. */
export const at = (index: number, ordinal = 0) => index * commandsPerEntryMax + ordinal;

export const refusal: ChatOutcome = { kind: "rejected", code: 5, message: "No." };

/** A promise for the command at this entry. */
export function answered(server: ServerId, index: number, disks: number): ClusterEvent {
  const command = new Uint8Array(18);
  return event(server, "answered", { command, outcome: refusal, position: at(index), disks });
}

export const readAsked = (server: ServerId, readId: number) =>
  event(server, "readAsked", { readId });
export const readAnswered = (server: ServerId, readId: number, position: number, reached = true) =>
  event(server, "readAnswered", { readId, reached, position });

/** What was done with one command, by hand. */
export interface Result {
  readonly command?: Uint8Array;
  readonly outcome?: ChatOutcome;
  readonly events?: readonly ChatEvent[];
}

/** An applied entry with the results of its commands. */
export interface AppliedEntry {
  readonly index: number;
  readonly timestampMs?: number;
  readonly results?: readonly Result[];
}

export function applied(server: ServerId, ...entries: readonly AppliedEntry[]): ClusterEvent {
  const bare = Uint8Array.of(1);
  return event(server, "applied", {
    entries: entries.map(({ index, timestampMs = index, results = [] }) => ({
      index,
      timestampMs,
      commands: results.map(({ command = bare }) => command),
    })),
    applied: entries.flatMap(({ index, results = [] }) =>
      results.map(({ outcome = refusal, events = [] }, ordinal) => ({
        position: at(index, ordinal),
        outcome,
        events,
      })),
    ),
  });
}

/** Told by a real state machine. */
export function appliedBy(
  server: ServerId,
  entries: readonly CommittedEntry[],
  results: Fields<"applied">["applied"],
): ClusterEvent {
  return event(server, "applied", { entries, applied: results });
}

/** A command as it stands in the log. */
export function encode(
  body: Command["body"],
  sender: { readonly id?: number; readonly userId?: number; readonly sessionId?: number } = {},
): Uint8Array {
  const { id = 1, userId = 0, sessionId = 0 } = sender;
  const bytes = new Uint8Array(16).fill(id & 0xff);
  bytes[0] = id >> 8;
  return toBinary(CommandSchema, create(CommandSchema, { id: bytes, userId, sessionId, body }));
}

/**
 * A good run: server 1 leads term 1, entries 1 and 2 are on all disks, committed, and applied by
 * all; 2 is acknowledged.
 */
export function goodRun(): ClusterEvent[] {
  const entries = [
    [1, 1],
    [2, 1],
  ] as const;
  return [
    ...[1, 2, 3].map((server) => started(server)),
    saved(1, 1, 1),
    sent(1, { kind: "requestVote", term: 1, preVote: false }),
    saved(2, 1, 1),
    sent(2, {
      kind: "requestVoteResponse",
      to: 1,
      term: 1,
      preVote: false,
      granted: true,
    }),
    leads(1, 1),
    appended(1, ...entries),
    sent(1, { kind: "appendEntries", term: 1 }),
    saved(3, 1, 0),
    ...[2, 3].flatMap((server) => [
      received(server),
      follows(server, 1, 1),
      appended(server, ...entries),
      durable(server, 2),
      accepts(server, 2),
    ]),
    durable(1, 2),
    committed(1, 2),
    ...[1, 2, 3].flatMap((server) => [
      ...(server === 1 ? [] : [received(server), committed(server, 2), received(server)]),
      applied(server, { index: 1 }, { index: 2, results: [{}] }),
    ]),
    answered(1, 2, 3),
  ];
}

/** What a checker says of a run: undefined when it has nothing against it. */
export function judge(
  make: (logs: ServerLogs) => ClusterChecker,
  events: readonly ClusterEvent[],
  final: readonly FinalServer[] = [],
): string | undefined {
  const logs = new ServerLogs(3);
  const checker = make(logs);
  try {
    for (const each of events) {
      logs.see(each);
      checker.see(each);
    }
    checker.finish?.(final);
    return undefined;
  } catch (error) {
    if (error instanceof SafetyViolation) return error.message;
    throw error;
  }
}
