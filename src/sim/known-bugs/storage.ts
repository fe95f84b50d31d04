// Known bugs of the disk: what is called durable and is not, what recovery cuts off or keeps.
import type { KnownBug } from "../known-bug.ts";
import { crashesInARow, powerCuts } from "./hints.ts";

/** Bugs of storage. */
export const storageBugs: readonly KnownBug[] = [
  {
    name: "durable-before-fsync",
    what: "Written entries count as durable at once, not when the fsync has returned.",
    expect: ["nothing-said-before-durable", "leader-completeness", "crash"],
    edits: [
      {
        file: "src/replica/consensus.ts",
        replace: "log.append(persist.entries, (error) => {\n      if (isInside) handleDone(error);",
        by:
          "log.append(persist.entries, () => {});\n" +
          "    this.#parts.clock.setSoon((error?: Error) => {\n" +
          "      if (isInside) handleDone(error);",
      },
    ],
  },
  {
    name: "segment-change-syncs-the-old-file",
    hint: powerCuts,
    what: "The first batch of a new segment is followed by an fsync of the segment before.",
    expect: ["durable-entries", "leader-completeness", "crash"],
    edits: [
      {
        file: "src/storage/journal.ts",
        replace: "file.sync((error) => this.#handleSynced(taken.at(-1)!, error));",
        by:
          "const old = place.offset === 0 && place.segment > 1;\n" +
          "      (old ? this.#segments.file(place.segment - 1) : file).sync((error) =>\n" +
          "        this.#handleSynced(taken.at(-1)!, error),\n" +
          "      );",
      },
    ],
  },
  {
    name: "recovery-cuts-too-much",
    what: "Recovery takes the last record for torn, though it is whole.",
    expect: ["leader-completeness", "crash"],
    edits: [
      {
        file: "src/storage/recovery.ts",
        replace:
          "      this.#take(decoded.record, segment, offset);\n      offset += decoded.bytes;",
        by:
          "      const next = offset + decoded.bytes;\n" +
          "      const last = next + 8 > bytes.length || !isRecordStart(\n" +
          "        new DataView(bytes.buffer, bytes.byteOffset), next);\n" +
          '      if (last && offset > 0) return { offset, problem: "torn" };\n' +
          "      this.#take(decoded.record, segment, offset);\n      offset = next;",
      },
    ],
  },
  {
    name: "torn-tail-not-cut-off",
    hint: crashesInARow,
    what: "What a crash tore stays in the log, and the next records go behind it.",
    expect: ["crash", "durable-entries"],
    edits: [
      {
        file: "src/storage/recovery.ts",
        replace: "file.write(offset, new Uint8Array(end - offset));",
        by: "file.write(offset, bytes.subarray(offset, end));",
      },
      {
        file: "src/storage/recovery.ts",
        replace: "end = { segment: ordinal, offset: scanned.offset };",
        by:
          "{\n" +
          "        const { bytes } = segment;\n" +
          "        const written = endOfNonZero(bytes, scanned.offset, bytes.length);\n" +
          "        end = { segment: ordinal, offset: Math.ceil(written / 8) * 8 };\n" +
          "      }",
      },
    ],
  },
  {
    name: "recovered-tail-not-synced",
    hint: crashesInARow,
    what: "Recovery counts what it finds in the file cache as durable, without an fsync.",
    expect: ["durable-entries", "crash"],
    edits: [{ file: "src/storage/recovery.ts", replace: "    file.syncNow();\n", by: "" }],
  },
  {
    name: "checksum-ignored",
    what: "A record is taken as it is read, whatever its checksum says.",
    expect: ["state-equality", "crash"],
    edits: [
      {
        file: "src/storage/record.ts",
        replace:
          "if (view.getUint32(at + 8, true) !== crc32c(bytes, at + 12, end, seedOf(place))) {",
        by: "if (view.getUint32(at + 8, true) === 0) {",
      },
    ],
  },
];
