// A real chat state on a simulated database, for tests that hold it against the rules: applies
// commands and tells so as a server of a cluster would. Holds no expectations of its own.
import { Random } from "../../base/random.ts";
import { type Chat, openChat } from "../../chat/index.ts";
import type { Command } from "../../proto/gen/chat/v1/command_pb.js";
import type { CommittedEntry } from "../../replica/index.ts";
import type { FinalServer } from "../checker.ts";
import type { ClusterEvent } from "../cluster-event.ts";
import { ProcessLife } from "../process-life.ts";
import { MachineDate, SimClock } from "../sim-clock.ts";
import { SimDatabase } from "../sim-database.ts";
import { VirtualTime } from "../virtual-time.ts";
import { appliedBy, encode } from "./cluster-events.test-support.ts";

export const passwordHash = "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g";

/** What a command is made of; a number that differs each time where no id is given. */
export type Wanted = readonly [
  body: Command["body"],
  sender?: { readonly id?: number; readonly userId?: number; readonly sessionId?: number },
];

/** A body by its case and the fields of its message. */
export function body(name: NonNullable<Command["body"]["case"]>, value: object): Command["body"] {
  return { case: name, value } as Command["body"];
}

/** One server's chat. */
export class ChatRig {
  readonly database: SimDatabase;
  readonly #chat: Chat;
  #lastId = 0;

  constructor() {
    const time = new VirtualTime();
    this.database = new SimDatabase({ time, random: new Random(1) });
    const life = new ProcessLife(time);
    this.#chat = openChat(
      this.database.openLife(new SimClock({ time, life, date: new MachineDate(time) })),
    );
  }

  get nextIndex(): number {
    return this.#chat.appliedIndex() + 1;
  }

  /** Applies entries in one call. */
  applyEntries(...entries: readonly CommittedEntry[]): ClusterEvent {
    return appliedBy(1, entries, this.#chat.apply(entries));
  }

  /** Applies commands as one entry. */
  apply(...wanted: readonly Wanted[]): ClusterEvent {
    const commands = wanted.map(([content, sender]) => {
      this.#lastId += 1;
      return encode(content, { id: this.#lastId, ...sender });
    });
    const index = this.nextIndex;
    return this.applyEntries({ index, timestampMs: 1_000 + index, commands });
  }

  final(server = 1): FinalServer {
    return {
      server,
      appliedIndex: this.#chat.appliedIndex(),
      stateDigest: this.database.digest(),
      rows: (sql) => this.database.rows(sql),
    };
  }
}

/** Who ada and bob are once `chatter` has begun: user, session and own room have equal numbers. */
export const ada = { userId: 1, sessionId: 1 };
export const bob = { userId: 2, sessionId: 2 };

/** Ada and bob register, log in, meet in room 3, write, part, and ada logs out. */
export function chatter(rig: ChatRig): ClusterEvent[] {
  const room = { roomId: 3 };
  return [
    rig.apply([body("initializeCluster", { tokenKey: new Uint8Array(32).fill(7) })]),
    rig.applyEntries({ index: rig.nextIndex, timestampMs: 0, commands: [] }),
    rig.apply(
      [body("registerUser", { username: "Ada", passwordHash })],
      [body("registerUser", { username: "bob", displayName: "Bob", passwordHash })],
    ),
    rig.apply(
      [body("openSession", { userId: 1, passwordHash, device: "phone" })],
      [body("openSession", { userId: 2, passwordHash })],
    ),
    rig.apply([body("createRoom", { name: "ops" }), ada], [body("joinRoom", room), bob]),
    rig.apply(
      [body("sendMessage", { ...room, body: "hello" }), { ...ada, id: 77 }],
      [body("sendMessage", { ...room, body: "hello" }), { ...ada, id: 77 }],
      [body("sendMessage", { ...room, body: "" }), bob],
    ),
    rig.apply([body("leaveRoom", room), bob], [body("sendMessage", { ...room, body: "x" }), bob]),
    rig.apply([body("closeSession", { sessionId: 0 }), ada]),
  ];
}
