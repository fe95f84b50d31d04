// The tables of a real chat state, whole and spoiled.
import { describe, expect, it } from "vitest";
import { ChatModel } from "../chat-model.ts";
import type { ClusterChecker, FinalServer } from "../checker.ts";
import { FirstApplications } from "./applied-commands.ts";
import { ChatRig, chatter } from "./chat-rig.test-support.ts";
import { judge } from "./cluster-events.test-support.ts";
import { FinalState, ItemHashes } from "./final-state.ts";
import { ModelConformance } from "./model-conformance.ts";

/** Judges the end of the chatter with what happened to the tables meanwhile. */
function check(damage = "", final: (rig: ChatRig) => FinalServer[] = (rig) => [rig.final()]) {
  const rig = new ChatRig();
  const events = chatter(rig);
  if (damage !== "") rig.database.rows(damage);
  const make = (): ClusterChecker => {
    const items = new ItemHashes();
    const applications = new FirstApplications();
    const model = new ChatModel((item) => items.add(item));
    const conformance = new ModelConformance(model, applications);
    const checker = new FinalState({ model, items, applications });
    return {
      name: checker.name,
      see: (event) => conformance.see(event),
      finish: (servers) => checker.finish(servers),
    };
  };
  return judge(make, events, final(rig));
}

describe("final state", () => {
  it("passes the tables of a real chat state", () => {
    expect(check()).toBeUndefined();
  });

  it("catches a server that ends elsewhere", () => {
    const behind = (rig: ChatRig) => [rig.final(), { ...rig.final(2), appliedIndex: 3 }];
    expect(check("", behind)).toMatch("server 2 ends at entry 3, the model at 8");
  });

  it.each([
    [
      "a message that is gone",
      "DELETE FROM timeline_items WHERE item_id = 3",
      /has 2 items, the rules say 3/,
    ],
    ["another text", "UPDATE timeline_items SET body = 'x' WHERE item_id = 2", /row 2 of timeline/],
    ["a message too many", insertItem(), /row 4 of timeline_items/],
    ["another author", "UPDATE timeline_items SET author_id = 2 WHERE item_id = 2", /row 2 of/],
    ["a stay that is gone", "DELETE FROM memberships WHERE user_id = 2", /of memberships/],
    ["a session that is open", "INSERT INTO sessions VALUES (9, 1, '', 1, 1, NULL)", /of sessions/],
    ["another owner", "UPDATE rooms SET owner_id = 2 WHERE room_id = 3", /row 3 of rooms/],
    ["another password", "UPDATE users SET password_hash = '' WHERE user_id = 1", /row 1 of users/],
    ["a time of writing", "UPDATE timeline_items SET written_ms = 1 WHERE item_id = 2", /row 2 of/],
    [
      "a message that was set aside by nobody",
      "INSERT INTO set_aside VALUES (1, 1, 1, 1, x'00', 1, 'x', 7)",
      /row 1 of set_aside/,
    ],
    [
      "a session of an island",
      "UPDATE sessions SET island_nonce = x'0000000000000001'",
      /row 1 of sessions/,
    ],
    ["a forgotten id", "DELETE FROM commands WHERE user_id = 2", /of commands/],
    ["another key", "UPDATE cluster SET token_key = x'00'", /row 1 of cluster/],
    ["another time", "UPDATE cluster SET timestamp_ms = 0", /row 1 of cluster/],
  ])("catches %s", (_title, damage, message) => {
    expect(check(damage)).toMatch(message);
  });
});

function insertItem(): string {
  return `INSERT INTO timeline_items
    SELECT 4, room_id, 9, position, timestamp_ms, author_id, 2, command_id, NULL, 0
    FROM timeline_items WHERE item_id = 1`;
}
