// The record that says where the log begins and ends: what cuts the log at the front, begins it
// anew behind a snapshot, or settles damage. Not here: its header (record.ts).
import type { RecordContent } from "./record.ts";
import type { LogBase, LogIndex } from "./types.ts";

const lastIndexBytes = 8;
const twoTo32 = 0x1_0000_0000;

/** From this record on the log is (base.index, lastIndex], of the entries that it had. */
export interface BaseRecord {
  readonly base: LogBase;
  /** Not below base.index; equal to it, the log has no entries. */
  readonly lastIndex: LogIndex;
}

/** As a record's content. The payload: u64 lastIndex, then the context. */
export function encodeBase({ base, lastIndex }: BaseRecord): RecordContent {
  const payload = new Uint8Array(lastIndexBytes + base.context.length);
  const view = new DataView(payload.buffer);
  view.setUint32(0, lastIndex % twoTo32, true);
  view.setUint32(4, Math.floor(lastIndex / twoTo32), true);
  payload.set(base.context, lastIndexBytes);
  return { index: base.index, term: base.term, kind: "base", payload };
}

/** Back again; undefined where no writer can have made this content. */
export function decodeBase(content: RecordContent): BaseRecord | undefined {
  const { index, term, payload } = content;
  if (payload.length < lastIndexBytes) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const lastIndex = view.getUint32(0, true) + view.getUint32(4, true) * twoTo32;
  if (lastIndex < index) return undefined;
  return { base: { index, term, context: payload.slice(lastIndexBytes) }, lastIndex };
}
