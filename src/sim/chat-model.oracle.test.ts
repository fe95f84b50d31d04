// The model of chat's rules against the real state machine, over random commands: each was written
// without the other, so where they agree the rules are what SPEC.md says.
import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import type { Command } from "../proto/gen/chat/v1/command_pb.js";
import type { CommittedEntry } from "../replica/index.ts";
import { ChatModel } from "./chat-model.ts";
import { FirstApplications } from "./checkers/applied-commands.ts";
import { body, ChatRig, passwordHash } from "./checkers/chat-rig.test-support.ts";
import { encode } from "./checkers/cluster-events.test-support.ts";
import { FinalState, ItemHashes } from "./checkers/final-state.ts";
import { ModelConformance } from "./checkers/model-conformance.ts";

type Body = Command["body"];

const dayMs = 24 * 3_600_000;
const usernames = ["ada", "Bob", "cy-1", "d", "ADA", "", "-x", "a b", "é", "K", "x".repeat(33)];
const lines = ["", "Ada", "tab\t", "x".repeat(64), "x".repeat(65), "🙂".repeat(64), "\u0085"];
const roomNames = ["ops", "dev", "Ops", "a.b", ".a", "", "x".repeat(64), "x".repeat(65)];
const bodies = ["hello", "", "a\nb\tc", "\r", "\u007f", "é".repeat(8_192), "é".repeat(8_193)];
const hashes = [passwordHash, passwordHash, passwordHash, "$argon2id$other", "secret"];

/** Draws commands, good ones more often than bad ones. */
class Commands {
  readonly #random: Random;
  /** By the kind of answer: a command that was accepted, to be sent again as it is. */
  readonly accepted = new Map<string, Uint8Array>();

  constructor(random: Random) {
    this.#random = random;
  }

  draw(): Uint8Array {
    const { nextInteger, nextBoolean } = this.#bound();
    const again = this.#bound().pick([...this.accepted.values(), undefined]);
    if (again !== undefined && nextBoolean(0.05)) return again;
    if (nextBoolean(0.005)) return Uint8Array.of(0xff, 0xff, 0xff);
    if (nextBoolean(0.005)) return encode({ case: undefined });
    const isReused = nextBoolean(0.3);
    const id = isReused ? nextInteger(0, 64) : nextInteger(0, 10_000);
    const content = this.#drawBody();
    const isAnonymous = ["initializeCluster", "registerUser", "openSession"].includes(
      `${content.case}`,
    );
    // Messages also as an island brings them, under ids that plain ones have too.
    const isHeld = nextBoolean(content.case === "sendMessage" ? 0.3 : 0.03);
    const given = isHeld ? this.#held(content) : content;
    if (isAnonymous && nextBoolean(0.95)) return encode(given, { id });
    const userId = nextInteger(0, 6);
    return encode(given, { id, userId, sessionId: this.#drawSession() });
  }

  #held(content: Body): Body {
    const { pick } = this.#bound();
    const isHoldable = content.case === "sendMessage" || content.case === "openSession";
    const held = isHoldable ? content : { case: undefined };
    const acceptedMs = pick([-1n, 0n, 1n, 9n * BigInt(dayMs), 40n * BigInt(dayMs), 2n ** 62n]);
    return body("mergeHeld", { held, acceptedMs, separationIndex: pick([0n, 7n, 2n ** 64n - 1n]) });
  }

  #drawSession(): number {
    const { nextInteger, nextBoolean } = this.#bound();
    return nextBoolean(0.02) ? 0xffff_ffff : nextInteger(0, 60);
  }

  #drawBody(): Body {
    const { nextInteger, nextBoolean, pick } = this.#bound();
    const roomId = nextInteger(0, 9);
    const password = pick(hashes);
    const kind = nextInteger(0, 100);
    if (kind < 2) {
      return body("initializeCluster", { tokenKey: new Uint8Array(nextInteger(31, 34)) });
    }
    if (kind < 10) {
      const names = { username: pick(usernames), displayName: pick(lines) };
      return body("registerUser", { ...names, passwordHash: password });
    }
    if (kind < 30) {
      const userId = nextInteger(0, 6);
      const islandNonce = nextBoolean(0.15) ? pick([BigInt(userId), 2n ** 64n - 1n]) : 0n;
      const logIn = { userId, device: pick(lines), passwordHash: password, islandNonce };
      return body("openSession", logIn);
    }
    if (kind < 34) return body("closeSession", { sessionId: nextInteger(0, 60) });
    if (kind < 40) return body("createRoom", { name: pick(roomNames) });
    if (kind < 55) return body("joinRoom", { roomId });
    if (kind < 65) return body("leaveRoom", { roomId });
    return body("sendMessage", { roomId, body: pick(bodies) });
  }

  #bound() {
    const random = this.#random;
    return {
      nextInteger: (min: number, max: number) => random.nextInteger(min, max),
      nextBoolean: (probability: number) => random.nextBoolean(probability),
      pick: <T>(values: readonly T[]): T => values[random.nextInteger(0, values.length)]!,
    };
  }
}

describe("the model of chat's rules", () => {
  it.each([1, 2, 3])("agrees with the state machine over random commands, seed %i", (seed) => {
    const random = new Random(seed);
    const commands = new Commands(random);
    const rig = new ChatRig();
    const items = new ItemHashes();
    const model = new ChatModel((item) => items.add(item));
    const applications = new FirstApplications();
    const conformance = new ModelConformance(model, applications);
    let timestampMs = 40 * dayMs;
    const outcomes = new Set<string>();
    for (let call = 0; call < 1_500; call++) {
      const entries: CommittedEntry[] = [];
      for (let at = 0; at < random.nextInteger(1, 4); at++) {
        // Mostly on, now and then back, and sometimes by more than ids are remembered.
        timestampMs += random.nextInteger(-20, 100);
        if (random.nextBoolean(0.002)) timestampMs += 31 * dayMs;
        const count = random.nextInteger(0, 4);
        const drawn = Array.from({ length: count }, () => commands.draw());
        entries.push({ index: rig.nextIndex + at, timestampMs, commands: drawn });
      }
      const event = rig.applyEntries(...entries);
      conformance.see(event);
      if (event.kind !== "applied") throw new Error("the rig told something else");
      const given = entries.flatMap((entry) => entry.commands);
      for (const [order, { outcome }] of event.applied.entries()) {
        if (outcome.kind === "rejected") outcomes.add(`refused ${outcome.code}`);
        else {
          const { answer, repeated } = outcome;
          commands.accepted.set(answer.kind, given[order]!);
          outcomes.add(`${answer.kind}${repeated ? " again" : ""}`);
        }
      }
    }
    new FinalState({ model, items, applications }).finish([rig.final()]);
    // All answers, each also as a repetition, and all codes that the rules know.
    expect(outcomes.size).toBe(9 + 9 + 11);
    expect(model.setAside.size).toBeGreaterThan(3);
    expect(model.people.length).toBeGreaterThan(3);
  });
});
