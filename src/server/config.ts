// Makes one checked configuration out of flags, environment, file and defaults, in this order, and
// remembers where each value came from. Refuses what it does not know. Reads no file and no process
// state itself.
import { parse as parseToml } from "smol-toml";
import { formatHostPort, type Member, parseHostPort } from "./address.ts";
import { unknownName } from "./nearest.ts";
import type { Setting } from "./setting.ts";
import {
  environmentKey,
  fileKey,
  type SettingKey,
  type SettingValues,
  settingKeys,
  settings,
} from "./settings.ts";

/** Where a value came from. */
export type Source = "flag" | "environment" | "file" | "default";

/** All settings of one server, checked, with nothing left open. */
export interface ServerConfig extends SettingValues {
  /** Where to listen for the other servers, `host:port`. */
  readonly peerAddress: string;
  /** Where the other servers reach this one, `host:port`. */
  readonly advertisedPeerAddress: string;
  /** Whether `members` was given; else they are this server alone. */
  readonly areMembersGiven: boolean;
  /** Whether `id` was given; else a data folder that is there says it. */
  readonly isIdGiven: boolean;
}

/** A configuration and where each of its values came from. */
export interface LoadedConfig {
  readonly config: ServerConfig;
  readonly sources: Readonly<Record<SettingKey, Source>>;
}

/** What a configuration is made of. */
export interface ConfigInput {
  /** By setting key (camelCase), as written on the command line. */
  readonly flags?: Readonly<Record<string, string | undefined>>;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Content of a TOML file and its name for messages. */
  readonly file?: { readonly name: string; readonly content: string } | undefined;
}

/** A configuration that cannot be; `error` is one sentence for people. */
export interface ConfigRefusal {
  readonly error: string;
}

/** HOLDFAST_ variables that are no setting of a server: they belong to other commands. */
export const otherEnvironmentKeys: readonly string[] = [
  "HOLDFAST_CONFIG",
  "HOLDFAST_SERVERS",
  "HOLDFAST_SESSION",
  "HOLDFAST_PASSWORD",
  "HOLDFAST_BASE_PORT",
  "HOLDFAST_OPERATOR_TOKEN",
];

type Given = Map<SettingKey, { readonly value: unknown; readonly place: string }>;

/** Whether a loading came out as a refusal. */
export function isRefusal(result: object): result is ConfigRefusal {
  return "error" in result;
}

/** Reads and checks everything; the first thing that is wrong is the answer otherwise. */
export function loadConfig(input: ConfigInput): LoadedConfig | ConfigRefusal {
  const environment = givenByEnvironment(input.environment ?? {});
  if (isRefusal(environment)) return environment;
  const flags = givenByFlags(input.flags ?? {});
  if (isRefusal(flags)) return flags;
  const file = input.file === undefined ? (new Map() as Given) : givenByFile(input.file);
  if (isRefusal(file)) return file;

  const values: Record<string, unknown> = {};
  const sources = {} as Record<SettingKey, Source>;
  for (const key of settingKeys) {
    const setting = settings[key] as Setting;
    const [source, given] = firstOf(key, { flag: flags, environment, file });
    sources[key] = source;
    if (given === undefined) {
      values[key] = setting.default;
      continue;
    }
    const judged = setting.schema.safeParse(given.value);
    if (!judged.success) {
      return { error: `${given.place}: ${judged.error.issues[0]?.message ?? "is not valid"}` };
    }
    values[key] = judged.data;
  }
  const config = complete(values as unknown as SettingValues, sources.id !== "default");
  return isRefusal(config) ? config : { config, sources };
}

function firstOf(
  key: SettingKey,
  given: { flag: Given; environment: Given; file: Given },
): [Source, { value: unknown; place: string } | undefined] {
  for (const source of ["flag", "environment", "file"] as const) {
    const found = given[source].get(key);
    if (found !== undefined) return [source, found];
  }
  return ["default", undefined];
}

function givenByFlags(flags: Readonly<Record<string, string | undefined>>): Given | ConfigRefusal {
  const given: Given = new Map();
  for (const [name, value] of Object.entries(flags)) {
    const key = settingKeys.find((known) => known === name);
    if (key === undefined) {
      const known = settingKeys.map((other) => `--${fileKey(other)}`);
      return { error: unknownName("option", `--${fileKey(name)}`, known) };
    }
    if (value === undefined) continue;
    given.set(key, {
      value: (settings[key] as Setting).fromText(value),
      place: `option --${fileKey(key)}`,
    });
  }
  return given;
}

/**
 * The refusal of the first HOLDFAST_ variable among `names` that is neither a setting nor another
 * command's.
 */
export function refuseUnknownVariables(names: readonly string[]): ConfigRefusal | undefined {
  const known = [...settingKeys.map(environmentKey), ...otherEnvironmentKeys];
  const unknown = names.find((name) => name.startsWith("HOLDFAST_") && !known.includes(name));
  return unknown === undefined ? undefined : { error: unknownEnvironmentName(unknown, known) };
}

function givenByEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Given | ConfigRefusal {
  const refusal = refuseUnknownVariables(Object.keys(environment));
  if (refusal !== undefined) return refusal;
  const given: Given = new Map();
  for (const key of settingKeys) {
    const name = environmentKey(key);
    const value = environment[name];
    // Compose files pass on variables that nobody has set as empty ones.
    if (value === undefined || value === "") continue;
    given.set(key, {
      value: (settings[key] as Setting).fromText(value),
      place: `environment variable ${name}`,
    });
  }
  return given;
}

/** Names are compared in lower case, or else case alone would make them strangers. */
function unknownEnvironmentName(name: string, known: readonly string[]): string {
  const lower = unknownName(
    "environment variable",
    name.toLowerCase(),
    known.map((other) => other.toLowerCase()),
  );
  return lower.replace(/`[^`]*`/g, (quoted) => quoted.toUpperCase());
}

function givenByFile(file: { name: string; content: string }): Given | ConfigRefusal {
  let table: Record<string, unknown>;
  try {
    table = parseToml(file.content);
  } catch (error) {
    const firstLine = String(error instanceof Error ? error.message : error).split("\n")[0];
    return { error: `${file.name} is not valid TOML: ${firstLine}` };
  }
  const given: Given = new Map();
  for (const [name, value] of Object.entries(table)) {
    const key = settingKeys.find((known) => fileKey(known) === name);
    if (key === undefined) {
      return { error: `${file.name}: ${unknownName("key", name, settingKeys.map(fileKey))}` };
    }
    given.set(key, {
      value: (settings[key] as Setting).fromFile(value),
      place: `${file.name}: key \`${name}\``,
    });
  }
  return given;
}

/**
 * Fills in what depends on other settings, and checks what only shows in several of them together.
 */
function complete(values: SettingValues, isIdGiven: boolean): ServerConfig | ConfigRefusal {
  const conflict = checkTimings(values) ?? checkLimits(values);
  if (conflict !== undefined) return { error: conflict };
  const own = values.members.find((member) => member.replicaId === values.id);
  if (values.members.length > 0 && own === undefined) {
    const ids = values.members.map((member) => member.replicaId).join(", ");
    return {
      error: `\`members\` names servers ${ids}, but not this one, whose \`id\` is ${values.id}`,
    };
  }
  const advertised = own === undefined ? undefined : parseHostPort(own.peerAddress);
  const peerHost = values.peerHost || advertised?.host || "127.0.0.1";
  const peerPort = values.peerPort || advertised?.port || 4901;
  const peerAddress = formatHostPort({ host: peerHost, port: peerPort });
  if (peerPort === values.clientPort && peerHost === values.clientHost) {
    return { error: `\`client-port\` and the peer port are both ${peerPort}; they must differ` };
  }
  const members: readonly Member[] =
    values.members.length > 0 ? values.members : [{ replicaId: values.id, peerAddress }];
  // Whoever listens on all addresses is reached by clients where the other servers reach it.
  const isAny = values.clientHost === "0.0.0.0" || values.clientHost === "::";
  const reached = isAny ? (advertised?.host ?? "127.0.0.1") : values.clientHost;
  const clientAddress =
    values.clientAddress || `http://${formatHostPort({ host: reached, port: values.clientPort })}`;
  const data = values.data || `data/${values.id}`;
  const advertisedPeerAddress = own?.peerAddress ?? reachedAt(peerAddress, clientAddress);
  const addresses = { clientAddress, peerHost, peerPort, peerAddress, advertisedPeerAddress };
  const areMembersGiven = values.members.length > 0;
  return { ...values, data, members, areMembersGiven, isIdGiven, ...addresses };
}

/** Whoever listens on all addresses is reached by servers where clients reach it. */
function reachedAt(peerAddress: string, clientAddress: string): string {
  const { host, port } = parseHostPort(peerAddress) ?? { host: "", port: 0 };
  if (host !== "0.0.0.0" && host !== "::") return peerAddress;
  const reached = parseHostPort(clientAddress.slice("http://".length))?.host ?? "127.0.0.1";
  return formatHostPort({ host: reached, port });
}

function checkTimings(values: SettingValues): string | undefined {
  const { tickMs, heartbeatMs, electionMinMs, electionMaxMs } = values;
  if (heartbeatMs < tickMs) {
    return `\`heartbeat-ms\` (${heartbeatMs}) must not be less than \`tick-ms\` (${tickMs})`;
  }
  if (electionMinMs < 3 * heartbeatMs) {
    return (
      `\`election-min-ms\` (${electionMinMs}) must be at least three times ` +
      `\`heartbeat-ms\` (${heartbeatMs})`
    );
  }
  if (values.islandAfterMs <= electionMaxMs) {
    return (
      `\`island-after-ms\` (${values.islandAfterMs}) must be more than ` +
      `\`election-max-ms\` (${electionMaxMs})`
    );
  }
  if (electionMaxMs < electionMinMs + 2 * tickMs) {
    return (
      `\`election-max-ms\` (${electionMaxMs}) must be at least two ticks more than ` +
      `\`election-min-ms\` (${electionMinMs})`
    );
  }
  return undefined;
}

function checkLimits({ replayBytesMax, sessionQueueBytesMax }: SettingValues): string | undefined {
  if (replayBytesMax < sessionQueueBytesMax) return undefined;
  return (
    `\`replay-bytes-max\` (${replayBytesMax}) must be less than ` +
    `\`session-queue-bytes-max\` (${sessionQueueBytesMax})`
  );
}

/** The settings as text with their sources, in order; what `holdfast config` prints. */
export function describeConfig(
  loaded: LoadedConfig,
): { key: string; value: string; source: Source; unit: string }[] {
  return settingKeys.map((key) => {
    const setting = settings[key] as Setting;
    return {
      key: fileKey(key),
      value: setting.toText(loaded.config[key]),
      source: loaded.sources[key],
      unit: setting.unit,
    };
  });
}
