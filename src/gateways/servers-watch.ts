// Notices when the servers of the cluster are others than before. Looks at the list again and
// again, since nothing tells of it; who is told is for the owner to say.
import type { Timer } from "../io/clock.ts";
import type { GatewayContext } from "./gateway-context.ts";

/** Calls back with the new list of addresses at each change. Answers how to stop. */
export function watchServers(
  context: GatewayContext,
  changed: (addresses: readonly string[]) => void,
): () => void {
  const { replica, clock, limits } = context;
  // Which server comes first differs from one to the next and is no change.
  const listed = () => replica.clientAddresses().toSorted().join("\n");
  let known = listed();
  let timer: Timer;
  const look = (): void => {
    timer = clock.setTimer(limits.serversPollMs, look);
    const now = listed();
    if (now === known) return;
    known = now;
    changed(replica.clientAddresses());
  };
  timer = clock.setTimer(limits.serversPollMs, look);
  return () => timer.cancel();
}
