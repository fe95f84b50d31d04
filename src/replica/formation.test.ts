// Who forms a cluster with whom, hello by hello.
import { describe, expect, it } from "vitest";
import { Formation } from "./formation.ts";
import { decodeIdentity, encodeIdentity, newIdentity, type ReplicaIdentity } from "./identity.ts";
import { foundingMembers, withMember, withoutMember } from "./member-table.ts";

function identity(replicaId: number, nonce: number, clusterName = "c"): ReplicaIdentity {
  return newIdentity({ replicaId, birthNonce: BigInt(nonce), clusterName });
}

function formationOf(own: ReplicaIdentity, memberIds: readonly number[]): Formation {
  const { replicaId } = own;
  return new Formation(own, {
    memberIds,
    peerAddress: `peer-${replicaId}`,
    clientAddress: `http://client-${replicaId}`,
  });
}

function threeFormations(): [Formation, Formation, Formation] {
  const [a, b, c] = [1, 2, 3].map((id) => formationOf(identity(id, id * 11), [1, 2, 3]));
  return [a!, b!, c!];
}

/** Each says hello to each, until nothing changes. */
function greetAll(formations: readonly Formation[]): void {
  for (let round = 0; round < 2; round++) {
    for (const self of formations) {
      for (const other of formations) {
        if (self !== other) self.judge(other.hello());
      }
    }
  }
}

function reasonOf(judge: Formation, hello: Uint8Array): string {
  const verdict = judge.judge(hello);
  return verdict.kind === "refused" ? verdict.reason : "accepted";
}

describe("formation", () => {
  it("three servers with new folders form one cluster when all have said hello", () => {
    const formations = threeFormations();
    const [a, b] = formations;
    a.judge(b.hello());
    expect(a.identity.formed).toBeUndefined();
    expect(a.condition).toContain("waiting for server 3");
    greetAll(formations);
    const ids = formations.map((formation) => formation.identity.formed?.clusterId);
    expect(ids[0]).toBeDefined();
    expect(new Set(ids).size).toBe(1);
  });

  it("one that waits to be taken back learns of all members, the leader among them", () => {
    const formations = threeFormations();
    const [a] = formations;
    greetAll(formations);
    const founders = a.identity.formed?.founders ?? [];
    const joined = {
      ...{ replicaId: 4, birthNonce: 44n, peerAddress: "peer-4", clientAddress: "http://client-4" },
      ...{ tokenNonce: 0n, reader: false, away: false },
    };
    a.setMembers({ members: withMember(foundingMembers(founders), joined), index: 7 });
    const lost = formationOf(identity(3, 99), [1, 2, 3]);
    lost.judge(a.hello());
    expect(lost.identity.returning).toBe(true);
    const { contacts } = lost.identity;
    expect(contacts.map(({ peerAddress }) => peerAddress)).toEqual(["peer-1", "peer-2", "peer-4"]);
    const before = lost.identity;
    lost.judge(a.hello());
    expect(lost.identity).toBe(before);
  });

  it("one server alone forms at once", () => {
    const alone = formationOf(identity(1, 5), [1]);
    alone.maybeForm();
    expect(alone.identity.formed?.founders).toEqual([
      { replicaId: 1, birthNonce: 5n, peerAddress: "peer-1", clientAddress: "http://client-1" },
    ]);
  });

  it("a server that has not heard everyone adopts what another has formed with its birth", () => {
    const [a, b, c] = threeFormations();
    a.judge(b.hello());
    a.judge(c.hello());
    expect(b.judge(a.hello()).kind).toBe("accepted");
    expect(b.identity.formed).toEqual(a.identity.formed);
  });

  it("R7: a server with a new folder under a known id waits, and the others know of it", () => {
    const formations = threeFormations();
    greetAll(formations);
    const [a] = formations;
    const lost = formationOf(identity(2, 999), [1, 2, 3]);
    const verdict = a.judge(lost.hello());
    expect(verdict).toMatchObject({ kind: "refused", claim: { replicaId: 2, birthNonce: 999n } });
    expect(reasonOf(lost, a.hello())).toContain("waits until the leader has taken it in");
    expect(lost.identity.returning).toBe(true);
    lost.judge(formationOf(identity(3, 998), [1, 2, 3]).hello());
    lost.judge(formationOf(identity(1, 997), [1, 2, 3]).hello());
    expect(lost.identity.formed).toBeUndefined();
  });

  it("R7: it belongs again when it finds itself among the members, from that entry on", () => {
    const formations = threeFormations();
    greetAll(formations);
    const [a] = formations;
    const lost = formationOf(identity(2, 999), [1, 2, 3]);
    const claim = a.judge(lost.hello());
    if (claim.kind !== "refused" || claim.claim === undefined) throw new Error("no claim");
    const { founders } = a.identity.formed!;
    const without = withoutMember(foundingMembers(founders), 2, claim.claim);
    a.setMembers({ members: without, index: 7 });
    expect(reasonOf(a, lost.hello())).toContain("takes it in");
    a.setMembers({ members: withMember(without, claim.claim), index: 9 });
    expect(lost.judge(a.hello()).kind).toBe("accepted");
    expect(lost.identity).toMatchObject({ joinedIndex: 9, returning: false });
    expect(a.judge(lost.hello()).kind).toBe("accepted");
  });

  it("R7: the old folder of a server that has a new one learns that it was removed", () => {
    const formations = threeFormations();
    greetAll(formations);
    const [a, old] = formations;
    const { founders } = a.identity.formed!;
    a.setMembers({ members: withoutMember(foundingMembers(founders), 2, undefined), index: 7 });
    expect(reasonOf(a, old.hello())).toContain("was removed from this cluster");
    old.judge(a.hello());
    expect(old.identity.removed).toBe(true);
    expect(old.condition).toContain("was removed");
  });

  it("R2: a stranger is told to join", () => {
    const formations = threeFormations();
    greetAll(formations);
    const [a] = formations;
    const stranger = formationOf(identity(4, 44), [1, 2, 3, 4]);
    expect(reasonOf(a, stranger.hello())).toContain("join with a token");
    expect(reasonOf(stranger, a.hello())).toContain("does not know server 4");
    stranger.maybeForm();
    expect(stranger.identity.formed).toBeUndefined();
  });

  it("S6: a peer of another cluster is refused by name, by id, and by membership", () => {
    const formations = threeFormations();
    greetAll(formations);
    const [a] = formations;
    expect(reasonOf(a, formationOf(identity(2, 1, "other"), [1, 2]).hello())).toContain(
      '"c", not of "other"',
    );
    const others = [1, 2, 3].map((id) => formationOf(identity(id, id * 77), [1, 2, 3]));
    greetAll(others);
    expect(reasonOf(a, others[1]!.hello())).toContain("not of");
    const unformed = formationOf(identity(1, 5), [1, 2]);
    expect(reasonOf(unformed, formationOf(identity(9, 1), [9, 8]).hello())).toContain("no member");
    expect(reasonOf(a, formationOf(identity(1, 1), [1]).hello())).toContain("own id");
    expect(reasonOf(a, new Uint8Array([255, 1, 2]))).toContain("not one of Holdfast's");
  });

  it("an identity survives its bytes, and one of another format is refused", () => {
    const formations = threeFormations();
    greetAll(formations);
    const own = formations[0].identity;
    expect(decodeIdentity(encodeIdentity(own))).toEqual(own);
    const foreign = encodeIdentity(own);
    foreign[1] = 9;
    expect(() => decodeIdentity(foreign)).toThrow("format 9");
  });
});
