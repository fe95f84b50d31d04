// What typed lines mean, mode by mode.
import { expect, test } from "vitest";
import { type ChatAction, type ChatMode, chatHelp, parseChatLine } from "./chat-line.ts";

test.each<[ChatMode, string, ChatAction]>([
  ["menu", "", { kind: "nothing" }],
  ["menu", "   ", { kind: "nothing" }],
  ["menu", "list", { kind: "list" }],
  ["menu", "  LIST  ", { kind: "list" }],
  ["menu", "/list", { kind: "list" }],
  ["menu", "people a*", { kind: "people", pattern: "a*" }],
  ["menu", "people", { kind: "people", pattern: "" }],
  ["menu", "create team", { kind: "create", room: "team" }],
  ["menu", "join team", { kind: "join", room: "team" }],
  ["menu", "join @ada", { kind: "join", room: "@ada" }],
  ["menu", "follow ada", { kind: "join", room: "@ada" }],
  ["menu", "follow @ada", { kind: "join", room: "@ada" }],
  ["menu", "leave team", { kind: "leave", room: "team" }],
  ["menu", "leave", { kind: "mistake", message: "Say which room: leave <room>." }],
  ["menu", "chat team", { kind: "enter", room: "team" }],
  ["menu", "chat", { kind: "enter", room: "" }],
  ["menu", "exit", { kind: "exit" }],
  ["menu", "quit", { kind: "exit" }],
  ["menu", "disconnect", { kind: "exit" }],
  ["menu", "join", { kind: "mistake", message: "Write it as: join <room>" }],
  ["menu", "join a b", { kind: "mistake", message: "Write it as: join <room>" }],
  ["menu", "list all", { kind: "mistake", message: "Write it as: list" }],
  ["room", "hello there ", { kind: "send", body: "hello there " }],
  ["room", "exit", { kind: "send", body: "exit" }],
  ["room", "  indented", { kind: "send", body: "  indented" }],
  ["room", "//etc/hosts", { kind: "send", body: "/etc/hosts" }],
  ["room", "", { kind: "nothing" }],
  ["room", "/leave", { kind: "menu" }],
  ["room", "/leave team", { kind: "leave", room: "team" }],
  ["room", "/exit", { kind: "exit" }],
  ["room", "/help", { kind: "help" }],
  ["room", "/chat other", { kind: "enter", room: "other" }],
])("C6: in the %s, %j is understood", (mode, line, expected) => {
  expect(parseChatLine(mode, line)).toEqual(expected);
});

test.each<[ChatMode, string, string]>([
  ["menu", "lsit", "There is no command `lsit`; the nearest is `list`. Try help."],
  ["room", "/jion x", "There is no command `/jion`; the nearest is `/join`. Try /help."],
])("in the %s, the mistake %j names the nearest command", (mode, line, message) => {
  expect(parseChatLine(mode, line)).toEqual({ kind: "mistake", message });
});

test("help shows each command in the form in which it is typed", () => {
  expect(chatHelp("menu").join("\n")).toContain("\n  join <room> ");
  expect(chatHelp("room").join("\n")).toContain("\n  /join <room> ");
});
