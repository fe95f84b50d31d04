// The configuration: what wins, what is refused, and what is filled in.
import { expect, test } from "vitest";
import {
  type ConfigInput,
  describeConfig,
  isRefusal,
  loadConfig,
  type ServerConfig,
} from "./config.ts";
import { environmentKey, fileKey, settingKeys, settings } from "./settings.ts";

function load(input: ConfigInput): ServerConfig {
  const loaded = loadConfig(input);
  if (isRefusal(loaded)) throw new Error(loaded.error);
  return loaded.config;
}

function refusal(input: ConfigInput): string {
  const loaded = loadConfig(input);
  return isRefusal(loaded) ? loaded.error : "accepted";
}

function file(content: string): ConfigInput {
  return { file: { name: "h.toml", content } };
}

test("a server without any setting is a cluster of one (R1)", () => {
  const config = load({});
  expect(config.members).toEqual([{ replicaId: 1, peerAddress: "127.0.0.1:4901" }]);
  expect(config.clientAddress).toBe("http://127.0.0.1:4801");
  expect(config.peerAddress).toBe("127.0.0.1:4901");
  expect(config.data).toBe("data/1");
});

test("a flag wins over the environment, that over the file, that over the default (O1)", () => {
  const given = {
    flags: { acks: "live" } as Record<string, string>,
    environment: { HOLDFAST_ACKS: "majority", HOLDFAST_TICK_MS: "20" } as Record<string, string>,
    ...file('acks = "majority"\ntick-ms = 30\nheartbeat-ms = 60'),
  };
  const loaded = loadConfig(given);
  if (isRefusal(loaded)) throw new Error(loaded.error);
  const { config, sources } = loaded;
  expect([config.acks, sources.acks]).toEqual(["live", "flag"]);
  expect([config.tickMs, sources.tickMs]).toEqual([20, "environment"]);
  expect([config.heartbeatMs, sources.heartbeatMs]).toEqual([60, "file"]);
  expect([config.electionMinMs, sources.electionMinMs]).toEqual([300, "default"]);
});

test("every setting can be given by flag, environment and file alike (O1)", () => {
  for (const key of settingKeys) {
    const setting = settings[key];
    expect(setting.description).not.toBe("");
    expect(setting.range).not.toBe("");
    const bad = "\u0000no";
    const value = key === "members" ? ["1=no"] : bad;
    const content = `${fileKey(key)} = ${JSON.stringify(value)}`;
    expect(refusal({ flags: { [key]: bad } })).toContain(`option --${fileKey(key)}`);
    expect(refusal({ environment: { [environmentKey(key)]: bad } })).toContain(environmentKey(key));
    expect(refusal(file(content))).toContain(`h.toml: key \`${fileKey(key)}\``);
  }
});

test.each([
  [
    { flags: { clientPrt: "1" } },
    "unknown option `--client-prt`; the nearest known one is `--client-port`",
  ],
  [
    { environment: { HOLDFAST_TIK_MS: "" } },
    "unknown environment variable `HOLDFAST_TIK_MS`; the nearest known one is `HOLDFAST_TICK_MS`",
  ],
  [
    { environment: { HOLDFAST_SERVER: "x" } },
    "unknown environment variable `HOLDFAST_SERVER`; the nearest known one is `HOLDFAST_SERVERS`",
  ],
  [
    file("live_timeout_ms = 5"),
    "h.toml: unknown key `live_timeout_ms`; the nearest known one is `live-timeout-ms`",
  ],
  [file("[server]\nid = 5"), "h.toml: unknown key `server`"],
])("an unknown key is refused with the nearest known one (O1) %#", (input, expected) => {
  expect(refusal(input as ConfigInput)).toContain(expected);
});

test.each([
  [{ flags: { id: "0" } }, "option --id: must be a whole number from 1 to 2147483647"],
  [{ flags: { id: "1.5" } }, "option --id: must be a whole number"],
  [{ flags: { id: "" } }, "option --id: must be a whole number"],
  [
    { flags: { clientPort: "65536" } },
    "option --client-port: must be a whole number from 1 to 65535",
  ],
  [{ flags: { clientPort: "80 " } }, "option --client-port: must be a whole number"],
  [file('client-port = "4801"'), "key `client-port`: must be a whole number"],
  [file("client-port = 4801.5"), "key `client-port`: must be a whole number"],
  [{ flags: { acks: "all" } }, "option --acks: must be one of live, majority"],
  [{ flags: { clusterName: "Big Name" } }, "option --cluster-name: must be 1 to 64 of"],
  [
    { flags: { clientAddress: "example.org" } },
    "option --client-address: must be http://host:port",
  ],
  [{ flags: { clientHost: "a b" } }, "option --client-host: must be a host name or address"],
  [{ flags: { members: "1=a" } }, "`1=a` is not of the form id=host:port"],
  [{ flags: { members: "1=a:1,1=b:1" } }, "id 1 occurs twice"],
  [{ flags: { members: "1=a:1,2=a:1" } }, "address a:1 occurs twice"],
  [{ flags: { members: "0=a:1" } }, "`0=a:1` has an id outside of 1 to 2147483647"],
  [{ flags: { members: "2=a:1,3=b:1" } }, "names servers 2, 3, but not this one, whose `id` is 1"],
  [
    { flags: { members: "1=a:1,2=a:2,3=a:3,4=a:4,5=a:5,6=a:6,7=a:7,8=a:8" } },
    "must not have more than 7 servers",
  ],
  [file('members = "1=a:1"'), "key `members`: must be a list of id=host:port"],
  [file("id = "), "h.toml is not valid TOML"],
  [{ flags: { tickMs: "100" } }, "`heartbeat-ms` (50) must not be less than `tick-ms` (100)"],
  [{ flags: { electionMinMs: "100" } }, "must be at least three times `heartbeat-ms` (50)"],
  [{ flags: { electionMaxMs: "300" } }, "`election-max-ms` (300) must be at least two ticks more"],
  [{ flags: { accountPerSecondPerAddress: "1e3" } }, "must be a number from 0.001 to 1000000"],
  [
    { flags: { replayBytesMax: "4194304" } },
    "`replay-bytes-max` (4194304) must be less than `session-queue-bytes-max` (4194304)",
  ],
  [{ flags: { peerPort: "4801" } }, "`client-port` and the peer port are both 4801"],
])("a value that cannot be is refused in one sentence (S6) %#", (input, expected) => {
  const error = refusal(input as ConfigInput);
  expect(error).toContain(expected);
  expect(error).not.toContain("\n");
});

test("the members tell where to listen and where to be reached", () => {
  const config = load({
    flags: { id: "2", members: "1=one.example:7001,2=[fd00::2]:7002", clientHost: "0.0.0.0" },
  });
  expect(config.peerAddress).toBe("[fd00::2]:7002");
  expect(config.clientAddress).toBe("http://[fd00::2]:4801");
  const behind = load({
    flags: {
      members: "1=one.example:7001",
      peerHost: "0.0.0.0",
      clientAddress: "http://chat.example:80",
    },
  });
  expect(behind.peerAddress).toBe("0.0.0.0:7001");
  expect(behind.members).toEqual([{ replicaId: 1, peerAddress: "one.example:7001" }]);
  expect(behind.clientAddress).toBe("http://chat.example:80");
});

test("an empty environment variable counts as not given", () => {
  expect(load({ environment: { HOLDFAST_ACKS: "" } }).acks).toBe("live");
});

test("the effective configuration shows what is filled in and where it came from (O1)", () => {
  const loaded = loadConfig({ flags: { id: "3" } });
  if (isRefusal(loaded)) throw new Error(loaded.error);
  const shown = describeConfig(loaded);
  expect(shown.map((line) => line.key)).toEqual(settingKeys.map(fileKey));
  expect(shown).toContainEqual({ key: "data", value: "data/3", source: "default", unit: "" });
  expect(shown).toContainEqual({ key: "id", value: "3", source: "flag", unit: "" });
  expect(shown).toContainEqual({ key: "tick-ms", value: "10", source: "default", unit: "ms" });
});
