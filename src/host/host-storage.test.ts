// The storage contract over the real disk.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeStorage } from "../storage/storage.contract.ts";
import { HostDisk } from "./host-disk.ts";

describeStorage("host disk", () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-storage-"));
  const made: HostDisk[] = [];
  return {
    open: () => {
      const disk = new HostDisk(folder);
      made.push(disk);
      return disk;
    },
    stride: 11,
    // A segment may still be in the making when a log is closed.
    dispose: async () => {
      for (const disk of made) await disk.idle();
      rmSync(folder, { recursive: true });
    },
  };
});
