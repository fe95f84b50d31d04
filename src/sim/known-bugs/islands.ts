// Known bugs of island mode: when it opens, what it says, what becomes of what it holds.
import type { KnownBug } from "../known-bug.ts";
import { islands, islandsAndDamage, islandsBesideAMajority } from "./hints.ts";

/** Bugs of islands. */
export const islandBugs: readonly KnownBug[] = [
  {
    name: "held-before-fsync",
    what: "R8: a message is answered as held when it is written, before it is durable.",
    hint: islands,
    expect: ["held-on-disks", "island-leaves-log"],
    edits: [
      {
        file: "src/replica/island.ts",
        replace: "this.#unwritten.push(copy);\n    return copy;",
        by: "this.#unwritten.push(copy);\n    this.#items.markDurable([copy]);\n    return copy;",
      },
    ],
  },
  {
    name: "island-log-not-synced",
    what: "The island log calls durable what is in the file cache.",
    hint: islands,
    expect: ["held-on-disks", "held-survives"],
    edits: [
      {
        file: "src/storage/island-log.ts",
        replace: "this.#file.sync((error) => this.#handleSynced(count, error));",
        by: "queueMicrotask(() => this.#handleSynced(count, undefined));",
      },
    ],
  },
  {
    name: "copies-counted-before-fsync",
    what: "A server tells that it has a copy when it has heard of it, not when it is durable.",
    hint: islands,
    expect: ["held-on-disks"],
    edits: [
      {
        file: "src/replica/island-exchange.ts",
        replace: "for (const { id, durable } of islands) {",
        by:
          "for (const island of islands) {\n" +
          "      const [id, durable] = [island.id, lastOf(island)];",
      },
      {
        file: "src/replica/island.ts",
        replace: "// What is known here is told again",
        by:
          "this.#exchange.tellDurable(" +
          "new Set(items.map((item) => islandName(item.island!))" +
          ".filter((name) => this.#items.island(name) !== undefined)));\n    //",
      },
    ],
  },
  {
    name: "tail-not-taken-in",
    what: "What is in the log's tail when an island opens is not shown.",
    hint: islands,
    expect: ["island-leaves-log"],
    edits: [{ file: "src/replica/island.ts", replace: "this.#takeTail();", by: "" }],
  },
  {
    name: "left-authors-dropped-in-healing",
    what: "A held message whose author has left the room since is refused instead of set aside.",
    hint: islandsBesideAMajority,
    expect: ["model-conformance", "held-survives"],
    edits: [
      {
        file: "src/chat/commands/merge-held.ts",
        replace: "  const { answer, events } =\n    refusal === undefined",
        by:
          "  if (refusal !== undefined) return { outcome: refusal, events: [] };\n" +
          "  const { answer, events } =\n    refusal === undefined",
      },
    ],
  },
  {
    name: "merged-under-a-new-id",
    what: "Healing proposes an item under another id than its author's.",
    hint: islands,
    expect: ["held-survives"],
    edits: [
      {
        file: "src/chat/islands.ts",
        replace: "return encodeMerge(command, {",
        by:
          "const id = command.id.map((byte, at) => (at === 15 ? byte ^ 1 : byte));\n" +
          "  return encodeMerge({ ...command, id }, {",
      },
    ],
  },
  {
    name: "merged-with-the-time-of-healing",
    what: "IM8: a merged message shows another time than that of its acceptance.",
    hint: islands,
    expect: ["held-survives"],
    edits: [
      {
        file: "src/replica/island.ts",
        replace:
          "const numbers = { timestampMs: Number(timestampMs), commitIndex: Number(commitIndex) };",
        by:
          "const isOpen = this.open ? Number(timestampMs) : this.#hooks.clusterTimeMs();\n" +
          "    const numbers = { timestampMs: Math.max(Number(timestampMs), Math.floor(isOpen)), " +
          "commitIndex: Number(commitIndex) };",
      },
    ],
  },
  {
    name: "erased-before-all-is-merged",
    what: "An island log is erased as soon as there is a leader.",
    hint: islands,
    expect: ["island-erasing", "held-survives"],
    edits: [
      {
        file: "src/replica/island.ts",
        replace: "if (!isIdle || this.#items.count === 0 || this.#items.hasUnmerged) return;",
        by: "if (!isIdle || this.#items.count === 0) return;",
      },
      {
        file: "src/replica/island.ts",
        replace: "if (this.#safeIndex < this.#lastMergeIndex) return;",
        by: "",
      },
    ],
  },
  {
    name: "erased-before-a-checkpoint",
    what: "An island log is erased when all is merged, before a majority has a snapshot of it.",
    hint: islands,
    expect: ["island-erasing"],
    edits: [
      {
        file: "src/replica/island.ts",
        replace: "if (this.#safeIndex < this.#lastMergeIndex) return;",
        by: "",
      },
    ],
  },
  {
    name: "never-erased",
    what: "An island log is never erased.",
    hint: islands,
    expect: ["liveness"],
    edits: [
      {
        file: "src/replica/island-wiring.ts",
        replace:
          "this.island.handleSnapshotsSafeUpTo(indexes[Math.floor(voters.length / 2)] ?? 0);",
        by: "",
      },
    ],
  },
  {
    name: "island-beside-a-majority",
    what: "A server that finds no leader opens an island though it is connected with a majority.",
    hint: islands,
    expect: ["island-opening"],
    edits: [
      {
        file: "src/replica/island.ts",
        replace: 'if (survival !== "island" || now.isMajorityConnected) return false;',
        by: 'if (survival !== "island") return false;',
      },
    ],
  },
  {
    name: "island-too-early",
    what: "An island opens in half of the time that it should wait.",
    hint: islands,
    expect: ["island-opening"],
    edits: [
      {
        file: "src/replica/island.ts",
        replace: "(this.#leaderlessSinceMs ?? now.nowMs) < islandAfterMs) return false;",
        by: "(this.#leaderlessSinceMs ?? now.nowMs) < islandAfterMs / 2) return false;",
      },
    ],
  },
  {
    name: "held-shown-to-everyone",
    what: "S7: a held message is shown to people who are not in its room.",
    hint: islands,
    expect: ["held"],
    edits: [
      {
        file: "src/chat/queries/held-message.ts",
        replace: "audience: state.audienceOf(room),",
        by: 'audience: { kind: "everyone" },',
      },
    ],
  },
  {
    name: "held-forgotten-at-restart",
    what: "A server that comes back does not look into its island log.",
    hint: islands,
    expect: ["held-survives", "liveness"],
    edits: [
      {
        file: "src/replica/island.ts",
        replace: "this.#hooks.log.items().map(",
        by: "this.#hooks.log.items().slice(0, 0).map(",
      },
    ],
  },
  {
    name: "pending-refused-on-an-island",
    what: "What waited for a majority is refused when an island opens; some log may have it.",
    hint: islands,
    expect: ["exactly-once"],
    edits: [
      {
        file: "src/replica/island-wiring.ts",
        replace: 'done(answer.kind === "notHeld" ? unsure : answer)',
        by: "done(answer)",
      },
    ],
  },
  {
    name: "client-forgets-what-is-held",
    what: "K1: a client takes a held message out of its outbox.",
    hint: islands,
    expect: ["liveness"],
    edits: [
      {
        file: "src/client/outbox.ts",
        replace: "entry.held = true;\n    this.#park(place, entry);",
        by: "entry.held = true;\n    this.#leave(place, entry);",
      },
    ],
  },
  {
    name: "gap-in-the-island-log-is-fatal",
    what: "A server whose disk has lost one held item cannot start any more.",
    hint: islandsAndDamage,
    expect: ["crash"],
    edits: [
      {
        file: "src/replica/island-items.ts",
        replace: "if (island.copies.length > 0 && item.sequence !== lastOf(island) + 1) {",
        by: "if (island.copies.length > heldItemsMax) {",
      },
    ],
  },
];
