// What the command line fixes of a run's swarm: checked by name, so that a slip of the pen does not
// make another run than was meant. Draws nothing.

import { closest } from "fastest-levenshtein";
import { Random } from "../base/random.ts";
import { type FaultKind, faultKinds } from "./fault-kind.ts";
import { drawSwarm, type Swarm } from "./swarm.ts";

const serverCounts = [1, 3, 5];

/** The options of the command line that fix something of the swarm. */
export interface SwarmWords {
  readonly servers?: number;
  /** Names of kinds; `none` alone: no faults. */
  readonly faults?: readonly string[];
  /** A JSON object with any of the swarm's fields. */
  readonly json?: string;
}

/**
 * The overrides that these words mean; undefined where they fix nothing. Throws an error whose
 * message is one sentence for people.
 */
export function parseSwarmOverrides(words: SwarmWords): Partial<Swarm> | undefined {
  const swarm: Partial<Swarm> = {
    ...(words.json === undefined ? {} : parseObject(words.json)),
    ...(words.servers === undefined ? {} : { servers: words.servers }),
    ...(words.faults === undefined ? {} : { faults: parseFaults(words.faults) }),
  };
  if (swarm.servers !== undefined && !serverCounts.includes(swarm.servers)) {
    throw new Error(`a cluster has ${serverCounts.join(", ")} servers, not ${swarm.servers}`);
  }
  return Object.keys(swarm).length === 0 ? undefined : swarm;
}

function parseFaults(names: readonly string[]): FaultKind[] {
  if (names.length === 1 && names[0] === "none") return [];
  for (const name of names) refuseUnknown("kind of faults", name, faultKinds);
  return [...names] as FaultKind[];
}

function parseObject(json: string): Partial<Swarm> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new Error(`the swarm is no JSON: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error("the swarm must be an object");
  }
  const known = Object.keys(drawSwarm(new Random(1)));
  for (const name of Object.keys(value)) refuseUnknown("field of the swarm", name, known);
  const { faults } = value as Partial<Swarm>;
  return faults === undefined ? value : { ...value, faults: parseFaults(faults) };
}

function refuseUnknown(what: string, name: string, known: readonly string[]): void {
  if (known.includes(name)) return;
  const nearest = closest(name, [...known]);
  throw new Error(`unknown ${what} \`${name}\`; the nearest known one is \`${nearest}\``);
}
