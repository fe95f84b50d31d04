// The Raft log is never touched without a majority (decision 0013): that of a server in island mode
// does not change while it knows no leader. And what is in the log's tail when an island opens is
// held by it, every message: so people see what was acknowledged to them (design.md §6).
import { fromBinary } from "@bufbuild/protobuf";
import { EntryPayloadSchema } from "../../../proto/gen/cluster/v1/peer_pb.js";
import type { Entry } from "../../../raft/index.ts";
import { type ClusterChecker, SafetyViolation } from "../../checker.ts";
import type { ClusterEvent, ServerId } from "../../cluster-event.ts";
import { readHeldCommand, readMerge } from "../../held-item.ts";
import {
  type CommandResult,
  type FirstApplication,
  FirstApplications,
} from "../applied-commands.ts";
import type { ServerLogs } from "../server-logs.ts";
import type { HeldLogs } from "./held-logs.ts";

/** Judges what servers in island mode do to their log, and what they take from it. */
export class IslandLeavesLog implements ClusterChecker, FirstApplication {
  readonly name = "island-leaves-log";
  readonly #logs: ServerLogs;
  readonly #held: HeldLogs;
  readonly #applications = new FirstApplications();
  readonly #open = new Set<ServerId>();
  readonly #leaders = new Map<ServerId, ServerId>();
  /** Keys of the messages in an entry, by index and term. */
  readonly #messages = new Map<string, readonly string[]>();
  /** Index of the entry by which a message took effect first, by key. */
  readonly #appliedAt = new Map<string, number>();

  constructor(logs: ServerLogs, held: HeldLogs) {
    this.#logs = logs;
    this.#held = held;
  }

  see(event: ClusterEvent): void {
    const { server } = event;
    switch (event.kind) {
      case "started":
      case "died":
        this.#open.delete(server);
        this.#leaders.set(server, 0);
        break;
      case "roleChanged":
        this.#leaders.set(server, event.leader);
        break;
      case "appended":
        this.#checkUntouched(server, "appends entries");
        for (const entry of event.entries) this.#note(entry);
        break;
      case "compacted":
        this.#checkUntouched(server, "cuts its log");
        break;
      case "applied":
        this.#applications.forEach(event, this);
        break;
      case "islandMode":
        if (event.open && !this.#open.has(server)) this.#checkTail(server);
        if (event.open) this.#open.add(server);
        else this.#open.delete(server);
        break;
    }
  }

  command(
    encoded: Uint8Array,
    { outcome }: CommandResult,
    entry: { readonly index: number },
  ): void {
    const key = (readMerge(encoded)?.held ?? readHeldCommand(encoded))?.key;
    if (key === undefined || outcome.kind !== "accepted") return;
    if (!this.#appliedAt.has(key)) this.#appliedAt.set(key, entry.index);
  }

  #note({ index, term, kind, payload }: Entry): void {
    const name = `${index}:${term}`;
    if (kind !== "commands" || this.#messages.has(name)) return;
    const keys: string[] = [];
    for (const { command } of fromBinary(EntryPayloadSchema, payload).proposals) {
      const held = readHeldCommand(command);
      if (held?.kind === "message") keys.push(held.key);
    }
    this.#messages.set(name, keys);
  }

  #checkUntouched(server: ServerId, what: string): void {
    if (!this.#open.has(server) || (this.#leaders.get(server) ?? 0) !== 0) return;
    this.#fail(`server ${server} ${what} in island mode, without a leader`);
  }

  #checkTail(server: ServerId): void {
    const { terms, appliedIndex } = this.#logs.of(server);
    for (let index = appliedIndex + 1; index < terms.length; index++) {
      for (const key of this.#messages.get(`${index}:${terms[index]}`) ?? []) {
        const isApplied = (this.#appliedAt.get(key) ?? Number.POSITIVE_INFINITY) <= appliedIndex;
        if (isApplied || this.#held.has(server, key)) continue;
        this.#fail(`server ${server} opens an island without ${key}, of its log's entry ${index}`);
      }
    }
  }

  #fail(message: string): never {
    throw new SafetyViolation(this.name, message);
  }
}
