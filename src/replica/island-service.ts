// What gateways see of island mode (docs/decisions/0013): what is held here, and when that changes.
// How it comes about is in island.ts.
import type { HeldItem } from "../proto/gen/cluster/v1/peer_pb.js";

/** Something about the island has changed. */
export type IslandChange =
  /** Items were taken in, here or on another server of the island, durable here. */
  | { readonly kind: "held"; readonly items: readonly HeldItem[] }
  /** This server is in island mode, with so many servers together, itself included. */
  | { readonly kind: "opened"; readonly servers: number }
  /** There is a leader again; what is held is being merged. */
  | { readonly kind: "closed" };

/** The island side of one replica. */
export interface IslandService {
  /** Whether this server is in island mode now, and with how many. */
  islandState(): { readonly open: boolean; readonly servers: number };
  /** What is held here and not merged into the state here yet, oldest first by hybrid time. */
  heldItems(): readonly HeldItem[];
  /** Hears of every change, in order. Answers how to stop hearing. */
  subscribeIsland(listener: (change: IslandChange) => void): () => void;
}
