// What a run's workload is like: how many people with how many devices, what they like to do, how
// fast they are. Drawn once from a seed; plain JSON, so that a run can print it.
import type { Random } from "../base/random.ts";

/** What a device can do next; several of them are the same operation done in another way. */
export const actions = [
  "send",
  "burst",
  "sendRefused",
  "createRoom",
  "joinRoom",
  "leaveRoom",
  "listRooms",
  "listPeople",
  "readPage",
  "readWhole",
  "viewTimeline",
  "resend",
  "register",
  "logInAgain",
  "logOut",
  "reconnect",
  "changeServer",
  "rest",
] as const;

/** One of `actions`. */
export type Action = (typeof actions)[number];

/** A workload; plain JSON. */
export interface WorkloadOptions {
  /** Goes before the names of people and rooms, so that workloads can share a cluster. */
  readonly name: string;
  /** Devices of each person, one number a person: 2–8 people, 1–2 devices. */
  readonly devices: readonly number[];
  /** Group rooms that people make among themselves at most. 1–12. */
  readonly rooms: number;
  /** Mean time between two actions of one device. 20–5,000. */
  readonly thinkMs: number;
  /** How likely each action is, against the sum of all. */
  readonly weights: Readonly<Record<Action, number>>;
  /** Usual bodies have up to so many bytes. */
  readonly bodyBytes: number;
  /** Share of bodies that are larger, up to the limit of 16 KiB. */
  readonly largeBodyShare: number;
  /** Messages of one burst at most. */
  readonly burstMessages: number;
  /** How much later than asked a device's outbox store writes; 0: at once. */
  readonly outboxDelayMs: number;
}

/** How often each action comes where all are drawn alike. */
const usualWeights: Readonly<Record<Action, number>> = {
  send: 40,
  burst: 3,
  sendRefused: 4,
  createRoom: 3,
  joinRoom: 8,
  leaveRoom: 4,
  listRooms: 3,
  listPeople: 2,
  readPage: 12,
  readWhole: 1,
  viewTimeline: 3,
  resend: 6,
  register: 1,
  logInAgain: 1,
  logOut: 1,
  reconnect: 2,
  changeServer: 3,
  rest: 1,
};

/** Actions without which a run has too little to judge. */
const indispensable: readonly Action[] = ["send", "createRoom", "joinRoom", "readPage"];
/** Share of the other actions that a run does not know at all (swarm testing). */
const absentShare = 0.15;

/** Draws a workload. */
export function drawWorkload(random: Random): WorkloadOptions {
  const people = random.nextInteger(2, 9);
  const devices: number[] = [];
  for (let person = 0; person < people; person++) {
    // No more than twelve devices: eight people with a quarter of them at two.
    devices.push(person < 4 && random.nextBoolean(0.35) ? 2 : 1);
  }
  return {
    name: "",
    devices,
    rooms: random.nextInteger(1, 13),
    thinkMs: drawScaled(random, { min: 20, max: 5_000 }),
    weights: drawWeights(random),
    bodyBytes: drawScaled(random, { min: 20, max: 2_000 }),
    largeBodyShare: random.nextBoolean(0.5) ? random.nextFloat() * 0.03 : 0,
    burstMessages: drawScaled(random, { min: 2, max: 200 }),
    outboxDelayMs: random.nextBoolean(0.5) ? drawScaled(random, { min: 1, max: 200 }) : 0,
  };
}

/** A whole number in [min, max], as likely to be small by a factor as to be large by it. */
export function drawScaled(
  random: Random,
  { min, max }: { readonly min: number; readonly max: number },
): number {
  return Math.round(min * (max / min) ** random.nextFloat());
}

function drawWeights(random: Random): Record<Action, number> {
  const weights = { ...usualWeights };
  for (const action of actions) {
    const factor = 4 ** (2 * random.nextFloat() - 1);
    const isAbsent = random.nextBoolean(absentShare) && !indispensable.includes(action);
    weights[action] = isAbsent ? 0 : Math.round(usualWeights[action] * factor * 100) / 100;
  }
  return weights;
}
