// Writes the history of a run: operations from call to return, connections, deliveries. One clock,
// one order. It judges nothing and knows no client.
import type { HeldMessage, Item, SetAsideMessage, TimelinePage } from "../client/index.ts";
import type { HistoryRecord, Json, OperationName, OperationRecord } from "./history.ts";
import type { Failure } from "./operation-result.ts";
import type { OperationArguments, OperationValues } from "./operation-values.ts";
import { SharedItems } from "./shared-items.ts";

/** What the recorder works with. */
export interface RecorderOptions {
  readonly nowNs: () => number;
  /** Hears every record when it is written. */
  readonly onRecord?: ((record: HistoryRecord) => void) | undefined;
}

/** One line of a history as it is written to a file: JSON without a line break. */
export function historyLine(record: HistoryRecord): string {
  return JSON.stringify(record);
}

/** The history of one run. */
export class HistoryRecorder {
  readonly #options: RecorderOptions;
  readonly #history: HistoryRecord[] = [];
  readonly #items = new SharedItems();
  readonly #open = new Set<{ abandon(): void }>();
  #lastId = 0;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** Everything that was written so far; operations that are still open are not in it. */
  get history(): readonly HistoryRecord[] {
    return this.#history;
  }

  nowNs(): number {
    return this.#options.nowNs();
  }

  /** An operation is called now. */
  begin<Name extends OperationName>(
    client: string,
    operation: Name,
    args: OperationArguments[Name],
  ): OpenOperation<Name> {
    this.#lastId++;
    const call = { id: this.#lastId, client, operation, callNs: this.nowNs() };
    const open = new OpenOperation<Name>(operation, args, (outcome) => {
      this.#open.delete(open);
      // The types of operation-values.ts are plain JSON, but interfaces, which no index signature
      // fits.
      const json = open.arguments as unknown as OperationRecord["arguments"];
      const returnNs = outcome.result === "unknown" ? null : this.nowNs();
      this.write({ kind: "operation", ...call, arguments: json, returnNs, ...outcome });
    });
    this.#open.add(open);
    return open;
  }

  /** What is open now is never answered any more. */
  abandonAll(): void {
    for (const open of [...this.#open]) open.abandon();
  }

  write(record: HistoryRecord): void {
    this.#history.push(record);
    this.#options.onRecord?.(record);
  }

  /** A client was told that a message is held. */
  noteHeld(
    client: string,
    { commandId, disks }: { readonly commandId: string; readonly disks: number },
  ): void {
    this.write({ kind: "heldReceipt", client, atNs: this.nowNs(), commandId, disks });
  }

  /** A client was given a page with what is held and what was set aside in its room. */
  noteShown(
    client: string,
    userId: number,
    { held, setAside }: Pick<TimelinePage, "held" | "setAside">,
  ): void {
    for (const message of held) this.writeShown("heldShown", { client, userId }, message);
    for (const message of setAside) this.writeShown("setAside", { client, userId }, message);
  }

  /** A client was shown one message that has no number. */
  writeShown(
    kind: "heldShown" | "setAside",
    to: { readonly client: string; readonly userId: number },
    { roomId, authorId, commandId, body }: HeldMessage | SetAsideMessage,
  ): void {
    this.write({ kind, ...to, atNs: this.nowNs(), roomId, authorId, commandId, body });
  }

  /** The one copy of an item that stands for all equal ones. */
  share(item: Item): Item {
    return this.#items.share(item);
  }

  shareAll(items: readonly Item[]): readonly Item[] {
    return items.map((item) => this.#items.share(item));
  }
}

type Outcome = Pick<OperationRecord, "result" | "value" | "code">;

/**
 * An operation that was called. It gets one result; whatever comes after that is ignored.
 * `returnNs` is null exactly where the result is unknown: it may still happen at any time.
 */
export class OpenOperation<Name extends OperationName> {
  readonly operation: Name;
  /** Written when the operation is over; may become more exact before that. */
  arguments: OperationArguments[Name];
  #failure: Failure | undefined;
  #finish: ((outcome: Outcome) => void) | undefined;

  constructor(operation: Name, args: OperationArguments[Name], finish: (outcome: Outcome) => void) {
    this.operation = operation;
    this.arguments = args;
    this.#finish = finish;
  }

  /** How it failed; undefined while it is open, and when it was ok. */
  get failure(): Failure | undefined {
    return this.#failure;
  }

  succeed(value: OperationValues[Name]): void {
    this.#end({ result: "ok", value: value as unknown as { readonly [key: string]: Json } });
  }

  fail(failure: Failure): void {
    if (this.#finish !== undefined) this.#failure = failure;
    this.#end({ ...failure });
  }

  /** Nobody waits for it any more. */
  abandon(): void {
    this.#end({ result: "unknown" });
  }

  #end(outcome: Outcome): void {
    const finish = this.#finish;
    this.#finish = undefined;
    finish?.(outcome);
  }
}
