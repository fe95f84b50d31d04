// What stands between a simulated server's island side and the world: its log, its links and what
// it tells its gateway are passed on, and told to the checkers as they happen. Changes nothing.
import type { Transport } from "../io/transport.ts";
import type { IslandService, ReplicaFolder } from "../replica/index.ts";
import type { ClusterEventBody } from "./cluster-event.ts";
import type { ProcessLife } from "./process-life.ts";

type Tell = (body: ClusterEventBody) => void;

type IslandLogPort = Omit<ReplicaFolder["islandLog"], "close">;

/** The island log of a process that has just opened it. */
export function tellingIslandLog(log: IslandLogPort, tell: Tell): IslandLogPort {
  tell({ kind: "islandRecovered", items: [...log.items()] });
  return {
    items: () => log.items(),
    append: (items, done) =>
      log.append(items, (error) => {
        if (error === undefined) tell({ kind: "islandDurable", items });
        done(error);
      }),
    erase: () => {
      log.erase();
      tell({ kind: "islandErased" });
    },
    bytes: () => log.bytes(),
  };
}

/** A transport whose connections are told. */
export function tellingTransport(transport: Transport, tell: Tell): Transport {
  return {
    start: (handler) =>
      transport.start({
        hello: () => handler.hello(),
        handleHello: (hello) => handler.handleHello(hello),
        handleConnected: (peer) => {
          tell({ kind: "peerConnected", peer });
          handler.handleConnected(peer);
        },
        handleDisconnected: (peer, reason) => {
          tell({ kind: "peerDisconnected", peer });
          handler.handleDisconnected(peer, reason);
        },
        handleFrame: (peer, frame) => handler.handleFrame(peer, frame),
        handleRefused: (peer, reason) => handler.handleRefused(peer, reason),
      }),
    setPeers: (peers) => transport.setPeers(peers),
    send: (peer, frame) => transport.send(peer, frame),
    disconnect: (peer, reason) => transport.disconnect(peer, reason),
    close: () => transport.close(),
  };
}

/** Tells when the island of a process opens, has another size, and closes. */
export function tellIslandMode(island: IslandService, life: ProcessLife, tell: Tell): void {
  island.subscribeIsland((change) => {
    if (change.kind === "held" || !life.alive) return;
    const open = change.kind === "opened";
    tell({ kind: "islandMode", open, servers: open ? change.servers : 0 });
  });
}
