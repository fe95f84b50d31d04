// Ends a damaged journal with a base record, which says what the log is from then on: later starts
// pass over the damage before it. Writes at start-up only, and blocks.
import { encodeRecord, nextEra, type RecordContent, recordBytes } from "./record.ts";
import type { Recovered } from "./recovery.ts";
import type { Segments } from "./segments.ts";

/**
 * Sets aside what is damaged, mends the journal's end, and writes this base record behind it,
 * durably. A crash on the way leaves the damage to be found again. Throws.
 */
export function writeSettlement(
  segments: Segments,
  recovered: Recovered,
  content: RecordContent,
): Recovered {
  const { replay } = recovered;
  for (const { file } of recovered.findings) segments.keepAside(file);
  recovered.mend();
  const place = findPlace(segments, recovered.end, recordBytes(content.payload.length));
  const era = nextEra(replay.era, "base");
  const record = {
    sequence: replay.lastSequence + 1,
    durableSequence: replay.lastSequence,
    era,
    content,
  };
  const bytes = new Uint8Array(recordBytes(content.payload.length));
  encodeRecord(record, { bytes, view: new DataView(bytes.buffer), at: 0 }, place);
  const file = segments.file(place.segment);
  file.write(place.offset, bytes);
  file.syncNow();
  replay.lastSequence = record.sequence;
  replay.era = era;
  const { segmentBytes } = recovered;
  segmentBytes.set(place.segment, (segmentBytes.get(place.segment) ?? 0) + bytes.length);
  const end = { segment: place.segment, offset: place.offset + bytes.length };
  return { ...recovered, end, findings: [], isTailLost: false, mend: () => {} };
}

/**
 * Behind the end, or in the next segment. What was made ahead is made again, since a part of it
 * may be missing.
 */
function findPlace(
  segments: Segments,
  end: { readonly segment: number; readonly offset: number } | undefined,
  bytes: number,
): { segment: number; offset: number } {
  const place = end ?? { segment: 0, offset: 0 };
  segments.remove(segments.ordinals().filter((ordinal) => ordinal > place.segment));
  if (place.segment > 0 && place.offset + bytes <= segments.file(place.segment).size()) {
    return place;
  }
  segments.makeNow(place.segment + 1);
  return { segment: place.segment + 1, offset: 0 };
}
