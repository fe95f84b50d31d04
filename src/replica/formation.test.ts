// Who forms a cluster with whom, hello by hello.
import { describe, expect, it } from "vitest";
import { decodeIdentity, encodeIdentity, Formation, type ReplicaIdentity } from "./formation.ts";

function identity(replicaId: number, nonce: number, clusterName = "c"): ReplicaIdentity {
  return { replicaId, birthNonce: BigInt(nonce), clusterName, formed: undefined };
}

function threeFormations(): [Formation, Formation, Formation] {
  const [a, b, c] = [1, 2, 3].map((id) => new Formation(identity(id, id * 11), [1, 2, 3]));
  return [a!, b!, c!];
}

/** Each says hello to each, until nothing changes. */
function greetAll(formations: readonly Formation[]): void {
  for (let round = 0; round < 2; round++) {
    for (const self of formations) {
      for (const other of formations) {
        if (self !== other) self.judge(other.hello(""));
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
    a.judge(b.hello(""));
    expect(a.identity.formed).toBeUndefined();
    expect(a.condition).toContain("waiting for server 3");
    greetAll(formations);
    const ids = formations.map((formation) => formation.identity.formed?.clusterId);
    expect(ids[0]).toBeDefined();
    expect(new Set(ids).size).toBe(1);
  });

  it("one server alone forms at once", () => {
    const alone = new Formation(identity(1, 5), [1]);
    alone.maybeForm();
    expect(alone.identity.formed?.births).toEqual([{ replicaId: 1, nonce: 5n }]);
  });

  it("a server that has not heard everyone adopts what another has formed with its birth", () => {
    const [a, b, c] = threeFormations();
    a.judge(b.hello(""));
    a.judge(c.hello(""));
    expect(b.judge(a.hello("")).kind).toBe("accepted");
    expect(b.identity.formed).toEqual(a.identity.formed);
  });

  it("R7: a server with a new folder under a known id is refused, and knows why", () => {
    const formations = threeFormations();
    greetAll(formations);
    const [a] = formations;
    const lost = new Formation(identity(2, 999), [1, 2, 3]);
    expect(reasonOf(a, lost.hello(""))).toContain("its data folder is new");
    expect(reasonOf(lost, a.hello(""))).toContain("may have voted before");
    expect(lost.condition).toContain("does not vote");
    lost.judge(new Formation(identity(3, 998), [1, 2, 3]).hello(""));
    lost.judge(new Formation(identity(1, 997), [1, 2, 3]).hello(""));
    expect(lost.identity.formed).toBeUndefined();
  });

  it("S6: a peer of another cluster is refused by name, by id, and by membership", () => {
    const formations = threeFormations();
    greetAll(formations);
    const [a] = formations;
    expect(reasonOf(a, new Formation(identity(2, 1, "other"), [1, 2]).hello(""))).toContain(
      '"c", not of "other"',
    );
    const others = [1, 2, 3].map((id) => new Formation(identity(id, id * 77), [1, 2, 3]));
    greetAll(others);
    expect(reasonOf(a, others[1]!.hello(""))).toContain("not of");
    expect(reasonOf(a, new Formation(identity(9, 1), [9]).hello(""))).toContain("no member");
    expect(reasonOf(a, new Formation(identity(1, 1), [1]).hello(""))).toContain("own id");
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
