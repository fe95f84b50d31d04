// When each client's server was in island mode, as the client was told. Judges nothing.
import type { OperationRecord } from "../../history.ts";
import type { HistoryModel } from "./history-model.ts";

/** How much later than its answers a server's word on its mode may come. */
const noticeNs = 200e6;

interface Span {
  readonly fromNs: number;
  untilNs: number;
}

/** The islands of all clients. */
class IslandSpans {
  readonly #spans = new Map<string, Span[]>();

  constructor(model: HistoryModel) {
    for (const record of model.history) {
      if (record.kind !== "island") continue;
      const spans = this.#spans.get(record.client) ?? [];
      this.#spans.set(record.client, spans);
      const last = spans.at(-1);
      const isOpen = last?.untilNs === Number.POSITIVE_INFINITY;
      if (record.open && !isOpen) {
        spans.push({ fromNs: record.atNs - noticeNs, untilNs: Number.POSITIVE_INFINITY });
      } else if (!record.open && last !== undefined && isOpen) {
        last.untilNs = record.atNs;
      }
    }
  }

  /** Whether the client's server was in island mode at any moment between call and answer. */
  mayHaveAnswered({ client, callNs, returnNs }: OperationRecord): boolean {
    const endNs = returnNs ?? Number.POSITIVE_INFINITY;
    const spans = this.#spans.get(client) ?? [];
    return spans.some(({ fromNs, untilNs }) => fromNs <= endNs && callNs <= untilNs);
  }
}

const spansOfModels = new WeakMap<HistoryModel, IslandSpans>();

/** The islands of a history; the same for each checker. */
export function islandSpansOf(model: HistoryModel): IslandSpans {
  let spans = spansOfModels.get(model);
  if (spans === undefined) {
    spans = new IslandSpans(model);
    spansOfModels.set(model, spans);
  }
  return spans;
}
