// What an operator does by the command line while the cluster runs. The one place that knows how
// these commands are called. A command that does not exist is a failure with its name in it.
import { type RunResult, runProgram } from "../program.ts";

/** The program has no such command: what was to be shown cannot be. */
export class MissingCommandError extends Error {
  override name = "MissingCommandError";

  constructor(words: readonly string[]) {
    super(`there is no command \`holdfast ${words.join(" ")}\` yet`);
  }
}

/** How each command is called, and an option that only it has: `join` has a namesake. */
const commands = {
  "member add": { words: ["member", "add"], option: "--json" },
  "member list": { words: ["member", "list"], option: "--json" },
  "member remove": { words: ["member", "remove"], option: "--to" },
  join: { words: ["join"], option: "--token" },
  transfer: { words: ["transfer"], option: "--to" },
  verify: { words: ["verify"], option: "--json" },
} as const;

/** A command for operators. */
export type OperatorCommand = keyof typeof commands;

const found = new Map<OperatorCommand, boolean>();

/** Whether the program has this command. */
export async function hasCommand(name: OperatorCommand): Promise<boolean> {
  const known = found.get(name);
  if (known !== undefined) return known;
  const { words, option } = commands[name];
  const { code, stdout } = await runProgram([...words, "--help"]);
  const has = code === 0 && stdout.includes(`holdfast ${words.join(" ")}`);
  found.set(name, has && stdout.includes(option));
  return found.get(name)!;
}

/** Throws a MissingCommandError unless the program has all of these. */
export async function requireCommands(...names: readonly OperatorCommand[]): Promise<void> {
  for (const name of names) {
    if (!(await hasCommand(name))) throw new MissingCommandError(commands[name].words);
  }
}

/** Whom to ask, and where the operator's proof is: in the data folder of any server. */
export interface OperatorDesk {
  /** `http://host:port` of servers, any of which may be down. */
  readonly addresses: readonly string[];
  readonly dataFolder: string;
}

/** A snapshot of a large state takes its time, and `verify` waits for everybody's. */
const commandTimeoutMs = 180_000;

async function run(
  name: OperatorCommand,
  desk: OperatorDesk,
  rest: readonly string[] = [],
): Promise<RunResult> {
  await requireCommands(name);
  const { addresses, dataFolder } = desk;
  const to = addresses.map((address) => address.replace("http://", "")).join(",");
  const args = [...commands[name].words, ...rest, "--to", to];
  const environment = { HOLDFAST_DATA: dataFolder };
  const result = await runProgram(args, { environment, timeoutMs: commandTimeoutMs });
  if (result.code === 0 || name === "verify") return result;
  throw new Error(`holdfast ${args.join(" ")} ended with ${result.code}: ${result.stderr}`);
}

/** A token with which one server may join. */
export async function createJoinToken(desk: OperatorDesk): Promise<string> {
  const { stdout } = await run("member add", desk, ["--json"]);
  const { token } = JSON.parse(stdout) as { token?: string };
  if (token === undefined) throw new Error(`member add --json gave no token: ${stdout}`);
  return token;
}

/** Takes a server out of the cluster for good. */
export async function removeMember(desk: OperatorDesk, id: number): Promise<void> {
  await run("member remove", desk, [String(id)]);
}

/** Hands leadership to another server. */
export async function transferLeadership(desk: OperatorDesk): Promise<void> {
  await run("transfer", desk);
}

/** Whether all servers have the same state, by the servers' own digests. */
export async function verifyDigests(desk: OperatorDesk): Promise<boolean> {
  const { code, stdout, stderr } = await run("verify", desk, ["--json"]);
  if (code === 0 || code === 1) return code === 0;
  throw new Error(`holdfast verify ended with ${code}: ${stdout}${stderr}`);
}
