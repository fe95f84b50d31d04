// What operators ask: with their token, of whichever server answers.
import { Code, ConnectError, createRouterTransport, type ServiceImpl } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { RejectedSchema, RejectionCode } from "../proto/gen/chat/v1/api_pb.js";
import { AdminService } from "../proto/gen/cluster/v1/admin_pb.js";
import type { ClientTimer } from "./clock.ts";
import { RejectedError } from "./errors.ts";
import { ManualClock, seededRandom } from "./manual-clock.test-support.ts";
import { createOperator, type Operator } from "./operator.ts";

const [s1, s2] = ["http://s1:4801", "http://s2:4801"] as const;

type Admin = Partial<ServiceImpl<typeof AdminService>>;

/** Time that passes as soon as somebody waits for it. */
class EagerClock extends ManualClock {
  override setTimer(delayMs: number, callback: () => void): ClientTimer {
    this.nowMs += delayMs;
    queueMicrotask(callback);
    return { cancel: () => undefined };
  }
}

/** Servers by address; one that is missing is down. */
function make(servers: Readonly<Record<string, Admin>>): Operator {
  return createOperator({
    addresses: [s1, s2],
    token: "hfop_secret",
    clock: new EagerClock(),
    random: seededRandom(1),
    transport: (address) => {
      const down = () => {
        throw new ConnectError("fetch failed", Code.Unavailable);
      };
      const gone: Admin = { removeMember: down, backup: down, status: down };
      return createRouterTransport(({ service }) => {
        service(AdminService, servers[address] ?? gone);
      });
    },
  });
}

function refusal(code: RejectionCode, message: string): ConnectError {
  const value = { code, message };
  const details = [{ desc: RejectedSchema, value }];
  return new ConnectError(message, Code.FailedPrecondition, undefined, details);
}

async function readAll(pieces: AsyncIterable<Uint8Array>): Promise<number[]> {
  const all: number[] = [];
  for await (const piece of pieces) all.push(...piece);
  return all;
}

test("R9: a server that is down is passed over, and the token goes with each call", async () => {
  const asked: string[] = [];
  const operator = make({
    [s2]: {
      removeMember: ({ replicaId }, { requestHeader }) => {
        asked.push(`remove ${replicaId} ${requestHeader.get("authorization")}`);
        return { configurationIndex: 7n };
      },
    },
  });
  await operator.removeMember(3);
  expect(asked).toEqual(["remove 3 Bearer hfop_secret"]);
});

test("what is not possible is refused with the server's sentence, and not tried elsewhere", async () => {
  let asks = 0;
  const refuse = () => {
    asks++;
    throw refusal(RejectionCode.NOT_POSSIBLE, "That would leave no majority.");
  };
  const operator = make({ [s1]: { removeMember: refuse }, [s2]: { removeMember: refuse } });
  const error = await operator.removeMember(3).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(RejectedError);
  expect(error).toMatchObject({ code: "NOT_POSSIBLE", message: "That would leave no majority." });
  expect(asks).toBe(1);
});

test("tokens, transfers and checkpoints are answered in plain values", async () => {
  const operator = make({
    [s1]: {
      createJoinToken: ({ validForS, reader }) => ({
        token: `hfjoin_${validForS}_${reader}`,
        expiresMs: 90_000n,
      }),
      transferLeadership: ({ replicaId }) => ({ leaderId: replicaId || 2 }),
      takeCheckpoint: () => ({ index: 12n, digest: new Uint8Array([1, 2]) }),
    },
  });
  expect(await operator.createJoinToken({ validForS: 60, reader: true })).toEqual({
    token: "hfjoin_60_true",
    expiresMs: 90_000,
  });
  expect(await operator.transferLeadership(0)).toBe(2);
  expect(await operator.takeCheckpoint()).toEqual({ index: 12, digest: new Uint8Array([1, 2]) });
});

test("a backup comes from a server that is there, and ends with an error where it breaks", async () => {
  const operator = make({
    [s2]: {
      backup: async function* () {
        yield { bytes: new Uint8Array([1, 2]) };
        yield { bytes: new Uint8Array([3]) };
      },
    },
  });
  expect(await readAll(operator.backup())).toEqual([1, 2, 3]);
  const broken = make({
    [s1]: {
      backup: async function* () {
        yield { bytes: new Uint8Array([1]) };
        throw new ConnectError("the connection broke", Code.Unavailable);
      },
    },
    [s2]: {},
  });
  await expect(readAll(broken.backup())).rejects.toMatchObject({ code: "UNAVAILABLE" });
});
