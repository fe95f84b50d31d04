// What a workload needs of the world that it works in: the same for the simulator and for real
// processes. It knows addresses, connections and a clock; no server, no disk, no fault.
import type { Random } from "../base/random.ts";
import type {
  ClientClock,
  ClientRandom,
  ConnectionFactory,
  TransportFactory,
} from "../client/index.ts";
import type { HistoryRecord } from "./history.ts";

/** The world of a workload. */
export interface WorkloadWorld {
  /** What the people do is drawn from here, and nothing else is. */
  readonly random: Random;
  readonly clock: ClientClock;
  /** Nanoseconds of one monotonic clock, for the history. */
  nowNs(): number;
  /** All servers as `http://host:port`, at least one. */
  readonly addresses: readonly string[];
  readonly connect: ConnectionFactory;
  readonly transport: TransportFactory;
  /** Where the clients' command ids and jitter come from. */
  readonly clientRandom: ClientRandom;
  /** The id of the server at one of `addresses`. */
  serverOf(address: string): number;
  /** Hears every record when it is written. Must not throw. */
  readonly onRecord?: (record: HistoryRecord) => void;
}
