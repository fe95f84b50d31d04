// Chat answers and tells what its rules say: each command that is applied for the first time is put
// to the model of the rules (chat-model.ts) too, and outcome, events and audiences must be equal.
import type { Audience, ChatEvent, ChatOutcome } from "../../chat/index.ts";
import type { ChatModel } from "../chat-model.ts";
import type { ModelEvent, ModelItem, ModelOutcome, ModelSetAside } from "../chat-model-values.ts";
import { type ClusterChecker, SafetyViolation } from "../checker.ts";
import type { ClusterEvent } from "../cluster-event.ts";
import type { CommandResult, FirstApplication, FirstApplications } from "./applied-commands.ts";

/** Judges what commands come to. Fills the model that it is given. */
export class ModelConformance implements ClusterChecker, FirstApplication {
  readonly name = "model-conformance";
  readonly #model: ChatModel;
  readonly #applications: FirstApplications;

  constructor(model: ChatModel, applications: FirstApplications) {
    this.#model = model;
    this.#applications = applications;
  }

  see(event: ClusterEvent): void {
    if (event.kind === "applied") this.#applications.forEach(event, this);
  }

  entry({ timestampMs }: { readonly timestampMs: number }): void {
    this.#model.enter(timestampMs);
  }

  command(encoded: Uint8Array, { position, outcome, events }: CommandResult): void {
    const expected = this.#model.apply(encoded, position);
    const difference =
      differenceOfOutcomes(expected.outcome, outcome) ??
      differenceOfEvents(expected.events, events, position);
    if (difference === undefined) return;
    throw new SafetyViolation(this.name, `the command at ${position}: ${difference}`);
  }
}

/** In words; undefined where there is none. */
function differenceOfOutcomes(expected: ModelOutcome, actual: ChatOutcome): string | undefined {
  const isSame =
    expected.kind === "accepted"
      ? actual.kind === "accepted" &&
        actual.position === expected.position &&
        actual.repeated === expected.repeated &&
        isSameAnswer(expected.answer, actual.answer)
      : actual.kind === "rejected" && actual.code === expected.code;
  if (isSame) return undefined;
  return `came to ${JSON.stringify(actual)}, the rules say ${JSON.stringify(expected)}`;
}

function isSameAnswer(expected: object, actual: object): boolean {
  const keys = Object.keys(expected);
  return (
    keys.length === Object.keys(actual).length &&
    keys.every((key) => Reflect.get(expected, key) === Reflect.get(actual, key))
  );
}

function differenceOfEvents(
  expected: readonly ModelEvent[],
  actual: readonly ChatEvent[],
  position: number,
): string | undefined {
  if (expected.length !== actual.length) {
    return `told ${actual.length} events, the rules say ${expected.length}`;
  }
  for (let at = 0; at < expected.length; at++) {
    const [{ audience, what }, told] = [expected[at]!, actual[at]!];
    if (!isSameAudience(audience, told.audience)) {
      return `told ${describeAudience(told.audience)}, the rules say ${describeModel(audience)}`;
    }
    if (told.event.position !== BigInt(position) || !isSameEvent(what, told.event.body)) {
      return `told ${describe(told.event)}, the rules say ${describe(what)}`;
    }
  }
  return undefined;
}

function isSameAudience(expected: ModelEvent["audience"], actual: Audience): boolean {
  if (expected === "everyone" || actual.kind === "everyone") return expected === actual.kind;
  if (expected.size !== actual.users.size) return false;
  for (const user of expected.keys()) if (!actual.users.has(user)) return false;
  return true;
}

function isSameEvent(expected: ModelEvent["what"], actual: ChatEvent["event"]["body"]): boolean {
  if (expected.kind === "item") return actual.case === "item" && isSameItem(expected, actual.value);
  if (expected.kind === "setAside") {
    return actual.case === "setAside" && isSameSetAside(expected, actual.value);
  }
  if (expected.kind === "sessionEnded") {
    return actual.case === "sessionEnded" && actual.value.sessionId === expected.sessionId;
  }
  if (actual.case !== "roomCreated") return false;
  const { roomId, name, ownerId, personal } = actual.value;
  return (
    roomId === expected.roomId &&
    name === expected.name &&
    ownerId === expected.ownerId &&
    personal === expected.personal
  );
}

type Told<Case> = Extract<ChatEvent["event"]["body"], { case: Case }>["value"];

function isSameSetAside(expected: ModelSetAside, actual: Told<"setAside">): boolean {
  return (
    actual.roomId === expected.roomId &&
    actual.authorId === expected.authorId &&
    actual.authorUsername === expected.authorUsername &&
    Buffer.compare(actual.commandId, expected.commandId) === 0 &&
    actual.acceptedMs === BigInt(expected.acceptedMs) &&
    actual.body === expected.body &&
    actual.reason !== ""
  );
}

function isSameItem(expected: ModelItem, actual: Told<"item">): boolean {
  const { content } = expected;
  return (
    actual.roomId === expected.roomId &&
    actual.number === expected.number &&
    actual.position === BigInt(expected.position) &&
    actual.timestampMs === BigInt(expected.timestampMs) &&
    actual.authorId === expected.authorId &&
    actual.authorUsername === expected.authorUsername &&
    Buffer.compare(actual.commandId, expected.commandId) === 0 &&
    actual.writtenMs === BigInt(expected.writtenMs) &&
    (content.kind === "message"
      ? actual.content.case === "body" && actual.content.value === content.body
      : actual.content.case === content.kind)
  );
}

function describeAudience(audience: Audience): string {
  return audience.kind === "everyone" ? "everyone" : `people ${[...audience.users].join(", ")}`;
}

function describeModel(audience: ModelEvent["audience"]): string {
  return audience === "everyone" ? "everyone" : `people ${[...audience.keys()].join(", ")}`;
}

function describe(event: object): string {
  return JSON.stringify(event, (_key, value) =>
    typeof value === "bigint" ? Number(value) : value,
  );
}
