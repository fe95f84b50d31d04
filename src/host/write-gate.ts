// Lets the checkpoint thread hold the writer for a moment without either of them polling: SQLite's
// own waiting sleeps in steps of up to 100 ms and may never find a busy writer's lock free. Not
// here: what happens in that moment.

/** Two cells of shared memory: whether the gate is held, and whether a transaction is under way. */
export type WriteGate = Int32Array<SharedArrayBuffer>;

const heldCell = 0;
const writingCell = 1;

/** Bytes of the memory that a gate needs. */
export const writeGateBytes = 8;

/** The gate in this memory, which both threads have. */
export function gateAt(memory: SharedArrayBuffer): WriteGate {
  return new Int32Array(memory);
}

/** The writer, before a transaction: waits while the gate is held, at most so long. */
export function beginWriting(gate: WriteGate, timeoutMs: number): void {
  Atomics.store(gate, writingCell, 1);
  if (Atomics.load(gate, heldCell) === 0) return;
  endWriting(gate);
  Atomics.wait(gate, heldCell, 1, timeoutMs);
  Atomics.store(gate, writingCell, 1);
}

/** The writer, after a transaction. */
export function endWriting(gate: WriteGate): void {
  Atomics.store(gate, writingCell, 0);
  Atomics.notify(gate, writingCell);
}

/**
 * The checkpoint thread: keeps further transactions out, and waits for the one under way, at most
 * so long.
 */
export function holdGate(gate: WriteGate, timeoutMs: number): void {
  Atomics.store(gate, heldCell, 1);
  Atomics.wait(gate, writingCell, 1, timeoutMs);
}

/** The checkpoint thread: lets writers go on. */
export function openGate(gate: WriteGate): void {
  Atomics.store(gate, heldCell, 0);
  Atomics.notify(gate, heldCell);
}
