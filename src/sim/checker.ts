// What a checker is. Each judges one property and knows nothing of the others; one file each, in
// checkers/. A checker that has seen something wrong throws.
import type { ClusterEvent, ServerId } from "./cluster-event.ts";

/** A property that must always hold did not. `checker` names the property. */
export class SafetyViolation extends Error {
  override name = "SafetyViolation";
  readonly checker: string;

  constructor(checker: string, message: string) {
    super(`${checker}: ${message}`);
    this.checker = checker;
  }
}

/** A cluster that nothing troubles did not come (back) to work in time. */
export class LivenessViolation extends Error {
  override name = "LivenessViolation";
}

/** What a checker may look at when the run is over: a server that is up, and its whole state. */
export interface FinalServer {
  readonly server: ServerId;
  readonly appliedIndex: number;
  /** A digest of every table of the chat state, made by the simulator and not by the product. */
  readonly stateDigest: string;
  /** All rows of a query on its chat state. */
  rows(sql: string): Readonly<Record<string, unknown>>[];
}

/** Judges the cluster from inside while it runs. */
export interface ClusterChecker {
  /** Kebab-case, the name of its file. */
  readonly name: string;
  /** Called for every event, in order. Throws a SafetyViolation. */
  see(event: ClusterEvent): void;
  /** Called once after the liveness phase, when all servers that can are up and equal. */
  finish?(servers: readonly FinalServer[]): void;
}
