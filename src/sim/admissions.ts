// How a new machine comes to be a member, as src/server/join.ts and src/gateways/joining.ts do it:
// asks a server that runs to have it taken in, and hands on what a newcomer has to know. Not here:
// its folder (server.ts), and who is to join (fault-kinds/member-faults.ts).
import type { Random } from "../base/random.ts";
import type { ReplicaIdentity } from "../replica/index.ts";
import { drawOne } from "./chance.ts";
import type { ServerId } from "./cluster-event.ts";
import { clientAddressOf, peerAddressOf } from "./network-addresses.ts";
import type { SimServer } from "./server.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What a newcomer is told when it was taken in; see src/server/join.ts. */
export interface Admission {
  readonly joinedIndex: number;
  readonly formed: NonNullable<ReplicaIdentity["formed"]>;
  readonly contacts: ReplicaIdentity["contacts"];
}

/** Asks the cluster to take a folder in; calls back once. Undefined: it must be asked again. */
export type AskToJoin = (
  own: ReplicaIdentity,
  done: (admission: Admission | undefined) => void,
) => void;

/** A server that dies while it is asked never answers. */
const patienceMs = 15_000;

/** Brings newcomers to the members. */
export class Admissions {
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #upServers: () => readonly SimServer[];

  constructor(world: {
    readonly time: VirtualTime;
    readonly random: Random;
    readonly upServers: () => readonly SimServer[];
  }) {
    this.#time = world.time;
    this.#random = world.random;
    this.#upServers = world.upServers;
  }

  /** What this machine asks with. */
  askFor(server: ServerId, { reader }: { readonly reader: boolean }): AskToJoin {
    return (own, done) => {
      let isOver = false;
      const finish: typeof done = (admission) => {
        if (!isOver) done(admission);
        isOver = true;
      };
      this.#time.at(patienceMs, () => finish(undefined));
      const candidates = this.#upServers().filter(({ id }) => id !== server);
      const admin = drawOne(this.#random, candidates)?.replica?.admin;
      const member = {
        replicaId: server,
        birthNonce: own.birthNonce,
        peerAddress: peerAddressOf(server),
        clientAddress: clientAddressOf(server),
        // A token of its own for each folder.
        tokenNonce: own.birthNonce,
        reader,
        away: false,
      };
      if (admin === undefined) return;
      admin.changeMembers({ kind: "add", member }, (answer) => {
        const facts = answer.kind === "done" ? admin.clusterFacts() : undefined;
        if (answer.kind !== "done" || facts === undefined) {
          finish(undefined);
          return;
        }
        const { clusterId, founders, members } = facts;
        const others = members.filter(({ replicaId }) => replicaId !== server);
        const contacts = [...others, member];
        finish({ joinedIndex: answer.index, formed: { clusterId, founders }, contacts });
      });
    };
  }
}
