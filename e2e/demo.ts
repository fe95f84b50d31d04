// `npm run demo`: three servers, six clients spread over them, 2,000 messages at 200 a second, and
// the leader killed with kill -9 three times and restarted. Prints what became of every message;
// the last line is JSON.
import { startCluster } from "./cluster.ts";
import { judgeServers } from "./judge.ts";
import { Load, openClients, sendAtRate } from "./load.ts";

const total = 2_000;
const perSecond = 200;
const clientCount = 6;
const killsAt = [450, 950, 1_450];
const room = "demo";

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

const cluster = await startCluster();
try {
  say(`three servers are up: ${cluster.addresses.join(", ")}`);
  const clients = await openClients({ addresses: cluster.addresses, count: clientCount, room });
  say(`${clientCount} clients write ${total} messages at ${perSecond} a second`);
  const load = new Load(room);
  const kills: Promise<void>[] = [];
  const killLeader = async (): Promise<void> => {
    const leader = await cluster.findLeader();
    if (leader === 0) throw new Error("no server leads");
    const before = performance.now();
    await cluster.kill(leader);
    const next = await cluster.waitLeader();
    const tookMs = Math.round(performance.now() - before);
    say(`killed the leader, server ${leader}; server ${next} leads, seen after ${tookMs} ms`);
    await cluster.restart(leader);
    say(`server ${leader} is back`);
  };
  await sendAtRate(load, {
    clients,
    total,
    perSecond,
    onSent: (count) => {
      if (killsAt.includes(count)) kills.push(killLeader());
    },
  });
  await Promise.all(kills);
  const result = await load.finish();
  const verdict = await judgeServers({
    addresses: cluster.addresses,
    token: clients[0]?.token ?? "",
    room,
    acked: result.acked,
  });
  await Promise.all(clients.map((client) => client.stop()));
  const longestPauseMs = Math.round(result.longestPauseMs);
  say(`messages acknowledged:             ${verdict.acked} of ${total}`);
  say(`lost:                              ${verdict.lost}`);
  say(`doubled:                           ${verdict.doubled}`);
  say(`order differences between servers: ${verdict.differences}`);
  say(`longest pause seen by a sender:    ${longestPauseMs} ms`);
  for (const failure of result.failed) say(`not acknowledged: ${failure}`);
  const good =
    verdict.acked === total && verdict.lost + verdict.doubled + verdict.differences === 0;
  process.exitCode = good ? 0 : 1;
  say(JSON.stringify({ ...verdict, longestPauseMs }));
} finally {
  await cluster.close();
}
