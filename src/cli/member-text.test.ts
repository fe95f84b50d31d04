// Members as text, and what is made of what operators type.
import { expect, test } from "vitest";
import { parseSeconds } from "./member.ts";
import { parseReplicaId, unlessDone } from "./member-changes.ts";
import { joinCommandLine, membersTable } from "./member-text.ts";

function server(replicaId: number, host: string, membership = 1) {
  const clientAddress = `http://${host}:${4800 + replicaId}`;
  const peerAddress = `${host}:${4900 + replicaId}`;
  return { replicaId, clientAddress, peerAddress, membership, connected: true, lag: 0n };
}

test("R2: members have a line each, with what they are members as", () => {
  const gone = { ...server(2, "10.0.0.2", 3), connected: false };
  const lines = membersTable([server(1, "10.0.0.1"), gone]).split("\n");
  expect(lines.map((line) => line.trim().split(/ {2,}/))).toEqual([
    ["id", "clients reach it at", "servers reach it at", "member as", "lag", "connected"],
    ["1", "http://10.0.0.1:4801", "10.0.0.1:4901", "voter", "0", "yes"],
    ["2", "http://10.0.0.2:4802", "10.0.0.2:4902", "reader", "-", "no"],
  ]);
});

test("R2: the command line for a new machine names all members", () => {
  const servers = [server(1, "10.0.0.1"), server(2, "10.0.0.2")];
  expect(joinCommandLine({ token: "hfjoin_x", clusterName: "ours", servers })).toBe(
    "./holdfast join --to 10.0.0.1:4801,10.0.0.2:4802 --token hfjoin_x \\\n" +
      "    --cluster-name ours --client-host 0.0.0.0 \\\n" +
      "    --client-address http://<its address>:4801 --peer-host 0.0.0.0 --peer-port 4901 \\\n" +
      "    --data /var/lib/holdfast",
  );
});

test("R2: on one machine it can be run as it is, with the next ports and folder", () => {
  const servers = [server(1, "127.0.0.1"), server(3, "localhost"), server(2, "[::1]")];
  expect(joinCommandLine({ token: "hfjoin_x", clusterName: "ours", servers })).toBe(
    "./holdfast join --to 127.0.0.1:4801,localhost:4803,[::1]:4802 --token hfjoin_x \\\n" +
      "    --cluster-name ours --client-port 4804 --peer-port 4904 --data data/4",
  );
});

test.each([
  ["90s", 90],
  ["90", 90],
  ["30m", 1_800],
  ["2h", 7_200],
  ["30d", 2_592_000],
])("--valid-for %s is %i seconds", (text, seconds) => {
  expect(parseSeconds(text)).toBe(seconds);
});

test.each(["", "0", "31d", "1.5h", "-1s", "1w", "h"])("--valid-for %j is refused", (text) => {
  expect(() => parseSeconds(text)).toThrow("--valid-for takes 1s to 30d");
});

test.each(["", "0", "1.5", "x", "2147483648"])("%j is no server's id", (text) => {
  expect(() => parseReplicaId(text)).toThrow("is not the id of a server");
});

test("R9: a change whose answer was lost counts as done where it is there", async () => {
  const lost = Promise.reject(new Error("that is no member"));
  await unlessDone(lost, () => Promise.resolve(true));
  const refused = () => Promise.reject(new Error("no majority"));
  await expect(unlessDone(refused(), () => Promise.resolve(false))).rejects.toThrow("no majority");
  const unknown = () => Promise.reject(new Error("unreachable"));
  await expect(unlessDone(refused(), unknown)).rejects.toThrow("no majority");
});
