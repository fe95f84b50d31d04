// Reads a trace as the trace validation of etcd-io/raft does: walks a small model of Raft along its
// lines, and refuses the first line that is no step of the model, or after which the model is in
// another state than the line says. Of our own making after the actions of that specification; it
// knows nothing of how the trace is written. It checks one path where TLC would search, and of the
// invariants only that committed logs agree and that a term has one leader.

interface LineMessage {
  readonly type: string;
  readonly term: number;
  readonly from: string;
  readonly to: string;
  readonly entries: number;
  readonly logTerm: number;
  readonly index: number;
  readonly commit: number;
  readonly reject: boolean;
}

interface LineEvent {
  readonly name: string;
  readonly nid: string;
  readonly state: { readonly term: number; readonly vote: string; readonly commit: number };
  readonly role: string;
  readonly log: number;
  readonly conf: readonly (readonly string[])[];
  readonly msg?: LineMessage;
}

/** A message of the model; `entries` are their terms. */
interface ModelMessage {
  readonly type: string;
  readonly term: number;
  readonly from: string;
  readonly to: string;
  readonly previous?: { readonly index: number; readonly term: number };
  readonly entries?: readonly number[];
  readonly commit?: number;
  readonly success?: boolean;
  readonly match?: number;
}

interface ModelServer {
  readonly id: string;
  readonly voters: readonly string[];
  term: number;
  vote: string;
  role: string;
  /** Terms of its entries; the first has index 1. */
  log: number[];
  commit: number;
  granted: Set<string>;
  match: Map<string, number>;
  pending: ModelMessage[];
  durable: { term: number; vote: string; log: number; commit: number };
  /** Nothing but its beginning was seen so far. */
  isNew: boolean;
  /** Its line before. */
  last: LineEvent | undefined;
}

/** A line that the specification does not permit. */
export class TraceRefused extends Error {
  override name = "TraceRefused";
}

function refuse(why: string): never {
  throw new TraceRefused(why);
}

function require(condition: boolean, why: string): asserts condition {
  if (!condition) refuse(why);
}

/** The model, at some line of a trace. */
export class RaftSpecification {
  readonly #servers = new Map<string, ModelServer>();
  /** Messages that may be received, by what a line says of them. */
  readonly #messages = new Map<string, ModelMessage[]>();
  readonly #leaders = new Map<number, string>();
  /** How often each event was seen. */
  readonly seen: Record<string, number> = {};
  /** What the note at the end says, if there is one. */
  note = "";
  #previous = 0;
  #lines = 0;

  /** Takes the next line. Throws a TraceRefused. */
  see(text: string): void {
    const line = JSON.parse(text) as { tag: string; ts: number; text?: string; event: LineEvent };
    this.#lines++;
    // validate.sh sorts lines as text, from the third part on that colons cut.
    require(Number(text.split(":")[2]?.split(",")[0]) === line.ts, "validate.sh cannot sort it");
    require(line.ts > this.#previous && String(line.ts).length === 10, "lines are out of order");
    this.#previous = line.ts;
    require(this.note === "", "there is more after the trace's end");
    if (line.tag !== "trace") {
      this.note = line.text ?? "";
      return;
    }
    const { event } = line;
    const what = event.msg === undefined ? event.name : `${event.name} ${event.msg.type}`;
    this.seen[what] = (this.seen[what] ?? 0) + 1;
    try {
      this.#apply(event);
      this.#server(event.nid).last = event;
      this.#judge(event);
    } catch (error) {
      if (!(error instanceof TraceRefused)) throw error;
      throw new TraceRefused(`line ${this.#lines}: ${error.message}: ${text}`);
    }
  }

  #apply(event: LineEvent): void {
    const { name, nid } = event;
    if (name === "InitState") {
      this.#initialize(event);
      return;
    }
    const server = this.#server(nid);
    server.isNew = false;
    switch (name) {
      case "Ready":
        this.#ready(server);
        break;
      case "BecomeCandidate":
        require(server.role !== "StateLeader", "a leader does not time out");
        server.term++;
        Object.assign(server, { vote: nid, role: "StateCandidate", granted: new Set() });
        break;
      case "BecomeLeader": {
        require(server.role === "StateCandidate", "only a candidate becomes leader");
        require(isMajority(server, (id) => server.granted.has(id)), "no majority has voted");
        server.role = "StateLeader";
        server.match = new Map([[nid, server.log.length]]);
        const other = this.#leaders.get(server.term);
        require(other === undefined || other === nid, "a term has two leaders");
        this.#leaders.set(server.term, nid);
        break;
      }
      case "BecomeFollower":
        if (isByMessage(server.last, event)) {
          // The model has done it already, and may have voted since.
          require(server.role === "StateFollower", "a message that makes a follower");
          require(server.term === event.state.term, `the term is ${server.term}`);
          return;
        }
        require(server.role !== "StateFollower", "a follower steps down");
        server.role = "StateFollower";
        break;
      case "Replicate":
        require(server.role === "StateLeader", "only a leader appends by itself");
        require(event.log === server.log.length, "what it had before");
        server.log.push(server.term);
        return;
      case "Commit":
        this.#commit(server);
        break;
      default:
        this.#applyMessage(event, server);
        return;
    }
    requireState(server, event);
  }

  #initialize(event: LineEvent): void {
    const { nid, log, state } = event;
    const known = this.#servers.get(nid);
    if (known === undefined || known.isNew) {
      const { term, vote, commit } = state;
      require(log === 1 && commit === 1, "a log begins with the bootstrap entry alone");
      this.#servers.set(nid, {
        id: nid,
        voters: event.conf[0] ?? [],
        term,
        vote,
        role: "StateFollower",
        log: Array<number>(log).fill(1),
        commit,
        granted: new Set(),
        match: new Map(),
        pending: [],
        durable: { term, vote, log, commit },
        isNew: true,
        last: undefined,
      });
      return;
    }
    const { term, vote, commit, log: length } = known.durable;
    Object.assign(known, { term, vote, commit, role: "StateFollower", pending: [] });
    known.log.length = length;
    known.granted.clear();
    known.match.clear();
    requireState(known, event);
  }

  #ready(server: ModelServer): void {
    const { term, vote, commit, log } = server;
    server.durable = { term, vote, commit, log: log.length };
    for (const message of server.pending) {
      const key = keyOf(message, message.entries?.length ?? 0);
      const alike = this.#messages.get(key);
      if (alike === undefined) this.#messages.set(key, [message]);
      else alike.push(message);
    }
    server.pending = [];
  }

  #commit(server: ModelServer): void {
    require(server.role === "StateLeader", "only a leader commits by counting");
    let index = server.log.length;
    while (index > 0 && !isMajority(server, (id) => (server.match.get(id) ?? 0) >= index)) index--;
    if (server.log[index - 1] === server.term) server.commit = Math.max(server.commit, index);
    require(server.commit <= server.durable.log, "a leader commits what it does not have for good");
  }

  // ---- Messages ---------------------------------------------------------------------------------

  #applyMessage(event: LineEvent, server: ModelServer): void {
    const { name, msg } = event;
    require(msg !== undefined, "an event about a message");
    if (name.startsWith("Receive")) {
      require(msg.to === server.id, "a message to another");
      requireState(server, event);
      this.#receive(server, msg);
      return;
    }
    require(msg.from === server.id, "a message of another");
    const isToSelf = msg.from === msg.to;
    // What it answers is part of receiving, and was sent there.
    if (name.endsWith("Response") && !isToSelf) return;
    requireState(server, event);
    require(msg.term === server.term, "of another term");
    switch (msg.type) {
      case "MsgVote": {
        require(server.role === "StateCandidate", "only a candidate asks for votes");
        const last = { index: server.log.length, term: server.log.at(-1) ?? 0 };
        require(msg.index === last.index && msg.logTerm === last.term, "its own log's end");
        server.pending.push(messageOf(msg));
        return;
      }
      case "MsgVoteResp":
        require(server.role === "StateCandidate", "only a candidate votes for itself so");
        server.pending.push(messageOf(msg));
        return;
      case "MsgAppResp":
        require(server.role === "StateLeader", "only a leader answers itself");
        require(msg.index === server.log.length, "everything that it has");
        server.pending.push(messageOf(msg));
        return;
      default:
        this.#sendAppend(server, msg);
    }
  }

  #sendAppend(server: ModelServer, msg: LineMessage): void {
    require(server.role === "StateLeader", "only a leader sends entries");
    const match = server.match.get(msg.to) ?? 0;
    if (msg.type === "MsgHeartbeat") {
      require(msg.commit === Math.min(server.commit, match), "what is known to match");
      server.pending.push(messageOf(msg));
      return;
    }
    require(msg.index >= match, "what it has told to have");
    const last = msg.index + msg.entries;
    require(last <= server.log.length, "more entries than there are");
    require(msg.logTerm === (server.log[msg.index - 1] ?? 0), "the term of the entry before");
    require(msg.commit === Math.min(server.commit, last), "the commit index");
    server.pending.push({ ...messageOf(msg), entries: server.log.slice(msg.index, last) });
  }

  #receive(server: ModelServer, msg: LineMessage): void {
    const message = this.#take(msg);
    const { from, term, type } = message;
    if (term > server.term) Object.assign(server, { term, vote: "0", role: "StateFollower" });
    const isCurrent = term === server.term;
    switch (type) {
      case "MsgVote": {
        const { index, term: lastTerm } = message.previous ?? { index: 0, term: 0 };
        const ownTerm = server.log.at(-1) ?? 0;
        const isUpToDate =
          lastTerm > ownTerm || (lastTerm === ownTerm && index >= server.log.length);
        const success = isCurrent && isUpToDate && (server.vote === "0" || server.vote === from);
        if (success) server.vote = from;
        this.#answer(server, { type: "MsgVoteResp", to: from, success });
        return;
      }
      case "MsgVoteResp":
        if (isCurrent && message.success) server.granted.add(from);
        return;
      case "MsgApp":
      case "MsgHeartbeat":
        this.#receiveAppend(server, message);
        return;
      case "MsgAppResp":
        if (!isCurrent || !message.success) return;
        server.match.set(from, Math.max(server.match.get(from) ?? 0, message.match ?? 0));
        return;
    }
  }

  #receiveAppend(server: ModelServer, message: ModelMessage): void {
    const { type, from: to, term, previous = { index: 0, term: 0 }, entries = [] } = message;
    if (term === server.term && server.role === "StateCandidate") server.role = "StateFollower";
    const { log } = server;
    const isKnown = previous.index === 0 || log[previous.index - 1] === previous.term;
    if (term < server.term || !isKnown) {
      this.#answer(server, { type: "MsgAppResp", to, success: false });
      return;
    }
    require(server.role === "StateFollower", "a leader is sent entries in its term");
    const commit = message.commit ?? 0;
    if (type === "MsgHeartbeat") {
      server.commit = Math.max(server.commit, commit);
      this.#answer(server, { type: "MsgHeartbeatResp", to, success: true });
      return;
    }
    let match = server.commit;
    if (previous.index >= server.commit) {
      match = previous.index + entries.length;
      const conflict = entries.findIndex((each, at) => log[previous.index + at] !== each);
      if (conflict >= 0) {
        require(previous.index + conflict >= server.commit, "what is committed would be cut");
        log.splice(previous.index + conflict, log.length, ...entries.slice(conflict));
      }
      server.commit = Math.max(server.commit, Math.min(commit, match));
    }
    this.#answer(server, { type: "MsgAppResp", to, success: true, match });
  }

  #answer(
    server: ModelServer,
    answer: { type: string; to: string; success: boolean; match?: number },
  ): void {
    const { type, to, success, match } = answer;
    const heard = { type, term: server.term, from: server.id, to, success };
    server.pending.push(match === undefined ? heard : { ...heard, match });
  }

  /** The message that a line means, which must be under way. */
  #take(msg: LineMessage): ModelMessage {
    const key = keyOf(messageOf(msg), msg.entries);
    const alike = this.#messages.get(key);
    const message = alike?.shift();
    if (alike?.length === 0) this.#messages.delete(key);
    return message ?? refuse("no such message is under way");
  }

  #server(id: string): ModelServer {
    return this.#servers.get(id) ?? refuse(`server ${id} has not begun`);
  }

  /** Committed logs agree. */
  #judge({ nid }: LineEvent): void {
    const { log, commit } = this.#server(nid);
    require(commit <= log.length, "more is committed than is there");
    for (const other of this.#servers.values()) {
      const end = Math.min(commit, other.commit);
      // Equal terms at equal indexes mean equal logs up to there.
      require(log[end - 1] === other.log[end - 1], "committed logs differ");
    }
  }
}

function isMajority({ voters }: ModelServer, has: (id: string) => boolean): boolean {
  return voters.filter(has).length * 2 > voters.length;
}

/** Whether the line before explains that a server has become a follower. */
function isByMessage(last: LineEvent | undefined, { state }: LineEvent): boolean {
  const msg = last?.msg;
  if (last === undefined || msg === undefined || !last.name.startsWith("Receive")) return false;
  if (msg.term !== state.term) return false;
  if (last.state.term < msg.term) return true;
  return last.name === "ReceiveAppendEntriesRequest" && last.role === "StateCandidate";
}

/** What a line says of a message: of entries only how many. */
function keyOf({ entries: _, ...message }: ModelMessage, entries: number): string {
  return JSON.stringify([message, entries]);
}

/** A line's message, as far as the line tells it. */
function messageOf(msg: LineMessage): ModelMessage {
  const { type, term, from, to, index, logTerm, commit, reject } = msg;
  const envelope = { type, term, from, to };
  switch (type) {
    case "MsgVote":
      return { ...envelope, previous: { index, term: logTerm } };
    case "MsgApp":
      return { ...envelope, previous: { index, term: logTerm }, commit };
    case "MsgHeartbeat":
      return { ...envelope, commit };
    case "MsgAppResp":
      return { ...envelope, success: !reject, ...(reject ? {} : { match: index }) };
    default:
      return { ...envelope, success: !reject };
  }
}

function requireState(server: ModelServer, { state, role, log, conf }: LineEvent): void {
  require(server.term === state.term, `the term is ${server.term}`);
  require(server.role === role, `the role is ${server.role}`);
  require(server.vote === state.vote, `the vote is ${server.vote}`);
  require(server.commit === state.commit, `the commit index is ${server.commit}`);
  require(server.log.length === log, `the log has ${server.log.length} entries`);
  require(JSON.stringify(conf) === JSON.stringify([server.voters, []]), "the configuration");
}
