// Cursors come back as they went, and what is none is known as none.
// What a cursor may point at is shown in session.test.ts.
import { describe, expect, it } from "vitest";
import { decodeCursor, encodeCursor } from "./cursor.ts";

describe("cursors", () => {
  it.each([
    { clusterId: "0000000000000000", position: 0 },
    { clusterId: "00c0ffee00c0ffee", position: 4095 },
    { clusterId: "ffffffffffffffff", position: Number.MAX_SAFE_INTEGER },
  ])("come back as they went: $clusterId, $position", (cursor) => {
    const bytes = encodeCursor(cursor);
    expect(bytes.length).toBe(16);
    expect(decodeCursor(bytes)).toEqual(cursor);
    expect(decodeCursor(Buffer.concat([new Uint8Array(3), bytes]).subarray(3))).toEqual(cursor);
  });

  it.each([0, 1, 15, 17])("of %i bytes are none", (length) => {
    expect(decodeCursor(new Uint8Array(length))).toBeUndefined();
  });

  it("with a position that no log can reach are none", () => {
    expect(decodeCursor(new Uint8Array(16).fill(0xff))).toBeUndefined();
  });
});
