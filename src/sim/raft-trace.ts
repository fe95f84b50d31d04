// Writes down what the cores of a cluster do, one JSON object a line, for the trace validation of
// etcd-io/raft, whose specification then says whether Raft permits it. docs/TESTING.md tells how,
// and what is left out. Judges nothing: where cores do what they must not, that is what is written.
import { assertDefined } from "../base/assert.ts";
import type { CoreView, Observer, PeerMessage, Role } from "../raft/index.ts";
import {
  bootstrapShift,
  eventLine,
  isTraced,
  messageEventName,
  noteLine,
  type TracedPeerMessage,
  type TraceEventName,
  type TraceMessage,
  type TraceState,
  toTraceMessage,
} from "./raft-trace-event.ts";
import { type Flight, Flights } from "./raft-trace-flights.ts";
import {
  belongs,
  isAnswerTo,
  isEqual,
  isPast,
  isVoteOf,
  type Reception,
} from "./raft-trace-rules.ts";

/** What a trace is made with. */
export interface RaftTraceOptions {
  /** Takes each line, without its end. */
  readonly write: (line: string) => void;
}

/** What a core has told within one step. */
type Call =
  | { readonly kind: "received" | "sent"; readonly message: PeerMessage }
  | { readonly kind: "role"; readonly role: Role; readonly term: number }
  | { readonly kind: "log"; readonly cutAt: number }
  | { readonly kind: "committed" };

/** A server as the trace has it. */
interface Server {
  readonly id: number;
  readonly voters: readonly number[];
  /** What was written of it last. Its term may be behind the core's: see `#receive`. */
  readonly state: TraceState;
  /** What it would restart with: its state when it was `Ready` last. */
  durable: TraceState;
  /** Its core at the end of its last step. */
  core: CoreView;
  /** Sent since it was `Ready` last. */
  pending: Flight[];
  /** What others have heard of it, so that it must be durable: term, vote, and the log's end. */
  readonly promised: Pick<TraceState, "term" | "vote" | "log">;
  /** At a leader, what others have said to hold, by server. */
  readonly match: Map<number, number>;
  /** The messages to itself that the specification asks of it: a candidate's vote for itself, … */
  ownVote: Flight | undefined;
  /** … and a leader's word that it has appended. */
  ownAnswers: Flight[];
}

/** The trace of one run. */
export class RaftTrace {
  readonly #options: RaftTraceOptions;
  readonly #servers = new Map<number, Server>();
  readonly #flights = new Flights();
  #lines = 0;
  #hasEnded = false;

  constructor(options: RaftTraceOptions) {
    this.#options = options;
  }

  /** What listens to the cores of one server, one process after the other. */
  observerOf(_server: number): Observer {
    let calls: Call[] = [];
    return {
      started: (view) => {
        calls = [];
        if (!this.#hasEnded) this.#start(view);
      },
      messageReceived: (message) => calls.push({ kind: "received", message }),
      messageSent: (message) => calls.push({ kind: "sent", message }),
      roleChanged: ({ role, hardState }) =>
        calls.push({ kind: "role", role, term: hardState.term + bootstrapShift }),
      logChanged: ({ cutAt }) => calls.push({ kind: "log", cutAt }),
      committed: () => calls.push({ kind: "committed" }),
      configurationChanged: () =>
        this.#end("the configuration changes, which counts here before it is committed"),
      stepEnded: (view) => {
        const step = calls;
        calls = [];
        if (!this.#hasEnded) this.#step(step, view);
      },
    };
  }

  // ---- Beginnings -------------------------------------------------------------------------------

  #start(core: CoreView): void {
    const server = this.#servers.get(core.id);
    if (server === undefined) this.#startFirst(core);
    else this.#restart(server, core);
  }

  #startFirst(core: CoreView): void {
    const { id, hardState, lastIndex, commitIndex, configuration } = core;
    if (lastIndex !== 0) {
      this.#end(`server ${id} has a log from before the trace`);
      return;
    }
    const state: TraceState = {
      term: hardState.term + bootstrapShift,
      vote: hardState.votedFor,
      role: "StateFollower",
      commit: commitIndex + bootstrapShift,
      log: lastIndex + bootstrapShift,
    };
    const server: Server = {
      id,
      voters: configuration.voters,
      state,
      durable: { ...state },
      core,
      pending: [],
      promised: { term: 0, vote: 0, log: 0 },
      match: new Map(),
      ownVote: undefined,
      ownAnswers: [],
    };
    this.#servers.set(id, server);
    this.#write(server, "InitState");
  }

  /**
   * The specification restarts a server with all that it had when it was `Ready` last, and writes
   * and sends everything in one. A real disk may hold more, or less: a leader sends entries while
   * its own disk writes them. What others have heard must be there; where it is not, what is there
   * is written, and refused.
   */
  #restart(server: Server, core: CoreView): void {
    const { state, durable, promised } = server;
    const log = core.lastIndex + bootstrapShift;
    const isNow = state.log === log && isVoteOf(state, core);
    const isAsReady = durable.log === log && isVoteOf(durable, core);
    const keepsWord = promised.log <= log && isPast(promised, core);
    if (isNow) {
      if (server.pending.length > 0 || !isEqual(state, durable)) this.#ready(server);
    } else if (!isAsReady && keepsWord) {
      this.#end(`server ${server.id} restarts with another part of what it had`);
      return;
    }
    for (const flight of server.pending) flight.state = "void";
    server.pending = [];
    this.#forgetRole(server);
    Object.assign(state, server.durable, { role: "StateFollower" });
    if (!isNow && !isAsReady) {
      const { term, votedFor } = core.hardState;
      Object.assign(state, { term: term + bootstrapShift, vote: votedFor, log });
    }
    server.core = core;
    this.#write(server, "InitState");
  }

  #end(why: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#options.write(noteLine(this.#lines++, `the trace ends here: ${why}`));
    this.#servers.clear();
    this.#flights.clear();
  }

  // ---- Steps ------------------------------------------------------------------------------------

  #step(calls: readonly Call[], after: CoreView): void {
    const server = assertDefined(this.#servers.get(after.id), `server ${after.id}`);
    for (const call of calls) {
      if (call.kind !== "log" || call.cutAt === 0) continue;
      server.promised.log = Math.min(server.promised.log, call.cutAt - 1 + bootstrapShift);
    }
    const before = server.core;
    server.core = after;
    const first = calls[0];
    const rest =
      first?.kind === "received"
        ? this.#hear(server, { message: first.message, calls: calls.slice(1), before, after })
        : calls;
    if (this.#hasEnded) return;
    if (after.stableIndex > before.stableIndex) this.#handleDurable(server, after);
    for (const call of rest) this.#tell(server, call, after);
  }

  /** Writes what came, if it belongs into the trace. Answers with what the step did besides. */
  #hear(
    server: Server,
    step: {
      readonly message: PeerMessage;
      readonly calls: readonly Call[];
      readonly before: CoreView;
      readonly after: CoreView;
    },
  ): readonly Call[] {
    const { message, calls, before, after } = step;
    if (message.kind === "installSnapshot") {
      this.#end(`server ${server.id} receives a snapshot, which no lagging server can there`);
      return [];
    }
    if (!isTraced(message)) return calls;
    const flight = this.#flights.take(message);
    const isAnswer = (call: Call) => call.kind === "sent" && isAnswerTo(message, call.message);
    const found = calls.find(isAnswer);
    const answer = found?.kind === "sent" && isTraced(found.message) ? found.message : undefined;
    const reception = { message, answer, before, after };
    if (flight === undefined) {
      // A second copy, as a rule of no consequence.
      if (calls.some(({ kind }) => kind === "log" || kind === "committed")) {
        this.#end(`server ${server.id} goes by a message that is not under way there`);
      }
    } else if (belongs(server.state, reception)) {
      this.#receive(server, flight, reception);
    }
    return calls.filter((call) => !isAnswer(call));
  }

  /**
   * A message as the specification handles it. Its term rises by these messages alone; where a core
   * learns a term otherwise (of a refused pre-vote, say), the trace keeps the old one until a
   * message of these brings it, or the server stands for election.
   */
  #receive(server: Server, flight: Flight, reception: Reception): void {
    const { state, match } = server;
    const { message, answer } = reception;
    const { from, term, type } = flight.message;
    this.#deliver(server, flight);
    const isOfLeader = type === "MsgApp" || type === "MsgHeartbeat";
    if (term > state.term) {
      this.#forgetRole(server);
      Object.assign(state, { term, vote: 0, role: "StateFollower" });
      this.#write(server, "BecomeFollower");
    } else if (isOfLeader && term === state.term && state.role === "StateCandidate") {
      state.role = "StateFollower";
      this.#write(server, "BecomeFollower");
    }
    switch (message.kind) {
      case "requestVote":
        if (answer?.kind === "requestVoteResponse" && answer.granted) state.vote = from;
        if (answer !== undefined) this.#send(server, answer);
        return;
      case "appendEntries":
        this.#append(server, flight.message, reception);
        return;
      case "heartbeat":
        if (term === state.term) this.#commitTo(server, flight.message.commit);
        if (answer !== undefined) this.#send(server, answer);
        return;
      case "appendEntriesResponse":
        if (!flight.message.reject && term === state.term) {
          match.set(from, Math.max(match.get(from) ?? 0, flight.message.index));
        }
        return;
    }
  }

  /** A follower's append, or its refusal. */
  #append(server: Server, sent: TraceMessage, { answer, before, after }: Reception): void {
    const { state } = server;
    if (answer?.kind !== "appendEntriesResponse") return;
    if (!answer.accepted) {
      this.#send(server, answer);
      return;
    }
    const known = state.commit;
    const log = after.lastIndex + bootstrapShift;
    const verified = sent.index + sent.entries;
    const isCommitted = sent.index < known;
    if (isCommitted && log !== state.log) {
      this.#end(`server ${server.id} has forgotten in a restart what was committed`);
      return;
    }
    state.log = log;
    if (!isCommitted) this.#commitTo(server, Math.min(sent.commit, verified));
    // A core forgets in a restart what it had not applied; the specification does not.
    const remembers = known > before.commitIndex + bootstrapShift;
    if (isCommitted && remembers) this.#send(server, answer, { index: known });
    else this.#send(server, answer);
  }

  /** At a follower: by what it was told, and by what its core makes of it. */
  #commitTo(server: Server, told: number): void {
    const { state, core } = server;
    state.commit = Math.max(state.commit, told, core.commitIndex + bootstrapShift);
  }

  /** The rest of a step, which no message has to explain. */
  #tell(server: Server, call: Call, after: CoreView): void {
    if (this.#hasEnded) return;
    const { state } = server;
    switch (call.kind) {
      case "role":
        this.#tellRole(server, call);
        return;
      case "log":
        if (state.role === "StateLeader") this.#replicate(server, after);
        return;
      case "committed":
        if (state.role !== "StateLeader") return;
        state.commit = Math.max(state.commit, after.commitIndex + bootstrapShift);
        this.#write(server, "Commit");
        return;
      case "sent":
        if (isTraced(call.message)) this.#ask(server, call.message);
        return;
    }
  }

  #tellRole(server: Server, { role, term }: { readonly role: Role; readonly term: number }): void {
    const { state, id } = server;
    switch (role) {
      case "follower":
      case "preCandidate":
        if (state.role === "StateFollower") return;
        this.#forgetRole(server);
        state.role = "StateFollower";
        this.#write(server, "BecomeFollower");
        return;
      case "candidate":
        while (state.term < term) {
          Object.assign(state, { term: state.term + 1, vote: id, role: "StateCandidate" });
          this.#write(server, "BecomeCandidate");
        }
        server.ownVote = this.#sendToSelf(server, { type: "MsgVoteResp", index: 0 });
        return;
      case "leader":
        this.#deliver(server, assertDefined(server.ownVote, "a candidate's vote for itself"));
        this.#forgetRole(server);
        state.role = "StateLeader";
        server.match.set(id, state.log);
        this.#write(server, "BecomeLeader");
        return;
    }
  }

  /** A leader's new entries, one event each, and its word to itself that it has them. */
  #replicate(server: Server, after: CoreView): void {
    const { state } = server;
    while (state.log < after.lastIndex + bootstrapShift) {
      this.#write(server, "Replicate");
      state.log++;
    }
    const answer = this.#sendToSelf(server, { type: "MsgAppResp", index: state.log });
    server.ownAnswers.push(answer);
  }

  /** A leader's own disk counts; and any disk that has everything makes a good place to restart. */
  #handleDurable(server: Server, { stableIndex, lastIndex }: CoreView): void {
    const { state, id } = server;
    const isDurable = ({ message }: Flight) => message.index <= stableIndex + bootstrapShift;
    const answer = server.ownAnswers.findLast(isDurable);
    server.ownAnswers = server.ownAnswers.filter((flight) => !isDurable(flight));
    if (answer !== undefined) {
      this.#deliver(server, answer);
      server.match.set(id, Math.max(server.match.get(id) ?? 0, answer.message.index));
    }
    if (stableIndex === lastIndex && server.durable.log !== state.log) this.#ready(server);
  }

  #forgetRole(server: Server): void {
    server.match.clear();
    server.ownVote = undefined;
    server.ownAnswers = [];
  }

  // ---- Messages ---------------------------------------------------------------------------------

  /** What a candidate or a leader sends of its own accord. */
  #ask(server: Server, message: TracedPeerMessage): void {
    const { state, match, id } = server;
    const matched = match.get(message.to) ?? 0;
    switch (message.kind) {
      case "requestVote":
        this.#send(server, message);
        return;
      case "appendEntries": {
        const start = message.previousLogIndex + bootstrapShift;
        if (start < matched) {
          this.#end(`server ${id} repeats entries to one that has forgotten to have them`);
          return;
        }
        const known = Math.max(state.commit, message.commitIndex + bootstrapShift);
        this.#send(server, message, { commit: Math.min(known, start + message.entries.length) });
        return;
      }
      case "heartbeat": {
        const told = message.commitIndex === 0 ? 0 : message.commitIndex + bootstrapShift;
        this.#send(server, message, { commit: Math.max(told, Math.min(state.commit, matched)) });
        return;
      }
    }
  }

  #send(
    server: Server,
    message: TracedPeerMessage,
    changes?: { readonly commit?: number; readonly index?: number },
  ): void {
    const flight = this.#depart(server, toTraceMessage(message, changes));
    this.#flights.add(message, flight);
  }

  #sendToSelf(
    server: Server,
    { type, index }: { readonly type: "MsgVoteResp" | "MsgAppResp"; readonly index: number },
  ): Flight {
    const { id, state } = server;
    const empty = { entries: 0, logTerm: 0, commit: 0, reject: false };
    return this.#depart(server, { type, term: state.term, from: id, to: id, index, ...empty });
  }

  #depart(server: Server, message: TraceMessage): Flight {
    const flight: Flight = { message, vote: server.state.vote, state: "pending" };
    server.pending.push(flight);
    this.#write(server, messageEventName("Send", message), message);
    return flight;
  }

  /** A message arrives; its sender must have been `Ready`, and is as late as can be. */
  #deliver(server: Server, flight: Flight): void {
    const { message } = flight;
    const sender = assertDefined(this.#servers.get(message.from), `server ${message.from}`);
    if (flight.state === "pending") this.#ready(sender);
    if (sender !== server) notePromise(sender, flight);
    flight.state = "void";
    this.#write(server, messageEventName("Receive", message), message);
  }

  #ready(server: Server): void {
    this.#write(server, "Ready");
    server.durable = { ...server.state };
    for (const flight of server.pending) flight.state = "sent";
    server.pending = [];
  }

  #write(server: Server, name: TraceEventName, message?: TraceMessage): void {
    const { id, state, voters } = server;
    this.#options.write(eventLine(this.#lines++, { name, server: id, state, voters, message }));
  }
}

/** Another server has heard this of its sender. */
function notePromise({ promised, state }: Server, { message, vote }: Flight): void {
  const { term, type, reject, index } = message;
  if (term > promised.term) Object.assign(promised, { term, vote });
  else if (term === promised.term && vote !== 0) promised.vote = vote;
  // Of an older term, what it answered for may have been cut since.
  if (type === "MsgAppResp" && !reject && term === state.term) {
    promised.log = Math.max(promised.log, index);
  }
}
