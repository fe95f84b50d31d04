// What this machine permits beyond signals and sockets: found out by trying, before a run. What
// cannot be had comes with a reason in plain words.
import { describeError, runCommand } from "./commands.ts";
import { openNetwork, removeAbandonedNetworks } from "./namespaces.ts";
import { findFaketime } from "./wrong-clock.ts";

/** What a fault may need of the machine. */
export type MachineNeed = "namespaces" | "packet-chance" | "faketime";

/** What there is. */
export interface Machine {
  /** Why a need cannot be met; a need that is not in it can be. */
  readonly lacks: ReadonlyMap<MachineNeed, string>;
  /** The path of libfaketime, where it can be used. */
  readonly faketimePath: string | undefined;
}

/** Tries what these needs ask for, and nothing else. */
export async function probeMachine(needs: ReadonlySet<MachineNeed>): Promise<Machine> {
  const lacks = new Map<MachineNeed, string>();
  let faketimePath: string | undefined;
  if (needs.has("faketime")) {
    const found = await findFaketime();
    if ("path" in found) faketimePath = found.path;
    else lacks.set("faketime", found.reason);
  }
  if (needs.has("namespaces") || needs.has("packet-chance")) {
    for (const [need, reason] of await probeNetwork()) lacks.set(need, reason);
  }
  return { lacks, faketimePath };
}

async function probeNetwork(): Promise<[MachineNeed, string][]> {
  const refuse = (reason: string): [MachineNeed, string][] => [
    ["namespaces", reason],
    ["packet-chance", reason],
  ];
  if (process.platform !== "linux") return refuse("network namespaces exist on Linux only");
  if (process.getuid?.() !== 0) return refuse("network namespaces need root");
  for (const tool of ["ip", "nft"]) {
    try {
      await runCommand([tool, tool === "ip" ? "-V" : "--version"]);
    } catch {
      return refuse(`the command ${tool} is not installed`);
    }
  }
  removeAbandonedNetworks();
  try {
    return await tryNetwork();
  } catch (error) {
    return refuse(describeError(error));
  }
}

/** A network of two, with each kind of rule. */
async function tryNetwork(): Promise<[MachineNeed, string][]> {
  const network = await openNetwork([1, 2]);
  try {
    await network.impose("trial", [{ from: 1, to: 2, percent: 100 }]);
    try {
      await network.impose("trial", [{ from: 1, to: 2, percent: 10 }]);
    } catch (error) {
      return [["packet-chance", describeError(error)]];
    }
    return [];
  } finally {
    await network.close();
  }
}
