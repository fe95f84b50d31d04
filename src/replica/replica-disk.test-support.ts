// What a server of the small test world has on its disk, beside its log: snapshots, files, what an
// island holds. In memory; nothing here is lost by a death, since these are not what those tests
// are about (src/storage has its own).
import { decodeUtf8, encodeUtf8 } from "../base/bytes.ts";
import type { StateStore } from "../io/state-store.ts";
import { crc32c } from "../storage/index.ts";
import type { IslandLogPort } from "./island-items.ts";
import type { SnapshotFacts, SnapshotFolder } from "./snapshot-port.ts";

/** What the counting machine of the test world holds. */
export interface AppliedState {
  index: number;
  /** Command ids with the position and stamp of their first application. */
  readonly commands: Map<string, { position: number; number: number; timestampMs: number }>;
}

/** The state as bytes. */
export function encodeState(state: AppliedState): Uint8Array {
  return encodeUtf8(JSON.stringify({ index: state.index, commands: [...state.commands] }));
}

/** The state that bytes stand for; throws where they are none. */
export function decodeState(bytes: Uint8Array): AppliedState {
  const { index, commands } = JSON.parse(decodeUtf8(bytes) ?? "");
  return { index, commands: new Map(commands) };
}

function digestOf(bytes: Uint8Array): Uint8Array {
  const digest = new Uint8Array(32);
  new DataView(digest.buffer).setUint32(0, crc32c(bytes, 0, bytes.length), true);
  return digest;
}

/** Snapshots and island items of one server. */
export class TestDisk implements SnapshotFolder {
  readonly copyName = "copy";
  readonly files = new Map<string, Uint8Array>();
  readonly held: Uint8Array[] = [];
  /** Calls back in the life of the present process. */
  soon: (callback: () => void) => void = () => {};
  #complete: { facts: SnapshotFacts; bytes: Uint8Array }[] = [];
  #incoming: { facts: SnapshotFacts; parts: Uint8Array[]; nextOffset: number } | undefined;
  /** Set when a fetched state is to take the place of the state at the next start. */
  ready: { facts: SnapshotFacts; bytes: Uint8Array } | undefined;

  newest(): SnapshotFacts | undefined {
    return this.#complete.at(-1)?.facts;
  }

  complete(facts: SnapshotFacts): void {
    this.#complete = [...this.#complete, { facts, bytes: this.files.get(this.copyName)! }].slice(
      -2,
    );
  }

  remove(index: number): void {
    this.#complete = this.#complete.filter(({ facts }) => facts.index !== index);
  }

  open(index: number) {
    const found = this.#complete.find(({ facts }) => facts.index === index);
    if (found === undefined) return undefined;
    const { facts, bytes } = found;
    const read = (offset: number, length: number) => bytes.subarray(offset, offset + length);
    return { ...facts, read, close: () => {} };
  }

  incoming(facts: SnapshotFacts) {
    if (this.#incoming?.facts.index !== facts.index) {
      this.#incoming = { facts, parts: [], nextOffset: 0 };
    }
    const incoming = this.#incoming;
    return {
      name: "incoming",
      get nextOffset() {
        return incoming.nextOffset;
      },
      write: (bytes: Uint8Array) => {
        incoming.parts.push(bytes.slice());
        incoming.nextOffset += bytes.length;
      },
      finish: (done: (error?: Error) => void) => {
        this.files.set("incoming", Uint8Array.from(incoming.parts.flatMap((part) => [...part])));
        this.soon(done);
      },
    };
  }

  clearIncoming(): void {
    this.#incoming = undefined;
  }

  markReady(): void {
    this.ready = { facts: this.#incoming!.facts, bytes: this.files.get("incoming")! };
    this.#incoming = undefined;
  }

  /** What was held when nothing else was durable. */
  islandLog(soon: (callback: () => void) => void): IslandLogPort {
    return {
      items: () => this.held,
      append: (items, done) => {
        soon(() => {
          this.held.push(...items);
          done();
        });
      },
      erase: () => void this.held.splice(0),
      bytes: () => this.held.length,
    };
  }

  /** Copies of the state that this machine holds. */
  stateStore(state: AppliedState, soon: (callback: () => void) => void): StateStore {
    return {
      copyTo: (name, { held, done }) => {
        const bytes = encodeState(state);
        this.files.set(name, bytes);
        soon(() => {
          held();
          soon(() => done({ size: bytes.length, digest: digestOf(bytes) }));
        });
      },
      inspect: (name, done) => {
        const bytes = this.files.get(name) ?? new Uint8Array(0);
        soon(() => done({ size: bytes.length, digest: digestOf(bytes) }));
      },
    };
  }
}
