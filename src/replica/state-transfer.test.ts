// Fetching a state piece by piece: order, loss, damage, changes of the source, and giving.
import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import {
  type SnapshotPiece,
  SnapshotPieceSchema,
  type SnapshotRequest,
} from "../proto/gen/cluster/v1/peer_pb.js";
import { encodeConfiguration } from "../raft/index.ts";
import { crc32c } from "../storage/index.ts";
import { agreementWaitMs, snapshotPieceBytes, snapshotRetryMs } from "./limits.ts";
import type { SnapshotFacts } from "./snapshot-port.ts";
import { type StateSource, StateTransfer } from "./state-transfer.ts";

const configuration = encodeConfiguration({
  voters: [1],
  votersOutgoing: [],
  learners: [],
  context: new Uint8Array(0),
});
const good = new Uint8Array(32).fill(1);
const bad = new Uint8Array(32).fill(2);

/** A snapshot of three pieces whose bytes say whose it is. */
function fileOf(peer: number, pieces = 3): Uint8Array {
  return new Uint8Array(snapshotPieceBytes * pieces - 7).fill(peer);
}

function piece(
  peer: number,
  { offset, index = 10, digest = good }: { offset: number; index?: number; digest?: Uint8Array },
  change: Partial<SnapshotPiece> = {},
): SnapshotPiece {
  const file = fileOf(peer);
  const bytes = file.slice(offset, offset + snapshotPieceBytes);
  return create(SnapshotPieceSchema, {
    index: BigInt(index),
    term: 3n,
    configuration,
    size: BigInt(file.length),
    digest,
    offset: BigInt(offset),
    bytes,
    crc: crc32c(bytes, 0, bytes.length),
    ...change,
  });
}

class Rig {
  nowMs = 0;
  sources: StateSource[] = [2, 3].map((peerId) => ({
    peerId,
    snapshotIndex: 10,
    snapshotDigest: good,
    leads: peerId === 2,
  }));
  agreed: Uint8Array | undefined = good;
  mayAgree = true;
  inspected: Uint8Array | Error = good;
  readonly asked: { readonly peer: number; readonly request: SnapshotRequest }[] = [];
  readonly ready: SnapshotFacts[] = [];
  checkpoints = 0;
  cleared = 0;
  bytes = new Uint8Array(0);
  readonly transfer: StateTransfer;

  constructor() {
    const folder = {
      copyName: "copy",
      newest: () => undefined,
      complete: () => {},
      remove: () => {},
      open: () => undefined,
      incoming: () => {
        const self = this;
        return {
          name: "incoming",
          get nextOffset() {
            return self.bytes.length;
          },
          write: (more: Uint8Array) => {
            this.bytes = Uint8Array.from([...this.bytes, ...more]);
          },
          finish: (done: () => void) => done(),
        };
      },
      clearIncoming: () => {
        this.cleared += 1;
        this.bytes = new Uint8Array(0);
      },
      markReady: () => {},
    };
    this.transfer = new StateTransfer({
      folder,
      state: {
        copyTo: () => {},
        inspect: (_name, done) => {
          const { inspected } = this;
          done(inspected instanceof Error ? inspected : { size: 1, digest: inspected });
        },
      },
      send: (peer, { snapshotRequest }) => {
        if (snapshotRequest) this.asked.push({ peer, request: snapshotRequest as SnapshotRequest });
      },
      sources: () => this.sources,
      agreedAt: () => this.agreed,
      mayAgree: () => this.mayAgree,
      askForCheckpoint: () => {
        this.checkpoints += 1;
      },
      turn: (body) => body(),
      ready: (facts) => this.ready.push(facts),
      note: () => {},
    });
  }

  begin(): void {
    this.transfer.want({ minIndex: 10, reason: "a test" });
    this.pass(0);
  }

  pass(ms: number): void {
    this.nowMs += ms;
    this.transfer.tick(this.nowMs);
  }

  give(from: number, given: SnapshotPiece): void {
    this.transfer.handlePiece(from, given, this.nowMs);
  }

  giveAll(from: number): void {
    for (let part = 0; part < 3; part++) {
      this.give(from, piece(from, { offset: part * snapshotPieceBytes }));
    }
  }

  get lastAsked(): number | undefined {
    return this.asked.at(-1)?.peer;
  }
}

describe("fetching", () => {
  it("asks a follower, some pieces ahead, and is ready when all are there and right", () => {
    const rig = new Rig();
    rig.begin();
    expect(rig.lastAsked).toBe(3);
    rig.give(3, piece(3, { offset: 0 }));
    const offsets = rig.asked.slice(1).map(({ request }) => Number(request.offset));
    expect(offsets).toEqual([snapshotPieceBytes, 2 * snapshotPieceBytes]);
    expect(rig.transfer.progress).toEqual({ reason: "a test", percent: 33 });
    rig.give(3, piece(3, { offset: snapshotPieceBytes }));
    rig.give(3, piece(3, { offset: 2 * snapshotPieceBytes }));
    expect(rig.ready).toMatchObject([{ index: 10, term: 3 }]);
    expect(rig.bytes).toEqual(fileOf(3));
  });

  it("takes pieces in their order, once, and from nobody but whom it asked", () => {
    const rig = new Rig();
    rig.begin();
    rig.give(2, piece(2, { offset: 0 }));
    rig.give(3, piece(3, { offset: snapshotPieceBytes }));
    expect(rig.bytes.length).toBe(0);
    rig.give(3, piece(3, { offset: 0 }));
    rig.give(3, piece(3, { offset: 0 }));
    expect(rig.bytes).toEqual(fileOf(3).slice(0, snapshotPieceBytes));
  });

  it("asks again where it stands when nothing comes, then of another from the beginning", () => {
    const rig = new Rig();
    rig.begin();
    rig.give(3, piece(3, { offset: 0 }));
    rig.asked.length = 0;
    rig.pass(snapshotRetryMs);
    expect(rig.asked[0]).toMatchObject({ peer: 3, request: { index: 10n } });
    expect(Number(rig.asked[0]?.request.offset)).toBe(snapshotPieceBytes);
    for (let tries = 0; tries < 3; tries++) rig.pass(snapshotRetryMs);
    expect(rig.asked.at(-1)).toMatchObject({ peer: 2, request: { index: 0n, offset: 0n } });
    expect(rig.cleared).toBe(1);
    rig.giveAll(2);
    expect(rig.bytes).toEqual(fileOf(2));
    expect(rig.ready).toHaveLength(1);
  });

  it("an answer to what was asked before does not begin another fetch", () => {
    const rig = new Rig();
    rig.begin();
    rig.agreed = undefined;
    rig.give(3, piece(3, { offset: 0 }));
    rig.give(3, piece(3, { offset: 0, index: 12 }));
    rig.give(3, piece(3, { offset: snapshotPieceBytes }));
    expect(rig.bytes.length).toBe(2 * snapshotPieceBytes);
  });

  it("a piece that is damaged, too long, or none of a snapshot is not taken", () => {
    const rig = new Rig();
    const wrong: Partial<SnapshotPiece>[] = [
      { crc: 1 },
      { size: 0n },
      { size: 2n ** 60n },
      { index: 2n ** 53n },
      { term: 0n },
      { digest: new Uint8Array(3) },
      { configuration: new Uint8Array(0) },
      { offset: 2n ** 63n },
      { bytes: new Uint8Array(0), crc: crc32c(new Uint8Array(0), 0, 0) },
      { bytes: new Uint8Array(snapshotPieceBytes + 1) },
      { index: 0n },
    ];
    for (const change of wrong) {
      rig.begin();
      rig.pass(snapshotRetryMs);
      const from = rig.lastAsked!;
      rig.give(from, piece(from, { offset: 0 }, change));
      expect(rig.bytes.length, JSON.stringify(Object.keys(change))).toBe(0);
    }
    rig.pass(snapshotRetryMs);
    rig.giveAll(rig.lastAsked!);
    expect(rig.ready).toHaveLength(1);
  });

  it("a whole that is not what its sender said is fetched again, of another", () => {
    const rig = new Rig();
    rig.begin();
    rig.inspected = bad;
    rig.giveAll(3);
    expect(rig.ready).toEqual([]);
    rig.inspected = good;
    rig.pass(1);
    expect(rig.lastAsked).toBe(2);
    rig.giveAll(2);
    expect(rig.ready).toHaveLength(1);
  });

  it("where nobody has what is needed a checkpoint is asked for, now and then", () => {
    const rig = new Rig();
    rig.sources = rig.sources.map((source) => ({ ...source, snapshotIndex: 9 }));
    rig.begin();
    for (let ms = 0; ms < 5 * snapshotRetryMs - 1; ms += 100) rig.pass(100);
    expect(rig.checkpoints).toBe(2);
    expect(rig.asked).toEqual([]);
  });
});

describe("S5: which state is fetched", () => {
  it("none that differs from what a majority has at that index", () => {
    const rig = new Rig();
    rig.sources[1] = { ...rig.sources[1]!, snapshotDigest: bad };
    rig.begin();
    expect(rig.lastAsked).toBe(2);
    rig.give(2, piece(2, { offset: 0, digest: bad }));
    expect(rig.bytes.length).toBe(0);
  });

  it("where it is not known what a majority has, that is waited for, but not for long", () => {
    const rig = new Rig();
    rig.agreed = undefined;
    rig.begin();
    expect(rig.asked).toEqual([]);
    for (let ms = 0; ms <= agreementWaitMs; ms += 100) rig.pass(100);
    expect(rig.lastAsked).toBe(3);
    const alone = new Rig();
    alone.agreed = undefined;
    alone.mayAgree = false;
    alone.begin();
    expect(alone.lastAsked).toBe(3);
  });

  it("what became wrong while it was fetched is not installed", () => {
    const rig = new Rig();
    rig.begin();
    rig.give(3, piece(3, { offset: 0 }));
    rig.give(3, piece(3, { offset: snapshotPieceBytes }));
    rig.transfer.want({ minIndex: 10, digest: bad, reason: "it differs" });
    rig.give(3, piece(3, { offset: 2 * snapshotPieceBytes }));
    expect(rig.ready).toEqual([]);
  });
});
