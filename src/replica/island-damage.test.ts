// Island logs of which a disk has lost some items: what is left is held as before.
import { expect, it } from "vitest";
import { keyIn } from "./island-machine.test-support.ts";
import { makeWorld, untilIsland, untilMerged } from "./island-steps.test-support.ts";

it("items behind lost ones are shown and merged, also where a peer brings those back", () => {
  const world = makeWorld({ voters: 5 });
  for (const id of [3, 4, 5]) world.server(id).kill();
  const [server, other] = untilIsland(world, [1, 2]);
  for (const key of ["1", "2", "3", "4"]) server!.take(`m:${key}`);
  world.run(50);
  expect(other!.heldKeys()).toEqual(["1", "2", "3", "4"]);
  server!.kill();
  other!.kill();
  server!.disk = server!.disk.filter((bytes) => keyIn(bytes) !== "2");
  server!.start();
  expect(server!.heldKeys()).toEqual(["1", "3", "4"]);
  untilIsland(world, [1]);
  // A gap is not told of: nobody may take the lost item for one that is here.
  other!.start();
  world.run(1_000);
  expect(server!.heldKeys()).toEqual(["1", "2", "3", "4"]);
  server!.kill();
  server!.start();
  expect(server!.fatal).toBeUndefined();
  expect(server!.heldKeys()).toEqual(["1", "2", "3", "4"]);
  untilMerged(world);
  expect(world.committedKeys().size).toBe(4);
});
