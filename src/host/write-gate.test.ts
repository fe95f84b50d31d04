// Who waits for whom at the gate, in one thread: nobody may have to wait here.
import { describe, expect, it } from "vitest";
import {
  beginReading,
  beginWriting,
  endReading,
  endWriting,
  gateAt,
  holdGate,
  openGate,
  writeGateBytes,
} from "./write-gate.ts";

const gateOf = () => gateAt(new SharedArrayBuffer(writeGateBytes));
/** Longer than any test may take. */
const forEver = 600_000;

describe("the gate", () => {
  it("is not held while a copy is being read, and is free after it", () => {
    const gate = gateOf();
    beginReading(gate, forEver);
    expect(holdGate(gate, forEver)).toBe(false);
    openGate(gate);
    beginWriting(gate, forEver);
    endWriting(gate);
    endReading(gate);
    expect(holdGate(gate, forEver)).toBe(true);
    openGate(gate);
  });

  it("keeps a writer and a reader out for so long at most", () => {
    const gate = gateOf();
    holdGate(gate, forEver);
    const beganMs = performance.now();
    beginWriting(gate, 30);
    expect(performance.now() - beganMs).toBeGreaterThan(25);
    endWriting(gate);
    openGate(gate);
    beginReading(gate, forEver);
    endReading(gate);
  });
});
