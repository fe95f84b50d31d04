// Known bugs of the client SDK: what it promises to its caller, whatever happens to its connection.
import type { KnownBug } from "../known-bug.ts";
import { absentClients, laggingServers } from "./hints.ts";

/** Bugs of the client. */
export const clientBugs: readonly KnownBug[] = [
  {
    name: "resend-under-a-new-id",
    what: "K1: a message that is sent again does not bear the id of the first time.",
    expect: ["exactly-once"],
    edits: [
      {
        file: "src/client/outbox.ts",
        replace: "session.request(entry.request, (body)",
        by:
          "const again = entry as { sent?: boolean };\n" +
          "      const fresh = new Uint8Array(16);\n" +
          "      this.#options.random.fillBytes(fresh);\n" +
          "      const value = { ...(entry.request.value as object), commandId: fresh };\n" +
          "      const request = again.sent ? { ...entry.request, value } : entry.request;\n" +
          "      again.sent = true;\n" +
          "      session.request(request as RequestBody, (body)",
      },
    ],
  },
  {
    name: "client-ignores-gaps",
    hint: absentClients,
    what: "C5: a timeline takes the next item that comes, also when some before it are missing.",
    expect: ["pages", "subscriptions"],
    edits: [
      {
        file: "src/client/timeline.ts",
        replace: "if (this.#last === undefined || item.number > this.#last + 1) {",
        by: "if (this.#last === undefined) {",
      },
    ],
  },
  {
    name: "client-forgets-what-was-in-flight",
    hint: absentClients,
    what: "K1: messages that were sent and not answered when a connection broke are forgotten.",
    expect: ["liveness", "exactly-once", "fifo"],
    edits: [
      {
        file: "src/client/outbox.ts",
        replace: "this.#inFlight = 0;\n    this.#toFront();",
        by: "this.#inFlight = 0;",
      },
    ],
  },
  {
    name: "reads-of-the-past",
    hint: laggingServers,
    what: "A server that is behind takes whoever comes; clients do not say what they have seen.",
    expect: ["read-your-writes", "monotonic-reads"],
    edits: [
      {
        file: "src/client/asks.ts",
        replace: "    return this.#newest;",
        by: "    return 0n * this.#newest;",
      },
      {
        file: "src/gateways/hello.ts",
        replace: "const isUpToDate = await waitForRead(context);",
        by:
          "if (cursor.position > 0) return replica.appliedPosition();\n" +
          "  const isUpToDate = await waitForRead(context);",
      },
    ],
  },
];
