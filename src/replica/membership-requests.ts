// Operators' wishes on their way to the leader and back: kept here until they are answered, put
// again and again under their ids, since each may be repeated without harm. What becomes of them at
// the leader is membership.ts's matter.
import type { MembershipAnswer, MembershipRequest } from "../proto/gen/cluster/v1/peer_pb.js";
import type { ChangeAnswer, MembershipChange } from "./admin-service.ts";
import { membershipRequestsMax, membershipRetryMs, membershipTimeoutMs } from "./limits.ts";

/** What is wished. */
export type WishedChange = NonNullable<MembershipRequest["change"]>;

/** An operator's wish as it is put to the leader. */
export function toWished(change: MembershipChange): WishedChange {
  if (change.kind !== "add") return { case: change.kind, value: change.replicaId };
  return { case: "add", value: { $typeName: "cluster.v1.Member", ...change.member } };
}

interface OpenRequest {
  readonly change: WishedChange;
  readonly done: (answer: ChangeAnswer) => void;
  readonly deadlineMs: number;
  askedAtMs: number;
}

/** The wishes that were handed in at this server. */
export class MembershipRequests {
  readonly #open = new Map<number, OpenRequest>();
  readonly #send: (request: { requestId: number; change: WishedChange }) => void;
  /** 32 bits. */
  #nextId: number;

  /**
   * `send` brings a request to the leader, where one is known; it may be lost on the way. `seed`:
   * another one in each life of the process, so that no answer is taken for that of an earlier one.
   */
  constructor(
    send: (request: { requestId: number; change: WishedChange }) => void,
    { seed }: { readonly seed: number },
  ) {
    this.#send = send;
    this.#nextId = seed >>> 0;
  }

  /** Takes a wish; false where too many are open. `done` is called once, later. */
  add(change: WishedChange, nowMs: number, done: (answer: ChangeAnswer) => void): boolean {
    if (this.#open.size >= membershipRequestsMax) return false;
    const deadlineMs = nowMs + membershipTimeoutMs;
    const askedAtMs = Number.NEGATIVE_INFINITY;
    this.#open.set(this.#nextId, { change, done, deadlineMs, askedAtMs });
    this.#nextId = (this.#nextId + 1) >>> 0;
    return true;
  }

  /** Puts what has no answer, and gives up what took too long. */
  tick(nowMs: number): void {
    for (const [requestId, open] of this.#open) {
      if (nowMs >= open.deadlineMs) {
        this.#open.delete(requestId);
        open.done({
          kind: "unavailable",
          message: "no leader has confirmed it in time; it may still come true: ask again",
        });
      } else if (nowMs - open.askedAtMs >= membershipRetryMs) {
        open.askedAtMs = nowMs;
        this.#send({ requestId, change: open.change });
      }
    }
  }

  /** By the newest committed members some wishes have come true, whoever made them so. */
  settle(isTrue: (change: WishedChange) => boolean, index: number): void {
    for (const [requestId, { change, done }] of this.#open) {
      if (!isTrue(change)) continue;
      this.#open.delete(requestId);
      const replicaId = change.case === "remove" ? change.value : 0;
      done({ kind: "done", index, replicaId });
    }
  }

  /** The leader has decided. */
  handleAnswer(answer: MembershipAnswer): void {
    const open = this.#open.get(answer.requestId);
    if (open === undefined) return;
    this.#open.delete(answer.requestId);
    const { index, replicaId, refusal } = answer;
    if (refusal === "") open.done({ kind: "done", index: Number(index), replicaId });
    else open.done({ kind: "refused", reason: refusal });
  }

  /** The server stops. */
  end(): void {
    for (const { done } of this.#open.values()) {
      done({ kind: "unavailable", message: "the server is stopping" });
    }
    this.#open.clear();
  }
}
