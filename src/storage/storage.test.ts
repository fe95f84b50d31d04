// The storage contract over the two disks in memory.
import { FaultyDisk, MemoryDisk } from "./index.ts";
import { describeStorage } from "./storage.contract.ts";

describeStorage("memory disk", () => {
  const disk = new MemoryDisk({ schedule: (callback) => queueMicrotask(callback) });
  return { open: () => disk, stride: 1, dispose: async () => {} };
});

describeStorage("faulty disk without faults", () => {
  const disk = new FaultyDisk({ seed: 1, schedule: (callback) => queueMicrotask(callback) });
  return { open: () => disk, stride: 1, dispose: async () => {} };
});
