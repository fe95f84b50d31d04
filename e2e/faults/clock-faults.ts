// Wrong dates, by libfaketime. One server at most has a wrong clock in a run: that is what product
// row R12 promises to bear, and what stamps-are-true.ts holds the servers to.
import type { FaultKind, StrikeContext, StruckFault } from "./fault-kinds.ts";
import { drawScaled } from "./strike-targets.ts";
import type { ClockError } from "./wrong-clock.ts";

const dayS = 86_400;

/** Clocks that are wrong. */
export const clockFaults = {
  "clock-jump": {
    needs: "faketime",
    serversMin: 3,
    durationMs: { min: 1_500, max: 10_000 },
    async strike(context): Promise<StruckFault | undefined> {
      const { random } = context;
      const sign = random.nextBoolean(0.5) ? 1 : -1;
      const offsetSeconds = sign * drawScaled(random, { min: 1, max: dayS });
      return setClock(context, { offsetSeconds, rate: 1 });
    },
  },

  "clock-drift": {
    needs: "faketime",
    serversMin: 3,
    durationMs: { min: 1_500, max: 10_000 },
    async strike(context): Promise<StruckFault | undefined> {
      const rate = context.random.nextInteger(80, 126) / 100;
      return setClock(context, { offsetSeconds: 0, rate });
    },
  },
} as const satisfies Record<string, FaultKind>;

/** The only server whose clock is wrong, whatever the seed: nothing else depends on who it is. */
function serverWithWrongClock({ cluster }: StrikeContext): number {
  return cluster.ids.at(-1)!;
}

function setClock(context: StrikeContext, error: ClockError): StruckFault | undefined {
  const server = serverWithWrongClock(context);
  const clock = context.cluster.clock(server);
  if (clock === undefined || clock.isWrong) return undefined;
  clock.set(error);
  const { offsetSeconds, rate } = error;
  const what = rate === 1 ? `${offsetSeconds} s off` : `at ${rate} times its speed`;
  return {
    text: `clock of server ${server} ${what}`,
    end: async () => clock.set({ offsetSeconds: 0, rate: 1 }),
  };
}
