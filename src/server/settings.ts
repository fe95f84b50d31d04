// The table of everything that can be set: key, meaning, unit, default, range. `config.ts` reads
// values into it, the command line makes its options from it.
import { z } from "zod";
import {
  checkMembers,
  formatMember,
  type Member,
  parseHostPort,
  parseMember,
  replicaIdMax,
} from "./address.ts";
import { limitSettings } from "./limit-settings.ts";
import { membersMax } from "./limits.ts";
import { choice, integer, type Setting, text } from "./setting.ts";

const hostPattern = /^[A-Za-z0-9._:-]{1,253}$/;
const clusterNamePattern = /^[a-z0-9][a-z0-9._-]{0,63}$/;

function isHttpAddress(value: string): boolean {
  return (
    value === "" || (value.startsWith("http://") && parseHostPort(value.slice(7)) !== undefined)
  );
}

const memberList: Setting<readonly Member[]> = {
  description:
    "All servers of the cluster with their peer addresses, the same list on each of them. " +
    "Empty: this server alone.",
  unit: "",
  range: `up to ${membersMax} of id=host:port`,
  default: [],
  schema: z
    .array(z.custom<Member>(), `must be a list of id=host:port`)
    .max(membersMax, `must not have more than ${membersMax} servers`)
    .superRefine((members, context) => {
      const broken = members.find((member) => typeof member === "string");
      const problem = broken ?? checkMembers(members);
      if (problem !== undefined) context.addIssue({ code: "custom", message: String(problem) });
    }),
  fromText: (value) => value.split(",").map(parseMember),
  fromFile: (value) =>
    Array.isArray(value) ? value.map((member) => parseMember(String(member))) : value,
  toText: (members) => members.map(formatMember).join(","),
};

const identitySettings = {
  id: integer({
    description: "This server's id, unique in its cluster and never given to another data folder.",
    default: 1,
    min: 1,
    max: replicaIdMax,
  }),
  clusterName: text({
    description: "Name of the cluster; servers with different names refuse each other.",
    default: "holdfast",
    range: "1 to 64 of a–z, 0–9, `.`, `_`, `-`, beginning with a letter or digit",
    fits: (value) => clusterNamePattern.test(value),
  }),
  members: memberList,
  data: text({
    description: "Folder that holds all that this server knows. Made when it does not exist.",
    default: "",
    defaultText: "data/<id>",
    range: "a path",
    fits: (value) => value.length <= 4096 && !value.includes("\0"),
  }),
} as const;

const addressSettings = {
  clientHost: text({
    description: "Address to listen on for clients.",
    default: "127.0.0.1",
    range: "a host name or address",
    fits: (value) => hostPattern.test(value),
  }),
  clientPort: integer({
    description: "Port to listen on for clients.",
    default: 4801,
    min: 1,
    max: 65_535,
  }),
  clientAddress: text({
    description: "Where clients reach this server; told to them and to the other servers.",
    default: "",
    defaultText: "http://<client-host>:<client-port>",
    range: "http://host:port",
    fits: isHttpAddress,
  }),
  peerHost: text({
    description: "Address to listen on for the other servers.",
    default: "",
    defaultText: "the host of this server in `members`",
    range: "a host name or address",
    fits: (value) => value === "" || hostPattern.test(value),
  }),
  peerPort: integer({
    description:
      "Port to listen on for the other servers. 0: the port of this server in `members`.",
    default: 0,
    defaultText: "the port of this server in `members`, or 4901",
    min: 0,
    max: 65_535,
  }),
} as const;

const timingSettings = {
  tickMs: integer({
    description: "The step in which this server counts its time-outs.",
    unit: "ms",
    default: 10,
    min: 1,
    max: 1_000,
  }),
  heartbeatMs: integer({
    description: "How often the leader says that it is there. At least `tick-ms`.",
    unit: "ms",
    default: 50,
    min: 1,
    max: 60_000,
  }),
  electionMinMs: integer({
    description:
      "Shortest silence of the leader after which a server stands for election. " +
      "At least three times `heartbeat-ms`.",
    unit: "ms",
    default: 300,
    min: 3,
    max: 600_000,
  }),
  electionMaxMs: integer({
    description: "Longest such silence; each server draws its own. More than `election-min-ms`.",
    unit: "ms",
    default: 600,
    min: 4,
    max: 600_000,
  }),
  liveTimeoutMs: integer({
    description:
      "A server silent for this long is no longer waited for before a write is acknowledged.",
    unit: "ms",
    default: 500,
    min: 50,
    max: 60_000,
  }),
  islandAfterMs: integer({
    description:
      "How long a server is without a leader and a majority before it goes on in island mode. " +
      "More than `election-max-ms`.",
    unit: "ms",
    default: 3_000,
    min: 100,
    max: 3_600_000,
  }),
  proposalTimeoutMs: integer({
    description:
      "How long a write may wait for a leader and a majority before it is answered as unavailable.",
    unit: "ms",
    default: 10_000,
    min: 100,
    max: 600_000,
  }),
} as const;

const behaviourSettings = {
  acks: choice({
    description:
      "On whose disks a write must be before it is acknowledged: `live`: a majority's and every " +
      "other live server's; `majority`: a majority's.",
    default: "live",
    choices: ["live", "majority"],
  }),
  survival: choice({
    description:
      "What a server does without a majority: `island`: it holds messages, to be merged when a " +
      "majority is back; `quorum`: it only reads.",
    default: "island",
    choices: ["island", "quorum"],
  }),
  checkpointBytes: integer({
    description: "A snapshot is taken when the log has grown by so much since the last one.",
    unit: "bytes",
    default: 64 * 1024 * 1024,
    min: 4_096,
    max: 64 * 1024 * 1024 * 1024,
  }),
  logKeepBytes: integer({
    description: "How much of the log is kept behind a snapshot, for servers a little behind.",
    unit: "bytes",
    default: 16 * 1024 * 1024,
    min: 0,
    max: 64 * 1024 * 1024 * 1024,
  }),
  logLevel: choice({
    description: "The least weighty log line that is written.",
    default: "info",
    choices: ["trace", "debug", "info", "warn", "error", "fatal", "silent"],
  }),
  logFormat: choice({
    description: "`pretty`: one readable line each; `json`: one JSON object a line.",
    default: "pretty",
    choices: ["pretty", "json"],
  }),
} as const;

/** All settings in the order in which they are shown. */
export const settings = {
  ...identitySettings,
  ...addressSettings,
  ...timingSettings,
  ...behaviourSettings,
  ...limitSettings,
} as const;

/**
 * A setting's name in the program; people write it in kebab-case (flag, file) or as
 * HOLDFAST_UPPER_CASE.
 */
export type SettingKey = keyof typeof settings;

/** The value of each setting. */
export type SettingValues = {
  readonly [Key in SettingKey]: (typeof settings)[Key] extends Setting<infer T> ? T : never;
};

/** All keys, in order. */
export const settingKeys = Object.keys(settings) as SettingKey[];

/** How a setting is called in a file and, after `--`, as a flag: `client-port`. */
export function fileKey(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** How a setting is called in the environment: `HOLDFAST_CLIENT_PORT`. */
export function environmentKey(key: string): string {
  return `HOLDFAST_${fileKey(key).replaceAll("-", "_").toUpperCase()}`;
}
