// Lets the checkpoint thread hold the writer for a moment without either of them polling: SQLite's
// own waiting sleeps in steps of up to 100 ms and may never find a busy writer's lock free. Not
// here: what happens in that moment.

/**
 * Three cells of shared memory: whether the gate is held, whether a transaction is under way, and
 * whether a copy is being read.
 */
export type WriteGate = Int32Array<SharedArrayBuffer>;

const heldCell = 0;
const writingCell = 1;
const readingCell = 2;

/** Bytes of the memory that a gate needs. */
export const writeGateBytes = 12;

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
 * The copy thread, before its read transaction: waits while the gate is held, at most so long each
 * time. While it reads, the gate is not held again: the WAL could not begin anew under it, and
 * writers would wait for nothing.
 */
export function beginReading(gate: WriteGate, timeoutMs: number): void {
  Atomics.store(gate, readingCell, 1);
  while (Atomics.load(gate, heldCell) === 1) {
    Atomics.store(gate, readingCell, 0);
    Atomics.wait(gate, heldCell, 1, timeoutMs);
    Atomics.store(gate, readingCell, 1);
  }
}

/** The copy thread, after its read transaction, or whoever finds it dead. */
export function endReading(gate: WriteGate): void {
  Atomics.store(gate, readingCell, 0);
}

/**
 * The checkpoint thread: keeps further transactions out, and waits for the one under way, at most
 * so long. False, and nobody was kept out for long, while a copy is being read.
 */
export function holdGate(gate: WriteGate, timeoutMs: number): boolean {
  Atomics.store(gate, heldCell, 1);
  if (Atomics.load(gate, readingCell) === 1) return false;
  Atomics.wait(gate, writingCell, 1, timeoutMs);
  return true;
}

/** The checkpoint thread: lets writers go on. */
export function openGate(gate: WriteGate): void {
  Atomics.store(gate, heldCell, 0);
  Atomics.notify(gate, heldCell);
}
