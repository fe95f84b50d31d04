// Steps that tests of island mode share.
import { expect } from "vitest";
import type { IslandServer } from "./island-server.test-support.ts";
import { IslandWorld, type IslandWorldOptions } from "./island-world.test-support.ts";

/** A world whose servers run. */
export function makeWorld(options: IslandWorldOptions): IslandWorld {
  const world = new IslandWorld(options);
  world.startAll();
  return world;
}

/** All servers know a leader. */
export function untilLed(world: IslandWorld): void {
  const live = () => world.servers.filter(({ isUp, paused }) => isUp && !paused);
  world.until(() => live().every(({ leader }) => leader !== 0), "a leader");
}

/** These servers alone, in one island. */
export function untilIsland(world: IslandWorld, ids: number[]): IslandServer[] {
  const servers = ids.map((id) => world.server(id));
  const isOpen = ({ island }: IslandServer): boolean =>
    island?.islandState().open === true && island.islandState().servers === ids.length;
  world.until(() => servers.every(isOpen), `an island of ${ids.join(", ")}`);
  // Those who have just met wait for each other once each has told what it has.
  world.run(150);
  return servers;
}

/** The answer to a command that is held on so many disks. */
export function heldOn(disks: number) {
  return expect.objectContaining({ kind: "held", disks });
}

/** What a server has told its listeners. */
export function changeKinds(server: IslandServer): string[] {
  return server.changes.map(({ kind }) => kind);
}

/** Everybody is back: until everything is merged everywhere and nothing is held. */
export function untilMerged(world: IslandWorld): void {
  world.heal();
  for (const server of world.servers) if (!server.isUp) server.start();
  world.until(
    () => world.servers.every(({ leader, island }) => leader !== 0 && !island!.hasHeld),
    "everything is merged",
  );
}
