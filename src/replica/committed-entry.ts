// What stands in an entry of the log: the commands for the state machine, and whose they are.
import type { Entry } from "../raft/index.ts";
import { decodeEntryPayload } from "./peer-codec.ts";
import type { ProposalFields } from "./proposals.ts";
import type { CommittedEntry } from "./state-machine.ts";

/** An entry as the state machine gets it, and the proposals it was made of, in their order. */
export interface DecodedEntry {
  readonly committed: CommittedEntry;
  readonly proposals: readonly ProposalFields[];
  /** Every server takes a snapshot of its state as it is after this entry. */
  readonly isCheckpoint: boolean;
}

/** Decodes an entry; one that concerns consensus alone has no commands. Throws on damage. */
export function decodeEntry(entry: Entry): DecodedEntry {
  const { index } = entry;
  if (entry.kind !== "commands") {
    return {
      committed: { index, timestampMs: 0, commands: [] },
      proposals: [],
      isCheckpoint: false,
    };
  }
  const { timestampMs, proposals, checkpoint } = decodeEntryPayload(entry.payload);
  const commands = proposals.map((proposal) => proposal.command);
  const committed = { index, timestampMs: Number(timestampMs), commands };
  return { committed, proposals, isCheckpoint: checkpoint };
}
