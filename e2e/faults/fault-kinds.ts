// Every fault that can be made on real servers: its name, what it needs of the machine, how strong
// it is drawn and what it does. One table; when each strikes is fault-plan.ts's business. A strike
// that met nothing, such as a kill of a server that is down already, answers undefined.
import type { Random } from "../../src/base/random.ts";
import { clientFaults } from "./client-faults.ts";
import { clockFaults } from "./clock-faults.ts";
import type { FaultCluster } from "./fault-cluster.ts";
import type { Violation } from "./judgement.ts";
import { linkFaults } from "./link-faults.ts";
import type { MachineNeed } from "./machine.ts";
import { packetFaults } from "./packet-faults.ts";
import { processFaults } from "./process-faults.ts";

/** What a strike works with. */
export interface StrikeContext {
  readonly cluster: FaultCluster;
  /** Draws whatever the strike needs; its own for each strike, and the same for the same seed. */
  readonly random: Random;
  /** Under this name the strike lays its fault on links and takes it off again. */
  readonly name: string;
  /** How long it is to last, ms. */
  readonly durationMs: number;
  /** Hears of what is wrong with the servers and explained by no fault. */
  complain(problem: Violation): void;
}

/** A fault that has struck. */
export interface StruckFault {
  /** What it is and whom it met, for people. */
  readonly text: string;
  /** Undoes it; called once. */
  end(): Promise<void>;
}

/** One kind of fault. */
export interface FaultKind {
  readonly needs?: MachineNeed;
  /** With fewer servers it makes no sense; default 1. */
  readonly serversMin?: number;
  /** How often it strikes, against the others; default 1. */
  readonly frequency?: number;
  /** Shortest and longest duration, ms; both 0 for what is over at once. */
  readonly durationMs: { readonly min: number; readonly max: number };
  strike(context: StrikeContext): Promise<StruckFault | undefined>;
}

/** All kinds, by the name that `--faults` and the report give them. */
export const faultKinds = {
  ...processFaults,
  ...linkFaults,
  ...clientFaults,
  ...packetFaults,
  ...clockFaults,
} as const satisfies Record<string, FaultKind>;

/** The name of a kind. */
export type FaultName = keyof typeof faultKinds;

/** All names, in the order of the table. */
export const faultNames = Object.keys(faultKinds) as FaultName[];

/** Groups of faults that have something in common, for `--scenario`. */
export const scenarios: Readonly<Record<string, readonly FaultName[]>> = {
  all: faultNames,
  processes: Object.keys(processFaults) as FaultName[],
  links: Object.keys(linkFaults) as FaultName[],
  clients: Object.keys(clientFaults) as FaultName[],
  packets: Object.keys(packetFaults) as FaultName[],
  clocks: Object.keys(clockFaults) as FaultName[],
};

/** The kind of this name. */
export function faultKind(name: FaultName): FaultKind {
  return faultKinds[name];
}
