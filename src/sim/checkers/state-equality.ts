// The same entries give the same outcomes, the same events and the same state on every server, also
// when one applies them again after a crash (src/chat/SPEC.md LG3).
import { commandsPerEntryMax } from "../../base/position.ts";
import type { Audience, ChatEvent, ChatOutcome } from "../../chat/index.ts";
import { type ClusterChecker, type FinalServer, SafetyViolation } from "../checker.ts";
import type { ClusterEvent } from "../cluster-event.ts";
import type { AppliedEvent } from "./applied-commands.ts";
import { ContentHash } from "./content-hash.ts";

/** Judges what every application comes to, and the states at the end. */
export class StateEquality implements ClusterChecker {
  readonly name = "state-equality";
  /** By index: hash over what all its commands came to. */
  readonly #results: number[] = [];
  readonly #hash = new ContentHash();

  see(event: ClusterEvent): void {
    if (event.kind === "applied") this.#checkApplied(event);
  }

  finish(servers: readonly FinalServer[]): void {
    const digests = new Map<number, FinalServer>();
    for (const server of servers) {
      const other = digests.get(server.appliedIndex);
      if (other === undefined) digests.set(server.appliedIndex, server);
      else if (other.stateDigest !== server.stateDigest) {
        this.#fail(
          `servers ${other.server} and ${server.server} differ in their tables ` +
            `after entry ${server.appliedIndex}`,
        );
      }
    }
  }

  #checkApplied({ server, entries, applied }: AppliedEvent): void {
    const hash = this.#hash;
    let at = 0;
    for (const { index, commands } of entries) {
      hash.reset();
      for (let ordinal = 0; ordinal < commands.length; ordinal++) {
        const result = applied[at++];
        const position = index * commandsPerEntryMax + ordinal;
        if (result?.position !== position) {
          this.#fail(`server ${server} has no result for the command at ${position}`);
        }
        addOutcome(hash, result.outcome);
        for (const each of result.events) addEvent(hash, each);
      }
      const value = hash.value();
      const known = this.#results[index];
      if (known === undefined) this.#results[index] = value;
      else if (known !== value) {
        this.#fail(`server ${server} came to another result than others at entry ${index}`);
      }
    }
    if (at !== applied.length)
      this.#fail(`server ${server} answers for commands that are not there`);
  }

  #fail(message: string): never {
    throw new SafetyViolation(this.name, message);
  }
}

function addOutcome(hash: ContentHash, outcome: ChatOutcome): void {
  hash.text(outcome.kind);
  if (outcome.kind === "rejected") {
    hash.number(outcome.code).text(outcome.message);
    return;
  }
  const { answer, position, repeated } = outcome;
  hash
    .text(answer.kind)
    .number(position)
    .number(repeated ? 1 : 0);
  if ("roomId" in answer) hash.number(answer.roomId);
  if ("userId" in answer) hash.number(answer.userId);
  if ("sessionId" in answer) hash.number(answer.sessionId);
  if ("number" in answer) hash.number(answer.number);
}

function addEvent(hash: ContentHash, { audience, event }: ChatEvent): void {
  const { body } = event;
  hash.number(Number(event.position)).text(body.case ?? "");
  addAudience(hash, audience);
  switch (body.case) {
    case "item": {
      const { value: item } = body;
      hash.number(item.roomId).number(item.number).number(Number(item.position));
      hash.number(Number(item.timestampMs)).number(item.authorId).text(item.authorUsername);
      hash.bytes(item.commandId).text(item.content.case ?? "");
      if (item.content.case === "body") hash.text(item.content.value);
      hash.number(Number(item.writtenMs));
      break;
    }
    case "setAside": {
      const { value: message } = body;
      hash.number(message.roomId).number(message.authorId).text(message.authorUsername);
      hash.bytes(message.commandId).number(Number(message.acceptedMs));
      hash.text(message.body).text(message.reason);
      break;
    }
    case "roomCreated": {
      const { roomId, name, ownerId, personal } = body.value;
      hash
        .number(roomId)
        .text(name)
        .number(ownerId)
        .number(personal ? 1 : 0);
      break;
    }
    case "sessionEnded":
      hash.number(body.value.sessionId);
      break;
  }
}

/** A sum, since two servers may hold equal sets in different orders. */
function addAudience(hash: ContentHash, audience: Audience): void {
  if (audience.kind === "everyone") {
    hash.number(-1);
    return;
  }
  let sum = 0;
  for (const user of audience.users) sum = (sum + Math.imul(user * user + user, 0x9e3779b1)) | 0;
  hash.number(audience.users.size).number(sum);
}
