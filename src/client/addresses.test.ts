// Which server is tried next.
import { describe, expect, test } from "vitest";
import { Addresses, parseAddress } from "./addresses.ts";
import { addressesMax } from "./limits.ts";
import { seededRandom } from "./manual-clock.test-support.ts";

const [a, b, c, d] = ["http://a:1", "http://b:1", "http://c:1", "http://d:1"] as const;

function make(...given: string[]): Addresses {
  return new Addresses(given, seededRandom(1));
}

test.each([
  ["http://host:4801", "http://host:4801"],
  ["http://host:4801/", "http://host:4801"],
  ["https://HOST/chat/", "https://host/chat"],
  ["http://[::1]:4801", "http://[::1]:4801"],
  ["ws://host:1", undefined],
  ["host:1", undefined],
  ["http://", undefined],
  ["http://user@host:1", undefined],
  ["http://host:1?x=1", undefined],
  ["", undefined],
])("%j is the address %j", (text, address) => {
  expect(parseAddress(text)).toBe(address);
});

test("no address, or one that is none, is refused", () => {
  expect(() => make()).toThrow("At least one address");
  expect(() => make(a, "nonsense")).toThrow('"nonsense" is not an address');
});

describe("the next server", () => {
  test("is the first that was given, then the others in order", () => {
    const addresses = make(a, b, c);
    const tried = [0, 1, 2, 3].map(() => {
      const next = addresses.next(0);
      addresses.failed(next);
      return next;
    });
    expect(tried).toEqual([a, b, c, a]);
  });

  test("is the one that works, as long as it does", () => {
    const addresses = make(a, b, c);
    addresses.failed(a);
    addresses.worked(b);
    expect([addresses.next(0), addresses.next(0)]).toEqual([b, b]);
    addresses.failed(b);
    expect(addresses.next(0)).toBe(c);
  });

  test("is a random one of those that have not failed, so that not all go to the same", () => {
    const chosen = new Set<string>();
    for (let seed = 0; seed < 50; seed++) {
      const addresses = new Addresses([a, b, c, d], seededRandom(seed));
      addresses.worked(a);
      addresses.failed(a);
      chosen.add(addresses.next(0));
    }
    expect([...chosen].sort()).toEqual([b, c, d]);
  });

  test("is one that does not want to be left alone, if there is any", () => {
    const addresses = make(a, b);
    addresses.failed(b);
    addresses.failed(a, 500);
    expect(addresses.next(499)).toBe(b);
    addresses.failed(b, 500);
    expect(addresses.next(499)).toBe(a);
  });
});

describe("learned addresses", () => {
  test("are kept beside the given ones and replaced by what is learned next", () => {
    const addresses = make(a);
    addresses.learn([b, c, "nonsense"]);
    expect(addresses.list()).toEqual([a, b, c]);
    addresses.learn([c, d]);
    expect(addresses.list()).toEqual([a, c, d]);
    addresses.learn([]);
    expect(addresses.list()).toEqual([a, c, d]);
  });

  test("are bounded", () => {
    const addresses = make(a);
    addresses.learn(Array.from({ length: 100 }, (_, i) => `http://h${i}:1`));
    expect(addresses.list().length).toBe(1 + addressesMax);
  });

  test("come before a given one that is not among them, which stays the last resort", () => {
    const addresses = make(a, b);
    addresses.worked(b);
    addresses.learn([b, c, d], b);
    addresses.failed(b);
    const tried = [0, 1, 2, 3].map(() => {
      const next = addresses.next(0);
      addresses.failed(next);
      return next;
    });
    expect(tried.slice(0, 2).sort()).toEqual([c, d]);
    expect(tried.slice(2)).toEqual([a, b]);
  });

  test("of an earlier run are tried first, but for the given ones among them", () => {
    const addresses = new Addresses([a, c], seededRandom(1), [b, c]);
    expect(addresses.listed).toEqual([b, c]);
    const tried = [0, 1, 2].map(() => {
      const next = addresses.next(0);
      addresses.failed(next);
      return next;
    });
    expect(tried).toEqual([c, b, a]);
  });

  test("of an earlier run are enough", () => {
    expect(new Addresses([], seededRandom(1), [b]).next(0)).toBe(b);
    expect(() => new Addresses([], seededRandom(1), ["nonsense"])).toThrow("At least one address");
  });

  test("do not keep a removed server as the one at hand", () => {
    const addresses = make(a);
    addresses.learn([b]);
    addresses.learn([c]);
    addresses.worked(b);
    addresses.failed(b);
    expect(addresses.next(0)).toBe(c);
  });

  test("that name the server at hand fail together with the name that was given", () => {
    const addresses = make("http://localhost:1");
    addresses.worked("http://localhost:1");
    addresses.learn([a, b], "http://localhost:1");
    expect(addresses.servers).toBe(2);
    addresses.failed("http://localhost:1");
    expect(addresses.next(0)).toBe(b);
    addresses.failed(b);
    expect(["http://localhost:1", a]).toContain(addresses.next(0));
  });
});
