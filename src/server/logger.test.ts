// The server's log, line by line.
import { expect, test } from "vitest";
import { formatLine, openLogger } from "./logger.ts";

function logged(format: "pretty" | "json", level = "info") {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  return { lines, ...openLogger({ level, format, serverId: 2, write }) };
}

test("json: one object a line, with time, level and server (O4)", () => {
  const { logger, lines } = logged("json");
  logger.warn({ peer: 3 }, "peer disconnected");
  expect(lines).toHaveLength(1);
  const event = JSON.parse(lines[0]!);
  expect(event).toMatchObject({ level: "warn", server: 2, peer: 3, msg: "peer disconnected" });
  expect(event.time).toMatch(/^\d{4}-\d\d-\d\dT/);
});

test("pretty: one readable line an event", () => {
  const { logger, lines } = logged("pretty");
  logger.info({ term: 4, reason: "no answer" }, "role changed");
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(
    /^\d\d:\d\d:\d\d\.\d{3} info {2}server 2: role changed {2}term=4 reason="no answer"\n$/,
  );
});

test("lines below the level are left out", () => {
  const { logger, lines } = logged("json", "warn");
  logger.info("quiet");
  logger.error("loud");
  expect(lines).toHaveLength(1);
});

test("pretty: an error shows its message, a fatal one also where it came from", () => {
  const event = { time: "2026-01-01T01:02:03.004Z", server: 1, msg: "failed" };
  const err = { message: "disk is full", stack: "Error: disk is full\n    at write" };
  expect(formatLine({ ...event, level: "error", err })).toBe(
    '01:02:03.004 error server 1: failed  error="disk is full"',
  );
  expect(formatLine({ ...event, level: "fatal", err })).toContain("\n    at write");
});
