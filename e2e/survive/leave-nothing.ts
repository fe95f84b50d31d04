// Ends a cluster's processes and removes its files when this process ends before it has done so
// itself: by an error, a signal, or `process.exit`.
import { rmSync } from "node:fs";
import type { Cluster } from "../cluster.ts";

const signalExitCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Runs `body` with a cluster, and closes the cluster whatever becomes of it or of this process. */
export async function leaveNothing<C extends Cluster, Result>(
  cluster: C,
  body: (cluster: C) => Promise<Result>,
): Promise<Result> {
  const handleExit = (): void => {
    for (const id of cluster.ids.filter((id) => cluster.isRunning(id))) {
      // Also a stopped process takes this one.
      process.kill(cluster.pid(id), "SIGKILL");
    }
    rmSync(cluster.folder, { recursive: true, force: true, maxRetries: 5 });
  };
  const signals = Object.entries(signalExitCodes).map(
    ([signal, code]) => [signal, () => process.exit(code)] as const,
  );
  process.once("exit", handleExit);
  for (const [signal, handle] of signals) process.once(signal, handle);
  try {
    return await body(cluster);
  } finally {
    await cluster.close();
    process.off("exit", handleExit);
    for (const [signal, handle] of signals) process.off(signal, handle);
  }
}
