// What every scenario has in common: people who write all the time while something happens to the
// servers, and a judgement of what they were promised. What happens is the scenario's own matter.
import { clearTimeout, setTimeout } from "node:timers";
import type { Cluster } from "../cluster.ts";
import { ConstantLoad } from "./constant-load.ts";
import { judgePromises, type PromiseVerdict } from "./judge-promises.ts";
import { foundTown, openSenders, type Town } from "./senders.ts";
import { waitWhole } from "./whole.ts";

/** How long things go on in a scenario, ms, and how far. */
export interface Durations {
  /** An even load before the first event, between events and after the last one. */
  readonly calmMs: number;
  /** How long people write without a majority. */
  readonly islandMs: number;
  /** Servers that a growing cluster gets to. */
  readonly serversMax: number;
}

/** As `npm run e2e:survive` has them. */
export const fullDurations: Durations = { calmMs: 2_000, islandMs: 30_000, serversMax: 5 };
/** As tests may have them. */
export const shortDurations: Durations = { calmMs: 300, islandMs: 1_500, serversMax: 3 };

/** What a scenario is run with. */
export interface ScenarioOptions {
  readonly durations: Durations;
  /** Hears what happens, line by line. */
  readonly say: (line: string) => void;
}

/** What one run came to; one JSON line. */
export interface Outcome extends PromiseVerdict {
  readonly scenario: string;
  /** Of the worst sender (pauses.ts). */
  readonly longestPauseMs: number;
  /**
   * So long this process itself stood still at most: servers on the same busy machine do, too, one
   * after the other, so a pause of a few times this says nothing about them.
   */
  readonly ownStallMs: number;
  /** What any client was refused, or waited for in vain; the first few. */
  readonly errors: readonly string[];
  /** How often a client's view was loaded anew, since the server could not tell what it missed. */
  readonly reloads: number;
  /** What must not be; empty where the scenario has passed. */
  readonly problems: readonly string[];
}

/** Something that servers are to survive. */
export interface Scenario {
  /** One line for `--help`. */
  readonly summary: string;
  /** Runs it, and the sub-runs that it consists of. Throws where it cannot be done at all. */
  readonly run: (options: ScenarioOptions) => Promise<readonly Outcome[]>;
}

/** Where a scenario plays. */
export interface Stage extends ScenarioOptions {
  readonly cluster: Cluster;
  readonly load: ConstantLoad;
  /** Does one step, and tells how long it took and what pause anybody saw meanwhile. */
  readonly step: <Result>(what: string, body: () => Promise<Result>) => Promise<Result>;
}

/** One run. */
export interface Run extends ScenarioOptions {
  readonly name: string;
  readonly cluster: Cluster;
  /** Servers at the beginning; default all. */
  readonly members?: readonly number[];
  /** Where people find the servers; default the servers' own addresses. */
  readonly addresses?: readonly string[];
  /** Nobody is to notice anything (R9): a reload is a problem, too. */
  readonly isPlanned: boolean;
  /** A longer pause is a problem; default any is allowed. */
  readonly pauseBoundMs?: number;
}

const people = 6;
const perSecond = 200;
const errorsShownMax = 5;
/** Of a longer pause it is told what the one who waited heard meanwhile. */
const explainedPauseMs = 100;
/** Nothing in a scenario waits longer than this in all, ms. */
const runTimeoutMs = 300_000;

/**
 * Plays one run: a calm beginning, `body`, which answers the members at the end, a calm end. Then
 * everything is judged.
 */
export async function runUnderLoad(
  run: Run,
  body: (stage: Stage) => Promise<readonly number[]>,
): Promise<Outcome> {
  const { cluster, durations, name } = run;
  await waitWhole(cluster, run.members ?? cluster.ids);
  const addresses =
    run.addresses ?? (run.members ?? cluster.ids).map((id) => cluster.server(id).clientAddress);
  const town = await foundTown({ addresses, people });
  const load = new ConstantLoad(await openSenders(town, addresses), { perSecond, name });
  try {
    load.start();
    await load.run(durations.calmMs);
    const fromMs = performance.now();
    const members = await withinBound(name, body({ ...run, load, step: stepper(run, load) }));
    await load.run(durations.calmMs);
    const pausesMs = load.pausesMs({ fromMs, toMs: performance.now() });
    return await judge(run, { town, load, members, longestPauseMs: Math.max(...pausesMs) });
  } finally {
    await load.close();
  }
}

function stepper({ say, name }: Run, load: ConstantLoad): Stage["step"] {
  return async (what, body) => {
    const fromMs = performance.now();
    const result = await body();
    const toMs = performance.now();
    const pausesMs = load.pausesMs({ fromMs, toMs });
    const pauseMs = Math.round(Math.max(...pausesMs));
    say(`${name}: ${what}, ${Math.round(toMs - fromMs)} ms, longest pause ${pauseMs} ms`);
    if (pauseMs >= explainedPauseMs) {
      const worst = pausesMs.indexOf(Math.max(...pausesMs));
      for (const note of load.notes(worst, { fromMs, toMs })) say(`  after ${note}`);
    }
    return result;
  };
}

async function withinBound<Result>(name: string, body: Promise<Result>): Promise<Result> {
  const bound = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    bound.reject(new Error(`${name} was not over within ${runTimeoutMs} ms`));
  }, runTimeoutMs);
  try {
    return await Promise.race([body, bound.promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function judge(
  run: Run,
  played: {
    readonly town: Town;
    readonly load: ConstantLoad;
    readonly members: readonly number[];
    readonly longestPauseMs: number;
  },
): Promise<Outcome> {
  const { name, cluster, isPlanned, pauseBoundMs } = run;
  const { town, load, members } = played;
  const promised = await load.finish();
  await waitWhole(cluster, members);
  const verdict = await judgePromises({ cluster, members, town, promised });
  const longestPauseMs = Math.round(played.longestPauseMs);
  const ownStallMs = Math.round(load.longestOwnStallMs);
  const { reloads, unanswered } = promised;
  const errors = [...promised.errors];
  if (unanswered > 0) errors.push(`${unanswered} messages were never answered`);
  const problems: string[] = [];
  if (verdict.lost > 0) problems.push(`${verdict.lost} promised messages are lost`);
  if (verdict.doubled > 0) problems.push(`${verdict.doubled} messages are there twice`);
  if (!verdict.equalDigests) problems.push("the servers do not hold the same");
  if (errors.length > 0) problems.push(`clients saw ${errors.length} errors`);
  if (isPlanned && reloads > 0) problems.push(`clients had to load their views anew: ${reloads}`);
  if (pauseBoundMs !== undefined && longestPauseMs >= pauseBoundMs) {
    problems.push(`somebody waited for ${longestPauseMs} ms, not less than ${pauseBoundMs} ms`);
  }
  const shown = errors.slice(0, errorsShownMax);
  const pause = { longestPauseMs, ownStallMs };
  return { scenario: name, ...verdict, ...pause, errors: shown, reloads, problems };
}
