// The leader's side of changes of members, wish by wish; and the wishes on their way to it.
import { describe, expect, it } from "vitest";
import type { Configuration } from "../raft/index.ts";
import type { ChangeAnswer, Founder, MemberInfo } from "./admin-service.ts";
import { acceptedWishesMax, leavingMs, membershipTimeoutMs } from "./limits.ts";
import {
  encodeMembers,
  foundingConfiguration,
  memberOf,
  membersOf,
  withMember,
  withoutMember,
} from "./member-table.ts";
import { Membership } from "./membership.ts";
import { MembershipRequests, toWished, type WishedChange } from "./membership-requests.ts";

function memberAt(replicaId: number, birthNonce = BigInt(replicaId * 11)): MemberInfo {
  return {
    replicaId,
    birthNonce,
    peerAddress: `peer-${replicaId}`,
    clientAddress: `http://client-${replicaId}`,
    tokenNonce: 0n,
    reader: false,
    away: false,
  };
}

/** A leader, server 1, whose changes are committed when the test says so. */
class Rig {
  nowMs = 0;
  configuration: Configuration;
  isChanging = false;
  readonly gone = new Set<number>();
  readonly unsound = new Set<number>();
  announced: Founder[] = [];
  readonly answers: { to: number; requestId: number; refusal: string }[] = [];
  /** Also the index of the newest configuration. */
  changes = 0;
  matchIndex = 50;
  membership: Membership;

  constructor(size = 3) {
    const founders = Array.from({ length: size }, (_, at) => memberAt(at + 1));
    this.configuration = foundingConfiguration(founders);
    this.membership = this.lead();
  }

  lead(): Membership {
    const active = () => {
      const { matchIndex } = this;
      const rest = { nextIndex: matchIndex + 1, recentActive: true, silentTicks: 0 };
      return { state: "replicate", matchIndex, ...rest } as const;
    };
    this.membership = new Membership({
      ownId: 1,
      nowMs: () => this.nowMs,
      configuration: () => this.configuration,
      committed: () => ({ index: this.changes, configuration: this.configuration }),
      isChanging: () => this.isChanging,
      progress: () => new Map([1, 2, 3, 4, 5].map((id) => [id, active()])),
      lastIndex: () => 60,
      isConnected: (id) => !this.gone.has(id),
      isSound: (id) => !this.unsound.has(id),
      announced: () => this.announced,
      change: (next) => {
        if (this.isChanging) return "another change is under way";
        this.configuration = { ...next, votersOutgoing: [] };
        this.isChanging = true;
        this.changes += 1;
        return undefined;
      },
      checkpoint: () => {},
      answer: (to, { requestId, refusal }) => this.answers.push({ to, requestId, refusal }),
      note: () => {},
    });
    return this.membership;
  }

  wish(from: number, requestId: number, change: WishedChange): void {
    this.membership.handleRequest({ from, requestId, change });
    this.membership.advance();
  }

  stop(from: number, requestId = 1): void {
    const value = { $typeName: "cluster.v1.StepAside" as const, replicaIds: [from] };
    this.wish(from, requestId, { case: "stepAside", value });
  }

  /** What is under way is committed, and what follows begins. */
  commit(): void {
    this.isChanging = false;
    this.membership.advance();
  }

  refusal(requestId: number): string | undefined {
    return this.answers.find((answer) => answer.requestId === requestId)?.refusal;
  }

  get table() {
    return membersOf(this.configuration);
  }
}

const remove = (replicaId: number) => toWished({ kind: "remove", replicaId });
const add = (member: MemberInfo) => toWished({ kind: "add", member });

describe("members that are added", () => {
  it("wishes that could harm whoever leads are refused", () => {
    const rig = new Rig();
    const wrong: [Partial<MemberInfo>, string][] = [
      [{ birthNonce: 0n }, "birth number"],
      [{ replicaId: 0xffff_ffff }, "ids go up to 2147483647"],
      [{ peerAddress: "" }, "1 to 300 characters"],
      [{ clientAddress: "x".repeat(301) }, "1 to 300 characters"],
      [{ replicaId: 2 }, "id 2 is in use"],
    ];
    for (const [at, [change, refusal]] of wrong.entries()) {
      rig.wish(2, at, add({ ...memberAt(4), ...change }));
      expect(rig.refusal(at)).toContain(refusal);
    }
    expect(rig.changes).toBe(0);
  });

  it("the same folder asked for twice is added once, and both are answered", () => {
    const rig = new Rig();
    rig.wish(2, 1, add({ ...memberAt(0, 44n), peerAddress: "p", clientAddress: "c" }));
    rig.wish(3, 7, add({ ...memberAt(0, 44n), peerAddress: "p", clientAddress: "c" }));
    rig.commit();
    expect(rig.answers.map(({ to, refusal }) => [to, refusal])).toEqual([
      [2, ""],
      [3, ""],
    ]);
    expect(rig.table.members).toHaveLength(4);
  });

  it("one that abstains, or has no state, gets no vote yet", () => {
    const rig = new Rig();
    rig.unsound.add(4);
    rig.wish(2, 1, add(memberAt(4)));
    rig.commit();
    expect(rig.configuration.learners).toEqual([4]);
    rig.unsound.clear();
    rig.membership.advance();
    expect(rig.configuration.voters).toEqual([1, 2, 3, 4]);
  });

  it("one that has not reached the entry that added it, and so may not vote, gets none yet", () => {
    const rig = new Rig();
    rig.changes = 50;
    rig.wish(2, 1, add(memberAt(4)));
    rig.commit();
    expect(rig.configuration.learners).toEqual([4]);
    rig.matchIndex = 51;
    rig.membership.advance();
    expect(rig.configuration.voters).toEqual([1, 2, 3, 4]);
  });

  it("no more wishes are taken than is sensible; what nobody repeats is forgotten", () => {
    const rig = new Rig();
    rig.gone.add(3);
    rig.configuration = { ...rig.configuration, voters: [1, 2], learners: [3] };
    const promote = toWished({ kind: "promote", replicaId: 3 });
    for (let id = 0; id <= acceptedWishesMax; id++) rig.wish(2, id, promote);
    expect(rig.refusal(acceptedWishesMax)).toContain("too many wishes are open");
    rig.nowMs += membershipTimeoutMs + 1;
    rig.membership.advance();
    rig.wish(2, 999, promote);
    expect(rig.refusal(999)).toBeUndefined();
  });
});

describe("servers that come back with a new folder", () => {
  it("are taken in after the old one's removal, also by the next leader", () => {
    const rig = new Rig();
    rig.gone.add(3);
    rig.membership.handleClaim(memberAt(3, 333n));
    expect(rig.configuration.voters).toEqual([1, 2]);
    rig.lead();
    rig.commit();
    expect(memberOf(rig.table, 3)?.birthNonce).toBe(333n);
    expect(rig.configuration.learners).toEqual([3]);
    expect(rig.table.removed.some(({ successor }) => successor !== undefined)).toBe(false);
  });

  it("come back with yet another one", () => {
    const rig = new Rig();
    rig.gone.add(3);
    rig.membership.handleClaim(memberAt(3, 333n));
    rig.commit();
    rig.commit();
    rig.membership.handleClaim(memberAt(3, 334n));
    rig.commit();
    expect(memberOf(rig.table, 3)?.birthNonce).toBe(334n);
  });

  it("do not come back where an operator has removed them meanwhile", () => {
    const rig = new Rig();
    rig.gone.add(3);
    rig.membership.handleClaim(memberAt(3, 333n));
    // The removal of the old folder is committed; before the new one is added it is not wanted.
    rig.isChanging = false;
    rig.membership.handleRequest({ from: 2, requestId: 5, change: remove(3) });
    for (let change = 0; change < 4; change++) rig.commit();
    expect(rig.refusal(5)).toBe("");
    expect(memberOf(rig.table, 3)).toBeUndefined();
    expect(rig.configuration).toMatchObject({ voters: [1, 2], learners: [] });
  });

  it("a successor that never came does not return when its id is given to another", () => {
    const base = membersOf(foundingConfiguration([1, 2, 3].map((id) => memberAt(id))));
    const awaited = withoutMember(base, 3, memberAt(3, 333n));
    const other = withMember(awaited, memberAt(3, 400n));
    const removed = withoutMember(other, 3, undefined);
    expect(removed.removed.some(({ successor }) => successor !== undefined)).toBe(false);
  });

  it("a claim that could not be kept is left alone", () => {
    const rig = new Rig();
    rig.gone.add(3);
    rig.membership.handleClaim({ ...memberAt(3, 333n), peerAddress: "x".repeat(400) });
    rig.membership.handleClaim(memberAt(3, 0n));
    expect(rig.changes).toBe(0);
  });
});

describe("servers that stop", () => {
  it("one of three keeps its vote: the others are a majority", () => {
    const rig = new Rig();
    rig.stop(2);
    expect(rig.refusal(1)).toBe("");
    expect(rig.changes).toBe(0);
  });

  it("two of three that stop at once leave the votes to the third", () => {
    const rig = new Rig();
    rig.stop(2);
    rig.stop(3);
    expect(rig.configuration).toMatchObject({ voters: [1], learners: [2, 3] });
    rig.commit();
    expect(rig.answers.map(({ to }) => to)).toEqual([2, 3]);
    // They are still there for a moment, and get no votes.
    rig.membership.advance();
    expect(rig.configuration.voters).toEqual([1]);
    rig.membership.handleConnected(2);
    rig.membership.advance();
    expect(rig.configuration.voters).toEqual([1, 2]);
  });

  it("one that said so and stays gets its vote again", () => {
    const rig = new Rig();
    rig.gone.add(3);
    rig.stop(2);
    rig.commit();
    expect(rig.configuration.voters).toEqual([1]);
    rig.nowMs += leavingMs + 1;
    rig.gone.clear();
    rig.membership.advance();
    expect(rig.configuration.voters).toEqual([1, 2, 3]);
  });

  it("the next leader gives no vote at once to one that is away and still there", () => {
    const rig = new Rig();
    rig.gone.add(3);
    rig.stop(2);
    rig.lead();
    rig.commit();
    expect(rig.configuration.voters).toEqual([1]);
    rig.nowMs += leavingMs + 1;
    rig.membership.advance();
    expect(rig.configuration.voters).toEqual([1, 2]);
  });

  it("waits for a change that is under way", () => {
    const rig = new Rig();
    rig.gone.add(3);
    rig.wish(2, 1, add(memberAt(4)));
    rig.stop(2, 2);
    expect(rig.refusal(2)).toBeUndefined();
    rig.commit();
    expect(rig.configuration.voters).toEqual([1]);
    rig.commit();
    expect(rig.refusal(2)).toBe("");
  });

  it("nobody is left alone with the vote who could not use it", () => {
    const rig = new Rig();
    rig.gone.add(3);
    rig.unsound.add(2);
    rig.stop(1);
    expect(rig.refusal(1)).toContain("nobody would be left");
    rig.wish(2, 2, remove(3));
    expect(rig.refusal(2)).toContain("does not vote now");
  });

  it("those that never come back can be removed", () => {
    const rig = new Rig();
    rig.gone.add(3);
    rig.stop(2);
    rig.commit();
    rig.gone.add(2);
    rig.wish(1, 9, remove(3));
    rig.commit();
    expect(rig.refusal(9)).toBe("");
    expect(memberOf(rig.table, 3)).toBeUndefined();
  });
});

describe("servers that move", () => {
  it("the table learns where they are, but nobody takes another's place", () => {
    const rig = new Rig();
    const place = { ...memberAt(2), peerAddress: "new" };
    rig.announced = [
      { ...memberAt(3), peerAddress: "peer-1" },
      { ...memberAt(2, 5n), peerAddress: "other folder" },
      place,
    ];
    rig.membership.advance();
    expect(memberOf(rig.table, 2)).toEqual(place);
    expect(memberOf(rig.table, 3)).toEqual(memberAt(3));
    rig.commit();
    expect(rig.changes).toBe(1);
  });
});

describe("wishes on their way", () => {
  function requestsOf(seed: number) {
    const sent: number[] = [];
    const requests = new MembershipRequests(({ requestId }) => sent.push(requestId), { seed });
    return { requests, sent };
  }

  it("are repeated under their ids, which another life does not have", () => {
    const { requests, sent } = requestsOf(0xffff_ffff);
    requests.add(remove(3), 0, () => {});
    requests.add(remove(2), 0, () => {});
    requests.tick(0);
    requests.tick(1_000);
    expect(sent).toEqual([0xffff_ffff, 0, 0xffff_ffff, 0]);
    const later = requestsOf(5);
    const answers: ChangeAnswer[] = [];
    later.requests.add(remove(3), 0, (answer) => answers.push(answer));
    const $typeName = "cluster.v1.MembershipAnswer" as const;
    later.requests.handleAnswer({ $typeName, requestId: 0, index: 9n, refusal: "", replicaId: 3 });
    expect(answers).toEqual([]);
  });

  it("end after a while, and when the server stops", () => {
    const { requests } = requestsOf(1);
    const answers: ChangeAnswer[] = [];
    requests.add(remove(3), 0, (answer) => answers.push(answer));
    requests.tick(membershipTimeoutMs);
    requests.add(remove(2), 0, (answer) => answers.push(answer));
    requests.end();
    expect(answers.map(({ kind }) => kind)).toEqual(["unavailable", "unavailable"]);
  });
});

describe("the member table", () => {
  it("survives its bytes, and is decoded once", () => {
    const context = encodeMembers(
      withoutMember(
        membersOf(foundingConfiguration([memberAt(1), memberAt(2)])),
        2,
        memberAt(2, 5n),
      ),
    );
    expect(membersOf({ context })).toEqual(membersOf({ context: context.slice() }));
    expect(membersOf({ context })).toBe(membersOf({ context }));
    expect(() => membersOf({ context: Uint8Array.of(255, 1) })).toThrow();
  });
});
