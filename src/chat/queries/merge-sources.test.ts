// Merging sources: order, pages, and where a page may end; against sorting everything.
import { describe, expect, it } from "vitest";
import { Random } from "../../base/random.ts";
import type { ChatEvent } from "../types.ts";
import { mergeSources, type Source } from "./merge-sources.ts";

/** A source with events at these positions. */
function sourceAt(positions: readonly number[]): Source {
  let next = 0;
  return {
    position: () => positions[next],
    take(): ChatEvent {
      const position = BigInt(positions[next] ?? -1);
      next += 1;
      return {
        audience: { kind: "everyone" },
        event: { $typeName: "chat.v1.Event", position, body: { case: undefined } },
      };
    },
  };
}

function merge(sources: readonly (readonly number[])[], limit: number) {
  const { items, more } = mergeSources(sources.map(sourceAt), limit);
  return { positions: items.map(({ event }) => Number(event.position)), more };
}

describe("mergeSources", () => {
  it("answers nothing where there is nothing", () => {
    expect(merge([], 10)).toEqual({ positions: [], more: false });
    expect(merge([[], []], 10)).toEqual({ positions: [], more: false });
  });

  it("says more only where something is left", () => {
    expect(merge([[1, 3], [2]], 3)).toEqual({ positions: [1, 2, 3], more: false });
    expect(
      merge(
        [
          [1, 3],
          [2, 4],
        ],
        3,
      ),
    ).toEqual({ positions: [1, 2, 3], more: true });
  });

  it("RP3 ends a page only where a position ends", () => {
    const sources = [
      [1, 5, 5, 5, 9],
      [5, 6],
    ];
    expect(merge(sources, 2)).toEqual({ positions: [1, 5, 5, 5, 5], more: true });
    expect(merge(sources, 5)).toEqual({ positions: [1, 5, 5, 5, 5], more: true });
    expect(merge(sources, 6)).toEqual({ positions: [1, 5, 5, 5, 5, 6], more: true });
  });

  it("answers what sorting answers, for sources of any number and length", () => {
    const random = new Random(11);
    for (let round = 0; round < 200; round++) {
      const sources = Array.from({ length: random.nextInteger(0, 40) }, () =>
        Array.from({ length: random.nextInteger(0, 12) }, () => random.nextInteger(0, 400)).sort(
          (a, b) => a - b,
        ),
      );
      const sorted = sources.flat().sort((a, b) => a - b);
      const limit = random.nextInteger(1, 100);
      let end = Math.min(limit, sorted.length);
      while (end < sorted.length && sorted[end] === sorted[end - 1]) end += 1;
      const expected = { positions: sorted.slice(0, end), more: end < sorted.length };
      expect(merge(sources, limit)).toEqual(expected);
    }
  });
});
