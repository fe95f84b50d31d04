// All checkers over good histories: none finds anything, whatever order things are done in.
import { describe, expect, it } from "vitest";
import { Random } from "../../../base/random.ts";
import type { HistoryRecord } from "../../history.ts";
import { contractFreeCheckers, historyCheckers } from "./index.ts";
import { goodHistory, judge, TestHistory } from "./test-history.test-support.ts";

function findingsOf(history: readonly HistoryRecord[]): string[] {
  return historyCheckers.flatMap((checker) => judge(checker, history) ?? []);
}

describe("history checkers", () => {
  it("find nothing in a history without a fault", () => {
    expect(findingsOf(goodHistory())).toEqual([]);
  });

  it("find nothing in an empty history", () => {
    expect(findingsOf([])).toEqual([]);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])("find nothing where people do what they like: %i", (seed) => {
    expect(findingsOf(drawHistory(new Random(seed), 400))).toEqual([]);
  });

  it("find nothing when the history was written to a file and read again", () => {
    const text = goodHistory().map((record) => JSON.stringify(record));
    const history = text.map((line) => JSON.parse(line) as HistoryRecord);
    expect(findingsOf(history)).toEqual([]);
  });

  it("have the names of their files, each once", () => {
    const names = historyCheckers.map((checker) => checker.name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.every((name) => /^[a-z]+(-[a-z]+)*$/.test(name))).toBe(true);
  });

  it("leave only the order per sender out where the network keeps no contract", () => {
    const left = historyCheckers.filter((checker) => !contractFreeCheckers.includes(checker));
    expect(left.map((checker) => checker.name)).toEqual(["fifo"]);
  });
});

function drawHistory(random: Random, steps: number): HistoryRecord[] {
  const history = new TestHistory();
  const clients = ["ada-1.1", "bob-1.1", "eve-1.1"];
  const rooms = ["tea", "work"];
  const inside = new Map(clients.map((client) => [client, new Set<string>()]));
  for (const client of clients) {
    history.register(client);
    history.connect(client);
  }
  for (const [i, room] of rooms.entries()) {
    history.create(clients[i] as string, room);
    inside.get(clients[i] as string)?.add(room);
  }
  for (let step = 0; step < steps; step++) {
    const client = clients[random.nextInteger(0, clients.length)] as string;
    const room = rooms[random.nextInteger(0, rooms.length)] as string;
    const mine = inside.get(client) as Set<string>;
    const ending = random.nextBoolean(0.2) ? "unknown" : "ok";
    switch (random.nextInteger(0, 8)) {
      case 0:
        history.join(client, room, ending);
        mine.add(room);
        break;
      case 1:
        if (mine.delete(room)) history.leave(client, room, ending);
        break;
      case 2:
        history.disconnect(client);
        break;
      case 3:
        history.connect(client, random.nextBoolean(0.5) ? "recovered" : "reloaded");
        break;
      case 4:
        if (mine.has(room)) history.read(client, room, { limit: random.nextInteger(1, 30) });
        break;
      case 5:
        history.listRooms(client, random.nextBoolean(0.5));
        break;
      default:
        if (mine.has(room)) history.send(client, room, `text ${step}`, ending);
    }
  }
  return history.finish();
}
