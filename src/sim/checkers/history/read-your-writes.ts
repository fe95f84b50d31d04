// After a client's own write was acknowledged, everything that the client reads has it, from
// whatever server, in this room and any other. Other clients of the same person keep their own
// account: the SDK asks for the newest position that it has seen itself (src/client/README.md,
// invariant 6).
import type { HistoryChecker } from "../../history.ts";
import { modelOf, type Violate, violationOf } from "./history-model.ts";
import { answerOf, describeOperation } from "./operations.ts";
import { listSightings, SightingTrack } from "./real-time.ts";
import { checkKnowledge, noteRoom } from "./session-guarantees.ts";

const name = "read-your-writes";
const violate: Violate = violationOf(name);

/** A client sees what it has written. */
export const readYourWrites: HistoryChecker = {
  name,
  check(history) {
    const model = modelOf(history);
    const tracks = new Map<string, SightingTrack>();
    listSightings(model, {
      written: (client, sighting) => {
        const track = tracks.get(client) ?? new SightingTrack();
        tracks.set(client, track);
        track.add(sighting);
      },
      seen: () => {},
    });
    const rooms = new Map<string, Map<number, number>>();
    for (const operation of model.operations) {
      const { client, returnNs } = operation;
      const made = answerOf(operation, "createRoom") ?? answerOf(operation, "joinRoom");
      if (made === undefined || returnNs === null) continue;
      noteRoom(rooms, client, { roomId: made.room.roomId, atNs: returnNs });
      // The answer itself is a read after the write.
      const least = model.rooms.get(made.room.roomId)?.countAt(made.position) ?? 0;
      if (made.room.lastNumber >= least) continue;
      violate(
        `${describeOperation(operation)} was answered with the room after item ` +
          `${made.room.lastNumber}, but stands at position ${made.position}, after item ${least}`,
      );
    }
    checkKnowledge(model, { violate, tracks, rooms });
  },
};
