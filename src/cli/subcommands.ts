// The table of subcommands. Each is loaded only when it is called, so that the program starts
// quickly.
import type { Command } from "commander";

/**
 * What a subcommand's file gives: options, arguments and action, put on a command that has its name
 * already.
 */
export interface SubcommandModule {
  define(command: Command): void | Promise<void>;
}

/** One line of the table. */
export interface Subcommand {
  readonly name: string;
  /** One line for `holdfast --help`. */
  readonly summary: string;
  readonly load: () => Promise<SubcommandModule>;
}

/** All subcommands in the order in which help shows them. */
export const subcommands: readonly Subcommand[] = [
  {
    name: "up",
    summary: "run three servers on this machine",
    load: () => import("./up.ts"),
  },
  {
    name: "serve",
    summary: "run one server",
    load: () => import("./serve.ts"),
  },
  {
    name: "status",
    summary: "show all servers of a cluster",
    load: () => import("./status.ts"),
  },
  {
    name: "member",
    summary: "list, add, remove and promote the servers of a cluster",
    load: () => import("./member.ts"),
  },
  {
    name: "transfer",
    summary: "hand leadership to another server",
    load: () => import("./transfer.ts"),
  },
  {
    name: "verify",
    summary: "compare what all servers have on their disks",
    load: () => import("./verify.ts"),
  },
  {
    name: "backup",
    summary: "write the whole state of a running cluster to a file",
    load: () => import("./backup.ts"),
  },
  {
    name: "restore",
    summary: "make a new server of a backup",
    load: () => import("./restore.ts"),
  },
  {
    name: "recover",
    summary: "go on from one server's disk when a majority is lost for good",
    load: () => import("./recover.ts"),
  },
  {
    name: "import-lost",
    summary: "bring what a lost server's disk has to a running cluster",
    load: () => import("./import-lost.ts"),
  },
  {
    name: "config",
    summary: "show the effective configuration of a server and where each value comes from",
    load: () => import("./config.ts"),
  },
  {
    name: "inspect",
    summary: "show what a stopped server's data folder holds",
    load: () => import("./inspect.ts"),
  },
  {
    name: "register",
    summary: "make an account",
    load: () => import("./register.ts"),
  },
  {
    name: "login",
    summary: "log in and remember it",
    load: () => import("./login.ts"),
  },
  {
    name: "logout",
    summary: "end the remembered log-in",
    load: () => import("./logout.ts"),
  },
  {
    name: "people",
    summary: "list people",
    load: () => import("./people.ts"),
  },
  {
    name: "rooms",
    summary: "list rooms",
    load: () => import("./rooms.ts"),
  },
  {
    name: "create",
    summary: "make a room",
    load: () => import("./create.ts"),
  },
  {
    name: "join",
    summary: "become a member of a room; with --token: run a new server of a cluster",
    load: () => import("./join.ts"),
  },
  {
    name: "leave",
    summary: "give up membership of a room; with --data or --id: take a server out",
    load: () => import("./leave.ts"),
  },
  {
    name: "send",
    summary: "send a message",
    load: () => import("./send.ts"),
  },
  {
    name: "tail",
    summary: "show a room's last messages, then everything live",
    load: () => import("./tail.ts"),
  },
  {
    name: "chat",
    summary: "chat, line by line",
    load: () => import("./chat.ts"),
  },
];
