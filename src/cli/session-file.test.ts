// The remembered log-in.
import { chmodSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createTemporaryFolder } from "../testing/index.ts";
import {
  readSession,
  rememberServers,
  removeSession,
  sessionFilePath,
  writeSession,
} from "./session-file.ts";

const session = { username: "ada", token: "t", addresses: ["http://127.0.0.1:4801"] };

function filePath(): string {
  const temporary = createTemporaryFolder();
  onTestFinished(() => temporary.remove());
  return join(temporary.path, "deep", "session.json");
}

test("a log-in is remembered until it is removed, for its owner's eyes only", () => {
  const path = filePath();
  expect(readSession(path)).toBeUndefined();
  writeSession(path, session);
  expect(readSession(path)).toEqual(session);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  removeSession(path);
  removeSession(path);
  expect(readSession(path)).toBeUndefined();
});

test("a new log-in replaces a file that others could read by one that they cannot", () => {
  const path = filePath();
  writeSession(path, session);
  chmodSync(path, 0o644);
  writeSession(path, { ...session, username: "bob" });
  expect(readSession(path)?.username).toBe("bob");
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test.each(["", "{", "null", "[]", '{"username":"ada","token":7,"addresses":[]}'])(
  "a file that holds %j is refused with what to do",
  (content) => {
    const path = filePath();
    writeSession(path, session);
    writeFileSync(path, content);
    expect(() => readSession(path)).toThrow("log in again with: ./holdfast login");
  },
);

test("K1: the servers that the cluster told last are remembered with their log-in alone", () => {
  const path = filePath();
  rememberServers(path, "t", ["http://10.0.0.1:4801"]);
  expect(readSession(path)).toBeUndefined();
  writeSession(path, session);
  rememberServers(path, "another", ["http://10.0.0.1:4801"]);
  rememberServers(path, "t", []);
  expect(readSession(path)).toEqual(session);
  rememberServers(path, "t", ["http://10.0.0.1:4801"]);
  expect(readSession(path)).toEqual({ ...session, servers: ["http://10.0.0.1:4801"] });
  writeFileSync(path, "{");
  rememberServers(path, "t", ["http://10.0.0.2:4801"]);
});

test("$HOLDFAST_SESSION names the file, else the person's configuration folder does", () => {
  expect(sessionFilePath({ HOLDFAST_SESSION: "/x/s.json", XDG_CONFIG_HOME: "/c" })).toBe(
    "/x/s.json",
  );
  expect(sessionFilePath({ HOLDFAST_SESSION: "", XDG_CONFIG_HOME: "/c" })).toBe(
    "/c/holdfast/session.json",
  );
  expect(sessionFilePath({})).toMatch(/\/\.config\/holdfast\/session\.json$/);
});
