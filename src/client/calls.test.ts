// Unary calls: from server to server under one id, with refusals as RejectedError; and logging in
// and out by them.
import { Code, ConnectError, createRouterTransport, type ServiceImpl } from "@connectrpc/connect";
import { beforeEach, expect, test } from "vitest";
import { toHex } from "../base/bytes.ts";
import { ChatService, RejectedSchema, RejectionCode } from "../proto/gen/chat/v1/api_pb.js";
import { AdminService } from "../proto/gen/cluster/v1/admin_pb.js";
import { type Client, createClient } from "./client.ts";
import { RejectedError } from "./errors.ts";
import { FakeCluster } from "./fake-cluster.test-support.ts";
import { seededRandom } from "./manual-clock.test-support.ts";

type Answer = () => Record<string, unknown>;

let cluster: FakeCluster;
/** What each server answers; a server without an entry is down. */
let answers: Map<string, Partial<Record<"register" | "logIn" | "logOut" | "status", Answer>>>;
let asked: string[];

beforeEach(() => {
  cluster = new FakeCluster();
  answers = new Map();
  asked = [];
});

const [s1, s2, s3] = ["http://s1:4801", "http://s2:4801", "http://s3:4801"] as const;

function make(): Client {
  return createClient({
    addresses: [s1, s2, s3],
    connect: cluster.connect,
    clock: cluster.clock,
    random: seededRandom(1),
    deviceName: "desk",
    transport: (address) =>
      createRouterTransport(({ service }) => {
        const answer = (kind: "register" | "logIn" | "logOut" | "status", note: string) => {
          asked.push(`${address.slice(7, 9)} ${kind} ${note}`);
          const server = answers.get(address);
          if (server === undefined) throw new ConnectError("fetch failed", Code.Unavailable);
          return server[kind]?.() ?? {};
        };
        const chat: Partial<ServiceImpl<typeof ChatService>> = {
          register: (request) => answer("register", toHex(request.commandId)),
          logIn: ({ username, device, commandId }) =>
            answer("logIn", `${username} ${device} ${toHex(commandId)}`),
          logOut: ({ everywhere }, { requestHeader }) =>
            answer("logOut", `${requestHeader.get("authorization")} ${everywhere}`),
          listServers: () => ({ addresses: [s1, s2, s3, "http://s4:4801"] }),
        };
        service(ChatService, chat);
        service(AdminService, { status: () => answer("status", "") });
      }),
  });
}

function refusing(code: RejectionCode, connect: Code, retryAfterMs = 0): Answer {
  return () => {
    const value = { code, message: "no", retryAfterMs };
    throw new ConnectError("no", connect, undefined, [{ desc: RejectedSchema, value }]);
  };
}

const ada = { userId: 1, username: "ada", displayName: "Ada" };
const bob = { userId: 2, username: "bob", displayName: "" };
const credentials = { username: "ada", password: "correct horse" };

/** The answer, while time passes. */
async function over<T>(ms: number, promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  await cluster.run(ms);
  return promise;
}

test("K1: a call goes to the next server under the same command id when one is down", async () => {
  answers.set(s3, { register: () => ({ person: ada }) });
  expect(await over(0, make().register(credentials))).toMatchObject(ada);
  expect(asked.map((line) => line.slice(0, 2))).toEqual(["s1", "s2", "s3"]);
  expect(new Set(asked.map((line) => line.slice(3))).size).toBe(1);
});

test("a refusal is an error with its code, and no other server is asked", async () => {
  const refuse = refusing(RejectionCode.NAME_TAKEN, Code.AlreadyExists);
  for (const address of [s1, s2, s3]) answers.set(address, { register: refuse });
  const refused = over(0, make().register(credentials));
  await expect(refused).rejects.toBeInstanceOf(RejectedError);
  await expect(refused).rejects.toMatchObject({ code: "NAME_TAKEN", message: "no" });
  expect(asked.length).toBe(1);
});

test("a server without a majority is left for one that has it", async () => {
  answers.set(s1, { logIn: refusing(RejectionCode.UNAVAILABLE, Code.Unavailable, 200) });
  answers.set(s2, { logIn: () => ({ person: ada, token: "token-ada" }) });
  const client = make();
  expect((await over(0, client.logIn(credentials))).token).toBe("token-ada");
  expect(asked.map((line) => line.slice(0, 17))).toEqual([
    "s1 logIn ada desk",
    "s2 logIn ada desk",
  ]);
  expect(client.token).toBe("token-ada");
});

test("when no server answers, the caller hears of it within half a minute", async () => {
  const refused = over(30_000, make().register(credentials));
  await expect(refused).rejects.toMatchObject({ code: "UNAVAILABLE" });
  expect(asked.length).toBeGreaterThan(6);
  expect(asked.length).toBeLessThan(30);
});

test.each([
  [Code.Unauthenticated, "UNAUTHENTICATED"],
  [Code.InvalidArgument, "INVALID_ARGUMENT"],
  [Code.PermissionDenied, "NOT_A_MEMBER"],
])("a refusal without detail is told by Connect's code %s", async (code, name) => {
  answers.set(s1, {
    register: () => {
      throw new ConnectError("no", code);
    },
  });
  await expect(over(0, make().register(credentials))).rejects.toMatchObject({ code: name });
});

test("logging in gives the session its token; logging out ends both", async () => {
  for (const address of [s1, s2, s3]) {
    answers.set(address, { logIn: () => ({ person: ada, token: "token-ada" }) });
  }
  const client = make();
  await over(0, client.logIn(credentials));
  client.start();
  const connected = await over(0, client.ready());
  expect(connected.person.username).toBe("ada");
  await over(0, client.logOut({ everywhere: true }));
  expect(asked.at(-1)).toBe("s1 logOut Bearer token-ada true");
  expect(client.token).toBeUndefined();
  expect(client.store.getState().connection.kind).toBe("stopped");
  await expect(client.logOut()).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
});

test("S7: what one person left unsent is not sent as the next one, nor shown to them", async () => {
  let person = ada;
  for (const address of [s1, s2, s3]) {
    answers.set(address, { logIn: () => ({ person, token: `token-${person.username}` }) });
  }
  const client = make();
  await over(0, client.logIn(credentials));
  client.start();
  await over(0, client.createRoom("general"));
  await over(0, client.openRoom("general"));
  for (const server of cluster.servers) cluster.kill(server);
  const sent = client.send({ room: "general", body: "ada's own" });
  const refused = expect(sent).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
  person = bob;
  await over(100, client.logIn({ ...credentials, username: "bob" }));
  await refused;
  for (const server of cluster.servers) server.mode = "up";
  await cluster.run(10_000);
  expect(cluster.bodiesOf(1)).toEqual([]);
  const { pending, timelines, person: shown } = client.store.getState();
  expect([pending.length, timelines.size, shown?.username]).toEqual([0, 0, "bob"]);
  const hellos = cluster.requests.flatMap(({ request: { body } }) =>
    body.case === "hello" ? [`${body.value.token} ${body.value.cursor.length}`] : [],
  );
  expect(hellos.at(-1)).toBe("token-bob 0");
  await client.stop();
});

test("status asks any server, or the one that is named", async () => {
  answers.set(s2, { status: () => ({ clusterName: "two", answeredBy: 2 }) });
  const client = make();
  expect((await over(0, client.status())).clusterName).toBe("two");
  expect((await over(0, client.status(s2))).answeredBy).toBe(2);
  await expect(over(0, client.status(s3))).rejects.toMatchObject({ code: "UNAVAILABLE" });
});

test("servers tells the addresses of all", async () => {
  expect(await over(0, make().servers())).toEqual([s1, s2, s3, "http://s4:4801"]);
});
