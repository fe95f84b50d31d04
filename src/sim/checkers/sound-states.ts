// Which servers' states are what the log says, as far as the run knows: those that it has damaged
// are not, until another state has taken their place. Judges nothing.
import type { ClusterChecker } from "../checker.ts";
import type { ClusterEvent, ServerId } from "../cluster-event.ts";

/** Kept up to date by `see`, before those who ask. */
export class SoundStates {
  readonly #rotten = new Set<ServerId>();

  see(event: ClusterEvent): void {
    const { server } = event;
    switch (event.kind) {
      case "stateDamaged":
        this.#rotten.add(server);
        break;
      case "stateInstalled":
      case "diskReplaced":
        this.#rotten.delete(server);
        break;
      case "mended":
        // Set aside, and made anew from the log.
        if (event.finding.startsWith("the chat state")) this.#rotten.delete(server);
        break;
    }
  }

  isSound(server: ServerId): boolean {
    return !this.#rotten.has(server);
  }
}

/** A checker that does not hear what a server has applied to a state that is not sound. */
export function ofSoundStates(checker: ClusterChecker, states: SoundStates): ClusterChecker {
  const { finish } = checker;
  return {
    name: checker.name,
    see: (event) => {
      if (event.kind !== "applied" || states.isSound(event.server)) checker.see(event);
    },
    ...(finish === undefined ? {} : { finish: (servers) => checker.finish?.(servers) }),
  };
}
