// Known bugs of the state machine: exactly-once, audiences, numbers, determinism.
import type { KnownBug } from "../known-bug.ts";

/** Bugs of the chat state machine. */
export const chatBugs: readonly KnownBug[] = [
  {
    name: "applied-index-outside-the-transaction",
    what: "The applied index is stored after the changes that it speaks of, not with them.",
    expect: ["state-equality", "crash"],
    edits: [
      {
        file: "src/chat/chat.ts",
        replace: "this.#context.statements.setApplied.run(index, timestampMs);\n    return {",
        by: "return {",
      },
      {
        file: "src/chat/chat.ts",
        replace: "this.#appliedIndex = last.index;",
        by:
          "this.#database.transaction(() => {\n" +
          "        this.#context.statements.setApplied.run(this.#appliedIndex, timestampMs);\n" +
          "      });\n" +
          "      this.#appliedIndex = last.index;",
      },
    ],
  },
  {
    name: "message-ids-forgotten",
    what: "A message that is sent again under its id is stored again.",
    expect: ["exactly-once-applied", "exactly-once", "crash"],
    edits: [
      {
        file: "src/chat/statements.ts",
        replace: "WHERE command_id = ?2 AND author_id = ?1 AND kind",
        by: "WHERE command_id = ?2 AND author_id = -?1 AND kind",
      },
      {
        file: "src/chat/schema.ts",
        replace: "CREATE UNIQUE INDEX messages_by_command",
        by: "CREATE INDEX messages_by_command",
      },
    ],
  },
  {
    name: "command-ids-forgotten",
    what: "Commands other than messages are not remembered: a retry is applied anew.",
    expect: ["model-conformance", "exactly-once"],
    edits: [
      {
        file: "src/chat/apply-command.ts",
        replace: 'if (content.kind === "other") {',
        by: 'if (content.kind === "other" && userId < 0) {',
      },
    ],
  },
  {
    name: "message-shown-to-everyone",
    what: "S7: a message goes to everybody who is connected, not to the room's members.",
    expect: ["model-conformance", "audience"],
    edits: [
      {
        file: "src/chat/commands/send-message.ts",
        replace: "audience: context.state.audienceOf(room), event",
        by: 'audience: { kind: "everyone" as const }, event',
      },
    ],
  },
  {
    name: "left-member-still-told",
    what: "S7: whoever has left a room goes on to see what is written in it.",
    expect: ["model-conformance", "audience"],
    edits: [
      {
        file: "src/chat/state.ts",
        replace:
          'room.audience = { kind: "users", users: room.members };\n      room.lentInCall = 0;',
        by: "room.lentInCall = 0;",
      },
    ],
  },
  {
    name: "leaver-not-told",
    what: "Whoever leaves is not told of it, while a replay says that they were.",
    expect: ["model-conformance", "subscriptions"],
    edits: [
      {
        file: "src/chat/commands/leave-room.ts",
        replace: "events: [{ audience, event }] };",
        by: "events: [{ audience: state.audienceOf(room), event }] };",
      },
    ],
  },
  {
    name: "anyone-reads-any-room",
    what: "S7: a room's timeline is read by people who are not in it.",
    expect: ["audience"],
    edits: [
      {
        file: "src/chat/access.ts",
        replace: "return room.members.has(userId) ? undefined : refused.notAMember;",
        by: "return room.roomId > 0 || userId > 0 ? undefined : refused.notAMember;",
      },
    ],
  },
  {
    name: "replay-from-before-the-stay",
    what: "S7: a replay shows what was written before the person joined.",
    expect: ["audience", "subscriptions"],
    edits: [
      {
        file: "src/chat/queries/events-since.ts",
        replace: 'Math.max(window.after, integer(stay, "joined_position") - 1);',
        by: "window.after;",
      },
    ],
  },
  {
    name: "replay-past-the-stay",
    what: "S7: a replay shows what was written after the person left.",
    expect: ["audience", "subscriptions"],
    edits: [
      {
        file: "src/chat/queries/events-since.ts",
        replace: 'Math.min(window.until, integer(stay, "left_position"));',
        by: "window.until;",
      },
    ],
  },
  {
    name: "joining-takes-two-numbers",
    what: "Numbers have a hole after each item that is no message.",
    expect: ["numbers-and-stamps", "dense-numbers"],
    edits: [
      {
        file: "src/chat/timeline.ts",
        replace: "const number = state.lastItem(room).number + 1;",
        by:
          "const step = content.kind === itemKind.message ? 1 : 2;\n" +
          "  const number = state.lastItem(room).number + step;",
      },
      {
        file: "src/chat/state.ts",
        replace: "assert(last.number === this.lastItem(room).number + 1,",
        by: "assert(last.number > this.lastItem(room).number,",
      },
    ],
  },
  {
    name: "clock-in-the-state-machine",
    what: "Items bear the time at which a server applies them, so servers differ.",
    expect: ["crash", "state-equality"],
    edits: [
      {
        file: "src/chat/chat.ts",
        replace: "timestampMs = Math.max(timestampMs, entry.timestampMs);",
        by: "timestampMs = Math.max(timestampMs, Date.now());",
      },
    ],
  },
];
