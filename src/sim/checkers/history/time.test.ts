// Cluster time that runs backwards: within a room on one server, and along the log where no room
// shows it.
import { describe } from "vitest";
import { testCorruptions } from "./corruption-table.test-support.ts";
import { timelinesOf } from "./test-history.test-support.ts";
import { time } from "./time.ts";

describe("time", () => {
  testCorruptions(time, [
    [
      "time that falls within a room",
      (h) => {
        const item = timelinesOf(h, "tea")[1]?.items[3];
        if (item !== undefined) item.timestampMs -= 1_000_000;
      },
      /item 4 of room 4 .* before what stands before it in its room/,
    ],
    [
      "time that falls along the log, though in no room",
      (h) => {
        for (const { items } of timelinesOf(h, "work")) {
          for (const item of items) item.timestampMs -= 1_000_000;
        }
      },
      /of room 5 .* ms before what stands before it in the log/,
    ],
  ]);
});
