// Where a device keeps its unsent messages: it outlives the device's programs, writes as late as a
// disk does, and loses what was not written when the program is killed. So a message may be sent
// and forgotten, or stored and sent again.
import type { ClientClock, ClientTimer, OutboxMessage, OutboxStore } from "../client/index.ts";

/** What a device wants to know of its outbox. */
export interface OutboxWatcher {
  /** The client has taken a message: within its `send`. */
  saved(message: OutboxMessage): void;
  /** A new program has found these; it will send them. */
  loaded(messages: readonly OutboxMessage[]): void;
}

/** One device's outbox. */
export class DeviceOutbox {
  readonly #clock: ClientClock;
  readonly #delayMs: number;
  readonly #kept = new Map<string, OutboxMessage>();

  /** `delayMs`: how long a write takes; 0: none. */
  constructor(clock: ClientClock, delayMs: number) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  /** Whether a message would be found after a restart. */
  has(commandId: string): boolean {
    return this.#kept.has(commandId);
  }

  /**
   * A refused message is gone at once, whatever is killed: sent again it might be accepted, and
   * then nobody could say any more that what was refused never happens.
   */
  forget(commandId: string): void {
    this.#kept.delete(commandId);
  }

  /** The store as one program sees it. */
  openLife(watcher: OutboxWatcher): OutboxLife {
    return new OutboxLife(
      { clock: this.#clock, delayMs: this.#delayMs, kept: this.#kept },
      watcher,
    );
  }
}

interface Disk {
  readonly clock: ClientClock;
  readonly delayMs: number;
  readonly kept: Map<string, OutboxMessage>;
}

interface Write {
  readonly apply: () => void;
  readonly done: () => void;
}

/** One program's way to its device's outbox. */
export class OutboxLife implements OutboxStore {
  readonly #disk: Disk;
  readonly #watcher: OutboxWatcher;
  #writes: Write[] = [];
  #timer: ClientTimer | undefined;
  #isKilled = false;

  constructor(disk: Disk, watcher: OutboxWatcher) {
    this.#disk = disk;
    this.#watcher = watcher;
  }

  load(): Promise<readonly OutboxMessage[]> {
    return new Promise((resolve) => {
      // Behind all that was written before.
      this.#write({
        apply: () => {
          const messages = [...this.#disk.kept.values()];
          this.#watcher.loaded(messages);
          resolve(messages);
        },
        done: () => resolve([]),
      });
    });
  }

  save(message: OutboxMessage): Promise<void> {
    this.#watcher.saved(message);
    return this.#queue(() => this.#disk.kept.set(message.commandId, message));
  }

  remove(commandId: string): Promise<void> {
    return this.#queue(() => this.#disk.kept.delete(commandId));
  }

  /** The program is gone: what it has not written is lost. Nobody waits in vain. */
  kill(): void {
    this.#isKilled = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    const lost = this.#writes;
    this.#writes = [];
    for (const { done } of lost) done();
  }

  #queue(apply: () => void): Promise<void> {
    return new Promise((resolve) => this.#write({ apply, done: resolve }));
  }

  #write(write: Write): void {
    if (this.#isKilled) {
      write.done();
      return;
    }
    if (this.#disk.delayMs === 0) {
      write.apply();
      write.done();
      return;
    }
    this.#writes.push(write);
    this.#timer ??= this.#disk.clock.setTimer(this.#disk.delayMs, () => this.#flush());
  }

  #flush(): void {
    this.#timer = undefined;
    const writes = this.#writes;
    this.#writes = [];
    for (const { apply, done } of writes) {
      apply();
      done();
    }
  }
}
