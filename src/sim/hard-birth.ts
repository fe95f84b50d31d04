// Trouble while a cluster forms, before there is anything to lose: processes are killed and
// machines lose power in the first seconds of their lives, again and again. It must form all the
// same. The fault plan (faults.ts) begins when it has.
import type { Random } from "../base/random.ts";
import type { FaultTarget } from "./fault-target.ts";

/** Strikes at most, in one run. */
const strikesMax = 12;
/** Virtual ms after the first start in which they fall: forming takes about as long. */
const withinMs = 1_500;
/** Virtual ms that a server is down at most. */
const downMsMax = 800;

/** Lets it strike, in half of all runs. */
export function troubleBirth(target: FaultTarget, random: Random): void {
  if (random.nextBoolean(0.5)) return;
  const strikes = random.nextInteger(1, strikesMax + 1);
  for (let strike = 0; strike < strikes; strike++) {
    const server = target.servers[random.nextInteger(0, target.servers.length)] ?? 1;
    const isPowerLoss = random.nextBoolean(0.5);
    target.after(random.nextFloat() * withinMs, () => {
      if (isPowerLoss) target.losePower(server);
      else target.kill(server);
    });
    target.after(withinMs + random.nextFloat() * downMsMax, () => target.start(server));
    if (random.nextBoolean(0.7)) {
      target.after(random.nextFloat() * withinMs, () => target.start(server));
    }
  }
}
