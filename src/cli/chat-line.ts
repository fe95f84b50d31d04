// Understands what a person types in `holdfast chat`. Pure: answers what is meant, does nothing.
import { closest } from "fastest-levenshtein";

/** Where the person is: at the menu, or in a room, where plain lines are messages. */
export type ChatMode = "menu" | "room";

/** What a typed line means. */
export type ChatAction =
  | { readonly kind: "nothing" }
  | { readonly kind: "help" }
  /** People and rooms. */
  | { readonly kind: "list" }
  | { readonly kind: "people"; readonly pattern: string }
  | { readonly kind: "rooms" }
  | { readonly kind: "create"; readonly room: string }
  | { readonly kind: "join"; readonly room: string }
  /** Give up membership. */
  | { readonly kind: "leave"; readonly room: string }
  /** Chat mode; an empty name is the person's own room. */
  | { readonly kind: "enter"; readonly room: string }
  /** Out of chat mode, still a member. */
  | { readonly kind: "menu" }
  | { readonly kind: "exit" }
  | { readonly kind: "send"; readonly body: string }
  | { readonly kind: "mistake"; readonly message: string };

/** What one word of the menu does, and how its help reads. */
interface Verb {
  readonly names: readonly string[];
  readonly argument: "none" | "optional" | "required";
  readonly usage: string;
  readonly help: string;
  readonly act: (argument: string, mode: ChatMode) => ChatAction;
}

const verbs: readonly Verb[] = [
  {
    names: ["list", "ls"],
    argument: "none",
    usage: "list",
    help: "show people and rooms",
    act: () => ({ kind: "list" }),
  },
  {
    names: ["people", "who"],
    argument: "optional",
    usage: "people [pattern]",
    help: "find people; * and ? stand for letters",
    act: (pattern) => ({ kind: "people", pattern }),
  },
  {
    names: ["rooms"],
    argument: "none",
    usage: "rooms",
    help: "show rooms",
    act: () => ({ kind: "rooms" }),
  },
  {
    names: ["create"],
    argument: "required",
    usage: "create <room>",
    help: "make a room that all may join",
    act: (room) => ({ kind: "create", room }),
  },
  {
    names: ["join"],
    argument: "required",
    usage: "join <room>",
    help: "become a member of a room",
    act: (room) => ({ kind: "join", room }),
  },
  {
    names: ["follow"],
    argument: "required",
    usage: "follow <person>",
    help: "join a person's own room",
    act: (name) => ({ kind: "join", room: name.startsWith("@") ? name : `@${name}` }),
  },
  {
    names: ["leave", "unfollow"],
    argument: "optional",
    usage: "leave <room>",
    help: "give up membership; in chat mode, without a name: back to the menu",
    act: (room, mode) => {
      if (room !== "") return { kind: "leave", room };
      if (mode === "room") return { kind: "menu" };
      return { kind: "mistake", message: "Say which room: leave <room>." };
    },
  },
  {
    names: ["chat", "enter"],
    argument: "optional",
    usage: "chat [room]",
    help: "chat mode: what you type is sent; without a name: your own room",
    act: (room) => ({ kind: "enter", room }),
  },
  {
    names: ["help", "?"],
    argument: "none",
    usage: "help",
    help: "show this",
    act: () => ({ kind: "help" }),
  },
  {
    names: ["exit", "quit", "disconnect", "bye"],
    argument: "none",
    usage: "exit",
    help: "end (also: quit, disconnect)",
    act: () => ({ kind: "exit" }),
  },
];

/** What a line means in a mode. In a room a line is a message unless it begins with one `/`. */
export function parseChatLine(mode: ChatMode, line: string): ChatAction {
  const trimmed = line.trim();
  if (trimmed === "") return { kind: "nothing" };
  if (mode === "room") {
    if (!trimmed.startsWith("/")) return { kind: "send", body: line };
    if (trimmed.startsWith("//")) return { kind: "send", body: trimmed.slice(1) };
  }
  return parseVerb(mode, trimmed.startsWith("/") ? trimmed.slice(1) : trimmed);
}

function parseVerb(mode: ChatMode, text: string): ChatAction {
  const [word = "", ...rest] = text.trim().split(/\s+/);
  const slash = mode === "room" ? "/" : "";
  const name = word.toLowerCase();
  const verb = verbs.find((known) => known.names.includes(name));
  if (verb === undefined) {
    const nearest = closest(
      name,
      verbs.flatMap((known) => known.names),
    );
    const hint = `the nearest is \`${slash}${nearest}\`. Try ${slash}help.`;
    return { kind: "mistake", message: `There is no command \`${slash}${word}\`; ${hint}` };
  }
  const expected = { none: [0, 0], optional: [0, 1], required: [1, 1] }[verb.argument];
  if (rest.length < expected[0]! || rest.length > expected[1]!) {
    return { kind: "mistake", message: `Write it as: ${slash}${verb.usage}` };
  }
  return verb.act(rest[0] ?? "", mode);
}

/** The help for a mode. */
export function chatHelp(mode: ChatMode): string[] {
  const slash = mode === "room" ? "/" : "";
  const lines = verbs.map((verb) => `  ${`${slash}${verb.usage}`.padEnd(20)} ${verb.help}`);
  const first =
    mode === "room"
      ? "What you type is sent to the room. A line that begins with / is a command (// sends a /):"
      : "Commands:";
  return [first, ...lines];
}
