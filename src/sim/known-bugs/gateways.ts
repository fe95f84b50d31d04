// Known bugs of the gateways: gaps and doubles in what a session is sent.
import type { KnownBug } from "../known-bug.ts";
import { absentClients } from "./hints.ts";

/** Bugs of the gateways. */
export const gatewayBugs: readonly KnownBug[] = [
  {
    name: "replay-begins-an-entry-late",
    hint: absentClients,
    what: "A replay begins behind the entry after the one that the client has seen.",
    expect: ["subscriptions"],
    edits: [
      {
        file: "src/gateways/replay.ts",
        replace: "afterPosition: this.#position,",
        by: "afterPosition: this.#position + 4096,",
      },
    ],
  },
  {
    name: "replay-ends-with-its-first-page",
    hint: absentClients,
    what: "Of what was missed only the first page is replayed, and then it goes live.",
    expect: ["subscriptions"],
    edits: [
      {
        file: "src/gateways/replay.ts",
        replace: "} else if (page.more) {",
        by: "} else if (page.more && page.items.length === 0) {",
      },
    ],
  },
  {
    name: "events-lost-beside-replies",
    what: "Live events that come together with a reply are not sent.",
    expect: ["subscriptions"],
    edits: [
      {
        file: "src/gateways/session.ts",
        replace: "run === undefined ? this.#replayed : [...this.#replayed, ...run.events()];",
        by: "this.#replayed;",
      },
    ],
  },
  {
    name: "live-after-a-pause",
    what: "Between the end of a replay and the first live event there is a gap.",
    expect: ["subscriptions"],
    edits: [
      {
        file: "src/gateways/session.ts",
        replace:
          "if (welcome.untilPosition !== undefined) hub.goLive(this, welcome.untilPosition);",
        by:
          "if (welcome.untilPosition !== undefined) {\n" +
          "      context.clock.setTimer(20, () => hub.goLive(this, replica.appliedPosition()));\n" +
          "    }",
      },
    ],
  },
];
