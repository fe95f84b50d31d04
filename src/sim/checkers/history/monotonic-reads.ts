// What a client was given once, by a delivery or a read, all its later reads have, from whatever
// server, in this room and any other: no journey back in time. A live timeline may lag behind
// reads: it is fed by the stream, which subscriptions.ts judges.
import type { HistoryChecker } from "../../history.ts";
import { modelOf, type Violate, violationOf } from "./history-model.ts";
import { describeOperation, roomsTold } from "./operations.ts";
import { listSightings, type Sighting, SightingTrack } from "./real-time.ts";
import { checkKnowledge, noteRoom } from "./session-guarantees.ts";

const name = "monotonic-reads";
const violate: Violate = violationOf(name);

/** A client's reads never go back. */
export const monotonicReads: HistoryChecker = {
  name,
  check(history) {
    const model = modelOf(history);
    const tracks = new Map<string, SightingTrack>();
    const add = (client: string, sighting: Sighting) => {
      const track = tracks.get(client) ?? new SightingTrack();
      tracks.set(client, track);
      track.add(sighting);
    };
    listSightings(model, { written: () => {}, seen: add });
    const rooms = new Map<string, Map<number, number>>();
    for (const record of model.history) {
      if (record.kind === "delivery") {
        noteRoom(rooms, record.client, { roomId: record.item.roomId, atNs: record.atNs });
      }
      if (record.kind !== "operation" || record.returnNs === null) continue;
      const { client, returnNs: atNs } = record;
      for (const { roomId, lastNumber } of roomsTold(record)) {
        noteRoom(rooms, client, { roomId, atNs });
        // Told the room's last number, the client knows of that item's position.
        const item = model.rooms.get(roomId)?.item(lastNumber);
        if (item === undefined) continue;
        add(client, { atNs, position: item.position, describe: () => describeOperation(record) });
      }
    }
    checkKnowledge(model, { violate, tracks, rooms });
  },
};
