// The gateway without a port: how it goes. What it serves is tested through the port.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import {
  ChatService,
  ClientFrameSchema,
  RejectionCode,
  type ServerFrame,
  ServerFrameSchema,
} from "../proto/gen/chat/v1/api_pb.js";
import { AdminService } from "../proto/gen/cluster/v1/admin_pb.js";
import { byName, FakeReplica, type RequestBody, testClock } from "./harness.contract.ts";
import { createInProcessGateway } from "./in-process.ts";

const silentLogger = { debug() {}, info() {}, warn() {}, error() {} };

function setUp() {
  const replica = new FakeReplica();
  const { admin, island, chat } = replica;
  const gateway = createInProcessGateway({
    ...{ replica, admin, island, chat, clock: testClock },
    logger: silentLogger as never,
  });
  return { replica, gateway };
}

async function enter({ gateway }: ReturnType<typeof setUp>) {
  const api = createClient(ChatService, gateway.transport);
  await api.register({ username: "ada", password: "correct horse" });
  const { token } = await api.logIn({ username: "ada", password: "correct horse" });
  const frames: ServerFrame[] = [];
  let ended = false;
  const session = gateway.openSession({
    send: (bytes) => frames.push(fromBinary(ServerFrameSchema, bytes)),
    queuedBytes: () => 0,
    end: () => {
      ended = true;
    },
  });
  const ask = (requestId: number, body: RequestBody) => {
    const frame = create(ClientFrameSchema, { requests: [{ requestId, body }] });
    session.receive(toBinary(ClientFrameSchema, frame));
  };
  const replies = () => frames.flatMap((frame) => frame.replies);
  ask(1, { case: "hello", value: { token, subscribe: true } });
  await expect.poll(() => replies().length).toBe(1);
  return { api, token, ask, replies, hasEnded: () => ended };
}

describe("a gateway that goes (R9)", () => {
  it("answers once what it has taken, even when the answer comes in the last moment", async () => {
    const world = setUp();
    const { replica, gateway } = world;
    const { api, token, ask, replies, hasEnded } = await enter(world);
    replica.holdsAnswers = true;
    ask(2, { case: "sendMessage", value: { room: byName("@ada"), body: "x" } });
    const headers = { authorization: `Bearer ${token}` };
    const call = api.createRoom({ name: "deck" }, { headers });
    const failed = expect(call).rejects.toMatchObject({ code: Code.Unavailable });
    await expect.poll(() => replica.proposals).toBe(4);
    gateway.drain();
    expect(hasEnded()).toBe(false);
    gateway.close();
    replica.answerHeld();
    await expect.poll(hasEnded).toBe(true);
    await failed;
    const answers = replies().filter(({ requestId }) => requestId === 2);
    expect(answers.map(({ body }) => body.value)).toMatchObject([
      { code: RejectionCode.UNAVAILABLE },
    ]);
  });

  it("begins with nothing new, but still tells of the cluster", async () => {
    const world = setUp();
    const { api } = await enter(world);
    world.gateway.drain();
    const failure = await api
      .logIn({ username: "ada", password: "correct horse" })
      .catch(ConnectError.from);
    expect((failure as ConnectError).code).toBe(Code.Unavailable);
    expect((await api.listServers({})).addresses).toHaveLength(2);
    const admin = createClient(AdminService, world.gateway.transport);
    expect((await admin.status({})).clusterName).toBe("test");
    world.gateway.close();
  });
});
