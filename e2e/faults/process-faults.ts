// Faults of whole processes: signals, and a start afterwards.
import { eventually } from "../../src/testing/index.ts";
import type { FaultCluster } from "./fault-cluster.ts";
import type { FaultKind, StruckFault } from "./fault-kinds.ts";
import { drawServer } from "./strike-targets.ts";

/** A graceful stop may take so long, ms, pauses and busy machines included. */
const terminateTimeoutMs = 30_000;
/** Share of kills that meet all servers in one go, and of those that meet the leader. */
const killAllChance = 0.12;
const leaderChance = 0.5;

/** Signals. */
export const processFaults = {
  kill: {
    frequency: 2,
    durationMs: { min: 50, max: 4_000 },
    async strike(context): Promise<StruckFault | undefined> {
      const { cluster, random } = context;
      const target = await drawServer(context, leaderChance);
      const targets = random.nextBoolean(killAllChance) ? cluster.ids : [target];
      const running = targets.filter((id) => cluster.isRunning(id));
      if (running.length === 0) return undefined;
      await cluster.killAll(running);
      return {
        text: `kill -9 of ${describeServers(running)}`,
        end: () => startThose(cluster, running),
      };
    },
  },

  terminate: {
    frequency: 1.5,
    durationMs: { min: 50, max: 4_000 },
    async strike(context): Promise<StruckFault | undefined> {
      const { cluster, complain } = context;
      const server = await drawServer(context, leaderChance);
      if (!cluster.isRunning(server) || cluster.isPaused(server)) return undefined;
      // This very process: a kill -9 may come between, and another one be running by the end.
      let hasEnded = false;
      void cluster.terminate(server).then(({ code, stdout, stderr }) => {
        hasEnded = true;
        // -1: a signal ended it, ours before it listened to it, or a kill -9 that came between.
        if (code === 0 || code === -1) return;
        const output = (stdout + stderr).slice(-1_000);
        const message = `server ${server} ended with code ${code} after SIGTERM:\n${output}`;
        complain({ kind: "crash", checker: "processes", message });
      });
      return {
        text: `SIGTERM to ${describeServers([server])}`,
        async end() {
          const timeoutMs = terminateTimeoutMs;
          try {
            await eventually("the server to end", () => hasEnded, { timeoutMs });
          } catch {
            const message = `server ${server} did not end ${timeoutMs} ms after SIGTERM`;
            complain({ kind: "liveness", checker: "processes", message });
            await cluster.kill(server);
          }
          await startThose(cluster, [server]);
        },
      };
    },
  },

  pause: {
    frequency: 2,
    durationMs: { min: 100, max: 5_000 },
    async strike(context): Promise<StruckFault | undefined> {
      const { cluster } = context;
      const server = await drawServer(context, leaderChance);
      if (!cluster.isRunning(server) || cluster.isPaused(server)) return undefined;
      cluster.pause(server);
      return {
        text: `SIGSTOP to ${describeServers([server])}`,
        async end() {
          if (cluster.isPaused(server)) cluster.resume(server);
        },
      };
    },
  },
} as const satisfies Record<string, FaultKind>;

async function startThose(cluster: FaultCluster, servers: readonly number[]): Promise<void> {
  for (const id of servers) {
    if (!cluster.isRunning(id)) cluster.start(id);
  }
}

function describeServers(ids: readonly number[]): string {
  return `server${ids.length > 1 ? "s" : ""} ${ids.join(", ")}`;
}
