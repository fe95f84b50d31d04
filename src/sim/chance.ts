// Ways of drawing for what decides about a run. Pure functions of a Random; who draws what and how
// strong it is stands with the drawer.
import type { Random } from "../base/random.ts";

/** Least and most of something drawn. */
export interface Span {
  readonly min: number;
  readonly max: number;
}

/** A number in [min, max), as likely to be small by a factor as to be large by it; min > 0. */
export function drawByFactor(random: Random, { min, max }: Span): number {
  return min * (max / min) ** random.nextFloat();
}

/** A number from 0 on with this mean, without memory: the wait for the next of many chances. */
export function drawExponential(random: Random, mean: number): number {
  return -Math.log(1 - random.nextFloat()) * mean;
}

/** 1 or -1. */
export function drawSign(random: Random): number {
  return random.nextBoolean(0.5) ? 1 : -1;
}

/** One of these, each as likely; undefined where there is none. */
export function drawOne<T>(random: Random, from: readonly T[]): T | undefined {
  return from[random.nextInteger(0, from.length)];
}

/** All of these in an order drawn. */
export function drawOrder<T>(random: Random, from: readonly T[]): T[] {
  const left = [...from];
  const order: T[] = [];
  while (left.length > 0) order.push(...left.splice(random.nextInteger(0, left.length), 1));
  return order;
}

/** One of the names, each as often as its share of 1 says. */
export function drawByShare<Name extends string>(
  random: Random,
  shares: Readonly<Record<Name, number>>,
): Name {
  const names = Object.keys(shares) as Name[];
  let left = random.nextFloat();
  for (const name of names) {
    left -= shares[name];
    if (left < 0) return name;
  }
  return names.at(-1)!;
}
