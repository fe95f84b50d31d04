// Which servers a command talks to.
import { expect, test } from "vitest";
import { chooseAddresses, chooseServers, parseAddresses } from "./shared-options.ts";

test.each([
  ["127.0.0.1:4801", ["http://127.0.0.1:4801"]],
  ["a.example:1, http://b.example:2/ ,", ["http://a.example:1", "http://b.example:2"]],
  ["[::1]:4801", ["http://[::1]:4801"]],
  ["https://chat.example", ["https://chat.example"]],
])("%j names servers", (text, expected) => {
  expect(parseAddresses(text)).toEqual(expected);
});

test.each([
  ["", "the list of servers is empty"],
  [" , ", "the list of servers is empty"],
  ["http://", "is not a server address"],
  ["a b", "is not a server address"],
  ["http://a.example/path", "is not a server address"],
  ["a.example:99999", "is not a server address"],
])("%j is refused", (text, expected) => {
  expect(() => parseAddresses(text)).toThrow(expected);
});

test("K1: the remembered servers are tried beside those of the log-in, unless some are named", () => {
  const session = {
    username: "ada",
    token: "t",
    addresses: ["http://a.example:1"],
    servers: ["http://b.example:1"],
  };
  expect(chooseServers({}, session)).toEqual({
    addresses: ["http://a.example:1"],
    knownServers: ["http://b.example:1"],
  });
  expect(chooseAddresses({}, session)).toEqual(["http://b.example:1", "http://a.example:1"]);
  expect(chooseServers({ to: "c.example:1" }, session)).toEqual({
    addresses: ["http://c.example:1"],
    knownServers: [],
  });
});
