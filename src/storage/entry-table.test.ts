// The log's outline and the newest entries in memory, against plain arrays.
import { describe, expect, it } from "vitest";
import { Random } from "../base/random.ts";
import { EntryCache } from "./entry-cache.ts";
import { EntryTable } from "./entry-table.ts";
import { cacheEntryOverheadBytes } from "./limits.ts";
import { makeEntries, makeEntry } from "./storage.contract.ts";

describe("the entry table", () => {
  it("agrees with an array through random appends and cuts", () => {
    const random = new Random(5);
    const base = { index: 100, term: 2 };
    const table = new EntryTable(base);
    let rowsMost = 0;
    const rows: { term: number; offset: number }[] = [];
    for (let round = 0; round < 60_000; round++) {
      if (rows.length > 0 && random.nextBoolean(0.01)) {
        rows.length -= random.nextInteger(1, Math.min(rows.length, 80));
      }
      if (round === 50_000) rows.length = 5000;
      const term = (rows.at(-1)?.term ?? base.term) + (random.nextBoolean(0.02) ? 1 : 0);
      const index = base.index + rows.length + 1;
      rows.push({ term, offset: round * 8 });
      table.append(index, term);
      table.locate(index, 1 + (round % 7), round * 8, round);
      if (round % 5 !== 0) continue;
      expect(table.lastIndex()).toBe(index);
      rowsMost = Math.max(rowsMost, rows.length);
      const probe = random.nextInteger(0, rows.length);
      expect(table.term(base.index + 1 + probe)).toBe(rows[probe]!.term);
      expect(table.location(base.index + 1 + probe).offset).toBe(rows[probe]!.offset);
    }
    expect(rowsMost, "rows filled more than one page").toBeGreaterThan(16_384);
  });

  it("agrees with an array through cuts at both ends, and when it begins anew", () => {
    const random = new Random(6);
    const table = new EntryTable();
    let base = { index: 0, term: 0 };
    let rows: { term: number; offset: number }[] = [];
    let cutsAcrossPages = 0;
    for (let round = 0; round < 3000; round++) {
      const kind = random.nextInteger(0, 40);
      const last = base.index + rows.length;
      if (kind === 0) {
        const count = random.nextInteger(0, rows.length + 1);
        if (count > 16_384) cutsAcrossPages += 1;
        base = { index: base.index + count, term: rows[count - 1]?.term ?? base.term };
        rows = rows.slice(count);
        table.cutFront(base.index, base.term);
      } else if (kind === 1) {
        rows.length -= random.nextInteger(0, Math.min(rows.length, 2000) + 1);
        table.cutBack(base.index + rows.length);
      } else if (round % 997 === 0) {
        base = {
          index: last + random.nextInteger(0, 40_000),
          term: (rows.at(-1) ?? base).term + 1,
        };
        rows = [];
        table.restart(base.index, base.term);
      } else {
        for (let count = random.nextInteger(1, 2000); count > 0; count--) {
          const index = base.index + rows.length + 1;
          const term = Math.max(1, (rows.at(-1) ?? base).term) + (random.nextBoolean(0.01) ? 1 : 0);
          rows.push({ term, offset: index * 8 });
          table.append(index, term);
          table.locate(index, 1 + (round % 7), index * 8, 5);
        }
      }
      expect([table.baseIndex(), table.lastIndex()]).toEqual([
        base.index,
        base.index + rows.length,
      ]);
      expect(table.term(base.index)).toBe(base.term);
      expect(table.term(base.index - 1)).toBe(undefined);
      for (const at of [0, rows.length - 1, random.nextInteger(0, rows.length + 1)]) {
        const row = rows[at];
        expect(table.term(base.index + 1 + at)).toBe(at === -1 ? base.term : row?.term);
        if (row !== undefined) expect(table.location(base.index + 1 + at).offset).toBe(row.offset);
      }
    }
    expect(cutsAcrossPages).toBeGreaterThan(2);
  });

  it("begins behind a snapshot's last entry, whose term it knows", () => {
    const table = new EntryTable({ index: 41, term: 7 });
    expect([table.firstIndex(), table.lastIndex()]).toEqual([42, 41]);
    expect([table.term(40), table.term(41), table.term(42)]).toEqual([undefined, 7, undefined]);
    expect([table.accepts(42, 6), table.accepts(42, 7), table.accepts(41, 7)]).toEqual([
      false,
      true,
      false,
    ]);
  });
});

describe("the entry cache", () => {
  it("keeps the newest entries within its bytes, and those that are pinned beyond them", () => {
    const cache = new EntryCache(10 * (20 + cacheEntryOverheadBytes));
    for (const entry of makeEntries(1, 3000)) cache.append(entry);
    cache.evict(2000);
    expect([cache.get(1999), cache.get(2000)?.index]).toEqual([undefined, 2000]);
    cache.evict(3001);
    expect([cache.get(2990), cache.get(2991)?.index, cache.get(3001)]).toEqual([
      undefined,
      2991,
      undefined,
    ]);
    expect(cache.bytes()).toBe(10 * (20 + cacheEntryOverheadBytes));
  });

  it("forgets what is cut at the front", () => {
    const cache = new EntryCache(1e6);
    for (const entry of makeEntries(5, 10)) cache.append(entry);
    cache.cutFront(7);
    expect([cache.get(7), cache.get(8)?.index, cache.get(10)?.index]).toEqual([undefined, 8, 10]);
    expect(cache.bytes()).toBe(3 * (20 + cacheEntryOverheadBytes));
    cache.cutFront(99);
    expect([cache.get(10), cache.bytes()]).toEqual([undefined, 0]);
    cache.append(makeEntry(50, 1));
    expect(cache.get(50)?.index).toBe(50);
  });

  it("forgets what is cut", () => {
    const cache = new EntryCache(1e6);
    for (const entry of makeEntries(1, 10)) cache.append(entry);
    cache.append(makeEntry(4, 2));
    expect([cache.get(3)?.term, cache.get(4)?.term, cache.get(5)]).toEqual([1, 2, undefined]);
    expect(cache.bytes()).toBe(4 * (20 + cacheEntryOverheadBytes));
  });
});
