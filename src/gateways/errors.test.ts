// The table of errors is complete, and each row says the same in every protocol.
// That the right refusals are given is shown in rpc.test.ts and session.test.ts.
import { Code } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { RejectedSchema, RejectionCode, RejectionCodeSchema } from "../proto/gen/chat/v1/api_pb.js";
import { refuse, toConnectError, webSocketCloseCode } from "./errors.ts";

const codes = RejectionCodeSchema.values.map(({ number }) => number as RejectionCode).slice(1);

describe("the table of errors", () => {
  it.each(codes)(
    "gives rejection code %i a status of its own kind, never an internal error",
    (code) => {
      const error = toConnectError(refuse(code, "why", 1_500));
      expect([Code.Internal, Code.Unknown]).not.toContain(error.code);
      expect(error.findDetails(RejectedSchema)).toMatchObject([
        { code, message: "why", retryAfterMs: 1_500 },
      ]);
      expect(error.metadata.get("retry-after")).toBe("2");
      expect([1008, 1009, 1013]).toContain(webSocketCloseCode(code));
    },
  );

  it("says nothing of trying again where that is useless", () => {
    const error = toConnectError(refuse(RejectionCode.NAME_TAKEN, "why"));
    expect(error.metadata.has("retry-after")).toBe(false);
  });

  it("calls an unknown code an internal error", () => {
    const error = toConnectError(refuse(999 as RejectionCode, "why"));
    expect([error.code, webSocketCloseCode(999 as RejectionCode)]).toEqual([Code.Internal, 1011]);
  });
});
