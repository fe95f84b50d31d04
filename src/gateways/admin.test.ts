// What operators and newcomers ask: who may, what is refused and how, and that a backup is whole,
// bounded, and ends when its caller or the server goes.
import { connect as connectHttp2 } from "node:http2";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { afterEach, describe, expect, it } from "vitest";
import { AdminService } from "../proto/gen/cluster/v1/admin_pb.js";
import { BackupReader } from "./backup-file.ts";
import { fakeMember } from "./fakes.contract.ts";
import { startServer, type TestServer } from "./harness.contract.ts";
import { encodeJoinToken } from "./join-token.ts";
import type { GatewayLimits } from "./limits.ts";
import { operatorToken } from "./operator-token.ts";
import { hmacSha256 } from "./secrets.ts";

const tokenKey = new Uint8Array(32).fill(7);
const operator = operatorToken(tokenKey);
const clusterId = 0x00c0ffee00c0ffeen;

let server: TestServer;
afterEach(() => server.close());

async function start(limits: Partial<GatewayLimits> = {}): Promise<TestServer> {
  server = await startServer(limits);
  return server;
}

async function call(method: string, body: object, token?: string) {
  const answer = await server.call(`cluster.v1.AdminService/${method}`, body, token);
  const code = answer.body["details"]?.[0]?.debug?.code?.replace("REJECTION_CODE_", "");
  return { ...answer, code, message: answer.body["message"] as string };
}

const newcomer = {
  birthNonce: "1004",
  peerAddress: "10.0.0.4:4901",
  clientAddress: "http://10.0.0.4:4801",
};

async function joinToken(request: object = {}): Promise<string> {
  return (await call("CreateJoinToken", request, operator)).body["token"];
}

describe("operators' calls", () => {
  const calls = [
    ["CreateJoinToken", {}],
    ["RemoveMember", { replicaId: 2 }],
    ["PromoteMember", { replicaId: 2 }],
    ["TransferLeadership", {}],
    ["TakeCheckpoint", {}],
  ] as const;

  it.each(calls)("%s needs the operator token", async (method, body) => {
    await start();
    const person = await server.enter("ada");
    for (const token of [undefined, person, `${operator}x`, "hfop_"]) {
      const answer = await call(method, body, token);
      expect([answer.status, answer.code]).toEqual([401, "UNAUTHENTICATED"]);
      expect(answer.message).toContain("`operator-token` in each server's data folder");
    }
    expect(server.replica.admin.changes).toEqual([]);
    expect((await call(method, body, operator)).status).toBe(200);
  });

  it("limit wrong tokens by address, but never the right one (S6)", async () => {
    await start({ accountBurstPerAddress: 2, accountPerSecondPerAddress: 0.01 });
    const codes: string[] = [];
    for (let i = 0; i < 4; i++) codes.push((await call("TakeCheckpoint", {}, `no${i}`)).code);
    expect(codes).toEqual(["UNAUTHENTICATED", "UNAUTHENTICATED", "OVERLOADED", "OVERLOADED"]);
    expect((await call("TakeCheckpoint", {}, operator)).status).toBe(200);
    expect((await call("Join", { ...newcomer, token: "x" })).code).toBe("OVERLOADED");
  });

  it("are handed to the replica and answered as it answers", async () => {
    await start();
    const { admin } = server.replica;
    const removed = await call("RemoveMember", { replicaId: 2 }, operator);
    expect(removed.body).toEqual({ configurationIndex: "41" });
    await call("PromoteMember", { replicaId: 3 }, operator);
    expect(admin.changes).toEqual([
      { kind: "remove", replicaId: 2 },
      { kind: "promote", replicaId: 3 },
    ]);
    const lead = (replicaId: number) => call("TransferLeadership", { replicaId }, operator);
    expect((await lead(3)).body).toEqual({ leaderId: 3 });
    const refused = await lead(9);
    expect([refused.status, refused.code]).toEqual([400, "NOT_POSSIBLE"]);
    expect([refused.body["code"], refused.message]).toEqual([
      "failed_precondition",
      "Server 9 is no member.",
    ]);
    const taken = await call("TakeCheckpoint", {}, operator);
    expect(taken.body).toEqual({
      index: "17",
      digest: Buffer.from(new Uint8Array(32).fill(9)).toString("base64"),
    });
    expect(admin.openSnapshots).toBe(0);
  });

  it("say what was refused and what may still come to be", async () => {
    await start();
    const { admin } = server.replica;
    admin.answers.push({ kind: "refused", reason: "It is the last voter." });
    const refused = await call("RemoveMember", { replicaId: 2 }, operator);
    expect([refused.code, refused.message]).toEqual(["NOT_POSSIBLE", "It is the last voter."]);
    admin.answers.push({ kind: "unavailable", message: "Nobody leads." });
    const unavailable = await call("RemoveMember", { replicaId: 2 }, operator);
    expect([unavailable.status, unavailable.headers.get("retry-after")]).toEqual([503, "1"]);
    admin.checkpointFailure = "No majority.";
    expect((await call("TakeCheckpoint", {}, operator)).code).toBe("UNAVAILABLE");
    expect((await call("RemoveMember", {}, operator)).code).toBe("INVALID_ARGUMENT");
    expect((await call("PromoteMember", {}, operator)).code).toBe("INVALID_ARGUMENT");
  });

  it("wait for the cluster to form", async () => {
    await start();
    server.replica.admin.isFormed = false;
    const refused = await call("CreateJoinToken", {}, operator);
    expect([refused.code, refused.message]).toEqual([
      "UNAVAILABLE",
      expect.stringContaining("has not been formed yet"),
    ]);
    expect((await call("Join", { ...newcomer, token: "x" })).code).toBe("UNAVAILABLE");
  });

  it("wait for the cluster's secret", async () => {
    await start();
    server.replica.chat.tokenKey = () => undefined;
    expect((await call("TakeCheckpoint", {}, operator)).code).toBe("UNAVAILABLE");
    expect((await call("Join", { ...newcomer, token: "x" })).code).toBe("UNAVAILABLE");
  });
});

describe("joining (R2)", () => {
  it("takes a newcomer in by a token, and answers the same when it asks again", async () => {
    await start();
    const token = await joinToken({ reader: true });
    const first = await call("Join", { ...newcomer, token });
    expect(first.body).toMatchObject({
      replicaId: 4,
      clusterId: clusterId.toString(),
      clusterName: "test",
      joinedIndex: "41",
      founders: [{ replicaId: 1 }, { replicaId: 2 }, { replicaId: 3 }],
      members: [{ replicaId: 1 }, { replicaId: 2 }, { replicaId: 3 }, { replicaId: 4 }],
    });
    expect(server.replica.admin.changes[0]).toMatchObject({
      kind: "add",
      member: { replicaId: 0, birthNonce: 1004n, reader: true, away: false },
    });
    // Its answer was lost; by now the token has expired.
    server.replica.admin.nowMs += 40 * 24 * 3_600_000;
    expect((await call("Join", { ...newcomer, token })).body).toEqual(first.body);
  });

  it("names the newcomer among the members, even where the log has not come here yet", async () => {
    await start();
    const token = await joinToken();
    server.replica.admin.answers.push({ kind: "done", index: 50, replicaId: 7 });
    const { body } = await call("Join", { ...newcomer, token });
    expect(body["members"].map((member: { replicaId: number }) => member.replicaId)).toEqual([
      1, 2, 3, 7,
    ]);
  });

  it("takes a token once", async () => {
    await start();
    const token = await joinToken();
    await call("Join", { ...newcomer, token });
    const other = { birthNonce: "1005", peerAddress: "e:1", clientAddress: "http://e:2", token };
    const used = await call("Join", other);
    expect([used.code, used.message]).toEqual([
      "UNAUTHENTICATED",
      "This token was used by server 4. Make one with `holdfast member add` at a member.",
    ]);
    // A server that is behind leaves it to the leader.
    server.replica.admin.members = server.replica.admin.members.slice(0, 3);
    server.replica.admin.answers.push({ kind: "refused", reason: "The token was used before." });
    const late = await call("Join", other);
    expect([late.code, late.message]).toEqual(["NOT_POSSIBLE", "The token was used before."]);
  });

  it("refuses tokens that expired, of other clusters, and forged ones", async () => {
    await start();
    const token = await joinToken({ validForS: 60 });
    server.replica.admin.nowMs += 59_000;
    const early = await call("Join", { ...newcomer, token, clusterName: "another" });
    expect(early.code).toBe("NOT_POSSIBLE");
    server.replica.admin.nowMs += 2_000;
    const expired = await call("Join", { ...newcomer, token });
    expect([expired.code, expired.message]).toEqual([
      "UNAUTHENTICATED",
      expect.stringMatching(/expired at 2023-.*; make a new one with `holdfast member add`/),
    ]);
    const claims = { clusterId, nonce: 1n, expiresMs: 2e12, reader: false };
    const make = (key: Uint8Array, id = clusterId) =>
      encodeJoinToken({ ...claims, clusterId: id }, key, hmacSha256);
    for (const [bad, problem] of [
      [make(tokenKey, 1n), "This token is of another cluster."],
      [make(new Uint8Array(32)), "not made by this cluster"],
      ["hfjoin_", "no join token"],
      [operator, "no join token"],
      ["", "no join token"],
    ]) {
      const refused = await call("Join", { ...newcomer, token: bad });
      expect([refused.code, refused.message]).toEqual([
        "UNAUTHENTICATED",
        expect.stringContaining(problem as string),
      ]);
    }
    expect(server.replica.admin.changes).toEqual([]);
  });

  it("refuses what does not fit the cluster, with what would", async () => {
    await start();
    server.replica.admin.members.push(fakeMember(5));
    const token = await joinToken();
    for (const [change, code, problem] of [
      [{ clusterName: "another" }, "NOT_POSSIBLE", 'called "test", not "another"'],
      [{ replicaId: 2 }, "NOT_POSSIBLE", "Id 2 is that of the server at 10.0.0.2:4901."],
      [{ peerAddress: "10.0.0.5:4901" }, "NOT_POSSIBLE", "where the others reach server 5"],
      [{ clientAddress: "http://10.0.0.1:4801" }, "NOT_POSSIBLE", "where clients reach server 1"],
      [{ birthNonce: "0" }, "INVALID_ARGUMENT", "birth_nonce is missing"],
      [{ peerAddress: "" }, "INVALID_ARGUMENT", "must be host:port"],
      [{ clientAddress: "10.0.0.4:4801" }, "INVALID_ARGUMENT", "must be http://host:port"],
      [{ replicaId: 2 ** 31 }, "INVALID_ARGUMENT", "must be 1 to 2147483647"],
    ] as const) {
      const refused = await call("Join", { ...newcomer, token, ...change });
      expect([refused.code, refused.message]).toEqual([code, expect.stringContaining(problem)]);
    }
    expect((await call("Join", { ...newcomer, token, clusterName: "test" })).status).toBe(200);
  });

  it("makes tokens for at most 30 days, an hour by default", async () => {
    await start();
    const made = await call("CreateJoinToken", {}, operator);
    expect(Number(made.body["expiresMs"]) - server.replica.admin.nowMs).toBe(3_600_000);
    const tooLong = await call("CreateJoinToken", { validForS: 30 * 86_400 + 1 }, operator);
    expect(tooLong.code).toBe("INVALID_ARGUMENT");
    expect(await joinToken()).not.toBe(await joinToken());
  });
});

describe("a backup (O3)", () => {
  const headers = { authorization: `Bearer ${operator}` };
  const protocols = [
    ["gRPC", () => createGrpcTransport({ baseUrl: server.url })],
    ["Connect", () => createConnectTransport({ baseUrl: server.url, httpVersion: "1.1" })],
  ] as const;

  it.each(protocols)("comes whole over %s", async (_, transport) => {
    await start();
    const reader = new BackupReader();
    const parts: Uint8Array[] = [];
    for await (const { bytes } of createClient(AdminService, transport()).backup({}, { headers })) {
      expect(bytes.length).toBeLessThanOrEqual(262_144);
      parts.push(reader.take(bytes));
    }
    expect(reader.end()).toMatchObject({ clusterId, clusterName: "test", index: 17, term: 3 });
    expect(Buffer.concat(parts).equals(server.replica.admin.snapshot)).toBe(true);
    expect(server.replica.admin.openSnapshots).toBe(0);
  });

  async function failure(token: string, timeoutMs = 60_000): Promise<ConnectError> {
    const api = createClient(AdminService, createGrpcTransport({ baseUrl: server.url }));
    try {
      const options = { headers: { authorization: `Bearer ${token}` }, timeoutMs };
      const stream = api.backup({}, options);
      for await (const _ of stream);
    } catch (error) {
      return ConnectError.from(error);
    }
    throw new Error("the backup came");
  }

  it("is for operators", async () => {
    await start();
    expect((await failure("hfop_x")).code).toBe(Code.Unauthenticated);
    expect((await failure(await server.enter("ada"))).code).toBe(Code.Unauthenticated);
  });

  it("is refused where no checkpoint can be had", async () => {
    await start();
    server.replica.admin.checkpointFailure = "No majority.";
    const { code, rawMessage } = await failure(operator);
    expect([code, rawMessage]).toEqual([Code.Unavailable, "No majority."]);
  });

  /** A call whose client reads nothing until it is told to. */
  function openRaw() {
    const session = connectHttp2(server.url, { settings: { initialWindowSize: 1_000 } });
    session.on("error", () => {});
    const stream = session.request({
      ":path": "/cluster.v1.AdminService/Backup",
      ":method": "POST",
      "content-type": "application/grpc",
      authorization: `Bearer ${operator}`,
    });
    stream.on("error", () => {});
    stream.end(Buffer.alloc(5));
    return { session, stream };
  }

  it("reads no further than its caller takes, and lets go when the caller goes", async () => {
    await start();
    const { admin } = server.replica;
    const { session } = openRaw();
    await expect.poll(() => admin.openSnapshots).toBe(1);
    // A second backup, taken while the first one waits for its reader.
    const second = createClient(AdminService, createGrpcTransport({ baseUrl: server.url }));
    for await (const _ of second.backup({}, { headers }));
    expect(admin.openSnapshots).toBe(1);
    expect(admin.readBytes[0]).toBeLessThanOrEqual(2 * 262_144);
    expect(admin.readBytes[1]).toBe(admin.snapshot.length);
    session.destroy();
    await expect.poll(() => admin.openSnapshots).toBe(0);
  });

  it("lets go of a checkpoint that comes when the caller has gone", async () => {
    await start({ backupsMax: 1 });
    const { admin } = server.replica;
    admin.answersCheckpoints = false;
    let asked = 0;
    const takeCheckpoint = admin.takeCheckpoint.bind(admin);
    admin.takeCheckpoint = (done) => {
      asked += 1;
      takeCheckpoint(done);
    };
    const { session } = openRaw();
    await expect.poll(() => asked).toBe(1);
    expect((await failure(operator)).code).toBe(Code.ResourceExhausted);
    session.destroy();
    // The place is free again when the server has noticed; nothing else tells.
    await expect.poll(async () => (await failure(operator, 50)).code).toBe(Code.DeadlineExceeded);
    admin.answersCheckpoints = true;
    admin.finishCheckpoints();
    await expect.poll(() => admin.openSnapshots).toBe(0);
    const api = createClient(AdminService, createGrpcTransport({ baseUrl: server.url }));
    await expect
      .poll(async () => {
        try {
          for await (const _ of api.backup({}, { headers }));
          return "came";
        } catch (error) {
          return ConnectError.from(error).code;
        }
      })
      .toBe("came");
  });

  it("is cut off when its caller takes nothing, not by the time that a request has", async () => {
    await start({ backupStallMs: 150, requestTimeoutMs: 20 });
    const { stream } = openRaw();
    const beganMs = performance.now();
    await new Promise((resolve) => stream.once("close", resolve));
    expect(performance.now() - beganMs).toBeGreaterThan(100);
    await expect.poll(() => server.replica.admin.openSnapshots).toBe(0);
  });

  it("ends when the server stops", async () => {
    await start();
    const { stream } = openRaw();
    await expect.poll(() => server.replica.admin.openSnapshots).toBe(1);
    const closing = server.gateway.close({ graceMs: 5_000 });
    expect(server.replica.admin.openSnapshots).toBe(0);
    stream.resume();
    await closing;
  });
});
