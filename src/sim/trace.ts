// Writes a run down, one line an event, in fixed columns: what docs/TESTING.md explains under
// "Reading a trace". The same seed gives the same lines, byte for byte. Only reads what it is told.
import { assertNever } from "../base/assert.ts";
import { toHex } from "../base/bytes.ts";
import type { PeerMessage } from "../raft/index.ts";
import type { ClusterEvent, IdentityFacts, ServerId } from "./cluster-event.ts";
import type { HistoryRecord } from "./history.ts";

/** What the trace knows of a server; the columns before the event. */
interface Standing {
  role: string;
  term: number;
  committed: number;
  durable: number;
  applied: number;
}

/** Turns events into lines. One for each run. */
export class Trace {
  readonly #standings = new Map<ServerId, Standing>();

  /** The columns' names, to be written first. */
  static readonly header =
    "      time ms  sv  r  term  committed  durable  applied  event             what";

  line(event: ClusterEvent): string {
    const standing = this.#standing(event.server);
    note(standing, event);
    const columns = [
      event.atMs.toFixed(3).padStart(13),
      `s${event.server}`.padEnd(3),
      standing.role.padEnd(2),
      String(standing.term).padStart(4),
      String(standing.committed).padStart(10),
      String(standing.durable).padStart(8),
      String(standing.applied).padStart(8),
      "",
      event.kind.padEnd(17),
      describe(event),
    ];
    return columns.join(" ").trimEnd();
  }

  /** A client's line: what it asked, was answered or was given. */
  recordLine(record: HistoryRecord): string {
    const client = "client" in record ? record.client : `server ${record.server}`;
    return `              ${client}  ${JSON.stringify(record)}`;
  }

  #standing(server: ServerId): Standing {
    let standing = this.#standings.get(server);
    if (standing === undefined) {
      standing = { role: "-", term: 0, committed: 0, durable: 0, applied: 0 };
      this.#standings.set(server, standing);
    }
    return standing;
  }
}

const roleLetters = { follower: "F", preCandidate: "P", candidate: "C", leader: "L" };

function note(standing: Standing, event: ClusterEvent): void {
  switch (event.kind) {
    case "started":
      standing.role = "F";
      standing.term = event.hardState.term;
      standing.committed = 0;
      standing.durable = event.lastIndex;
      standing.applied = event.appliedIndex;
      break;
    case "died":
    case "refusedToStart":
      standing.role = "-";
      break;
    case "paused":
      standing.role = standing.role.toLowerCase();
      break;
    case "resumed":
      standing.role = standing.role.toUpperCase();
      break;
    case "roleChanged":
      standing.role = roleLetters[event.role];
      standing.term = event.hardState.term;
      break;
    case "hardStateSaved":
      standing.term = event.hardState.term;
      break;
    case "logDurable":
      standing.durable = event.index;
      break;
    case "committed":
      standing.committed = event.commitIndex;
      break;
    case "applied":
      standing.applied = event.entries.at(-1)?.index ?? standing.applied;
      break;
  }
}

function describe(event: ClusterEvent): string {
  switch (event.kind) {
    case "started":
      return `life ${event.life}, vote for ${event.hardState.votedFor}, ${describeFolder(event)}`;
    case "identitySaved":
      return describeFolder(event);
    case "checkpoint":
      return `at ${event.index}`;
    case "snapshotTaken":
    case "snapshotFetched":
      return `of entry ${event.index}, ${toHex(event.digest.subarray(0, 8))}`;
    case "stateInstalled":
      return `of entry ${event.index}, ${event.digest.slice(0, 16)}`;
    case "stateDamaged":
      return event.by;
    case "refusedToStart":
      return event.reason;
    case "died":
      return event.how;
    case "mended":
      return event.finding;
    case "startedAnew":
      return event.reason;
    case "compacted":
      return `up to ${event.index}`;
    case "diskReplaced":
      return event.by;
    case "roleChanged":
      return `${event.role}, leader ${event.leader}`;
    case "hardStateSaved":
      return `term ${event.hardState.term}, vote for ${event.hardState.votedFor}`;
    case "messageSent":
      return `to s${event.message.to}: ${describeMessage(event.message)}`;
    case "messageReceived":
      return `of s${event.message.from}: ${describeMessage(event.message)}`;
    case "appended": {
      const [first, last] = [event.entries[0], event.entries.at(-1)];
      return `entries ${first?.index}-${last?.index} of term ${last?.term}`;
    }
    case "logDurable":
      return `up to ${event.index}`;
    case "committed":
      return `up to ${event.commitIndex}`;
    case "applied":
      return `${event.applied.length} commands of ${event.entries.length} entries`;
    case "answered":
      return describeAnswer(event);
    case "readAsked":
      return `read ${event.readId}`;
    case "readAnswered":
      return `read ${event.readId} ${event.reached ? "at" : "not served at"} ${event.position}`;
    case "crashPoint":
      return `${event.point}${event.struck ? " strikes" : ""}`;
    case "peerConnected":
    case "peerDisconnected":
    case "islandRecovered":
    case "islandDurable":
    case "islandMode":
    case "heldAnswered":
    case "notHeldAnswered":
      return describeIsland(event);
    case "islandErased":
    case "paused":
    case "resumed":
    case "diskDamaged":
    case "machineAdded":
      return "";
    default:
      return assertNever(event, "event");
  }
}

type IslandEvent = Extract<
  ClusterEvent,
  {
    kind:
      | "peerConnected"
      | "peerDisconnected"
      | "islandRecovered"
      | "islandDurable"
      | "islandMode"
      | "heldAnswered"
      | "notHeldAnswered";
  }
>;

function describeIsland(event: IslandEvent): string {
  switch (event.kind) {
    case "peerConnected":
    case "peerDisconnected":
      return `server ${event.peer}`;
    case "islandRecovered":
    case "islandDurable":
      return `${event.items.length} items`;
    case "islandMode":
      return event.open ? `open with ${event.servers}` : "closed";
    case "heldAnswered":
      return `held on ${event.disks} disks`;
    case "notHeldAnswered":
      return event.outcome.kind === "accepted"
        ? "accepted before"
        : `refused ${event.outcome.code}`;
  }
}

function describeFolder(folder: IdentityFacts & { readonly baseIndex?: number }): string {
  const { birth, joinedIndex, abstains, isFormed, logEpoch, baseIndex } = folder;
  const words = [
    `folder ${birth.slice(0, 8)}`,
    ...(isFormed ? [] : ["in no cluster"]),
    ...(joinedIndex > 0 ? [`joined at ${joinedIndex}`] : []),
    ...(logEpoch > 0 ? [`log epoch ${logEpoch}`] : []),
    ...(abstains ? ["abstains"] : []),
    ...(baseIndex === undefined || baseIndex === 0 ? [] : [`log after ${baseIndex}`]),
  ];
  return words.join(", ");
}

function describeAnswer(event: Extract<ClusterEvent, { kind: "answered" }>): string {
  const { outcome, position, disks, command } = event;
  const what = outcome.kind === "accepted" ? outcome.answer.kind : `refused ${outcome.code}`;
  return `${what} at ${position} on ${disks} disks, command ${toHex(command.subarray(2, 18))}`;
}

function describeMessage(message: PeerMessage): string {
  const { kind, term } = message;
  const head = `${kind} t${term}`;
  switch (kind) {
    case "requestVote":
      return (
        `${head}${message.preVote ? " pre" : ""} ` +
        `log ${message.lastLogIndex}/${message.lastLogTerm}`
      );
    case "requestVoteResponse":
      return `${head}${message.preVote ? " pre" : ""} ${message.granted ? "granted" : "refused"}`;
    case "appendEntries":
      return (
        `${head} after ${message.previousLogIndex}/${message.previousLogTerm}, ` +
        `${message.entries.length} entries, commit ${message.commitIndex}`
      );
    case "appendEntriesResponse":
      return `${head} ${message.accepted ? "accepted" : "refused"} ${message.index}`;
    case "heartbeat":
      return `${head} commit ${message.commitIndex}, read ${message.readSequence}`;
    case "heartbeatResponse":
      return `${head} read ${message.readSequence}`;
    case "readIndex":
    case "readIndexResponse":
      return `${head} ${message.requestId}`;
    case "installSnapshot":
    case "installSnapshotResponse":
      return `${head} last ${message.lastIndex}`;
    case "timeoutNow":
      return head;
    case "transferLeadership":
      return `${head} to s${message.target}`;
    default:
      return assertNever(message, "message");
  }
}
