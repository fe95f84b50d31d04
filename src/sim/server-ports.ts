// What stands between a simulated server's replica and its stores, its state machine and its
// gateway: each call is passed on, and told to the checkers as it happens. Changes nothing.
import { toHex64 } from "../base/bytes.ts";
import type { Chat, ChatEvent, ChatOutcome } from "../chat/index.ts";
import type { ChatReplica } from "../gateways/index.ts";
import type { Observer } from "../raft/index.ts";
import type {
  Replica,
  ReplicaFolder,
  ReplicaIdentity,
  ReplicaLog,
  ReplicaObserver,
  ReplicaVotes,
  SnapshotFolder,
  StateMachine,
} from "../replica/index.ts";
import type { ClusterEventBody } from "./cluster-event.ts";
import { forbidden } from "./globals.ts";
import type { ProcessLife } from "./process-life.ts";

type Tell = (body: ClusterEventBody) => void;

/** What an identity says that checkers look at. */
export function identityFacts(identity: ReplicaIdentity) {
  const { birthNonce, joinedIndex, abstains, formed, logEpoch } = identity;
  const isFormed = formed !== undefined;
  return { birth: toHex64(birthNonce), joinedIndex, abstains, isFormed, logEpoch };
}

/** The log, with what is appended, durable and cut. */
export function tellingLog({ log }: ReplicaFolder, tell: Tell): ReplicaLog {
  return {
    firstIndex: () => log.firstIndex(),
    lastIndex: () => log.lastIndex(),
    term: (index) => log.term(index),
    entries: (start, end, bytesMax) => log.entries(start, end, bytesMax),
    bytes: () => log.bytes(),
    base: () => log.base(),
    compact: (base, done) => {
      tell({ kind: "compacted", index: base.index });
      log.compact(base, done);
    },
    append: (entries, done) => {
      if (entries.length > 0) tell({ kind: "appended", entries });
      log.append(entries, (error) => {
        const index = log.durableIndex();
        if (error === undefined) tell({ kind: "logDurable", index });
        done(error);
      });
    },
  };
}

/** The vote, told once it is durable. */
export function tellingVotes({ votes }: ReplicaFolder, tell: Tell): ReplicaVotes {
  return {
    load: () => votes.current(),
    save: (hardState) => {
      votes.save(hardState);
      tell({ kind: "hardStateSaved", hardState });
    },
  };
}

/** The snapshots, with each that is taken or fetched. */
export function tellingSnapshots({ snapshots }: ReplicaFolder, tell: Tell): SnapshotFolder {
  return {
    copyName: snapshots.copyName,
    newest: () => snapshots.newest(),
    complete: (facts) => {
      snapshots.complete(facts);
      tell({ kind: "snapshotTaken", ...facts });
    },
    open: (index) => snapshots.open(index),
    incoming: (facts) => {
      const file = snapshots.incoming(facts);
      tell({ kind: "snapshotFetched", ...facts });
      return file;
    },
    clearIncoming: () => snapshots.clearIncoming(),
    remove: (index) => snapshots.remove(index),
    markReady: () => snapshots.markReady(),
  };
}

/** The chat, with what each command came to. */
export function tellingStateMachine(chat: Chat, tell: Tell): StateMachine<ChatOutcome, ChatEvent> {
  return {
    appliedIndex: () => chat.appliedIndex(),
    judgeHeld: (command) => forbidden(() => chat.judgeHeld(command)),
    isHoldable: (command) => chat.isHoldable(command),
    heldKey: (command) => chat.heldKey(command),
    isMerged: (command) => chat.isMerged(command),
    mergeCommand: (held) => chat.mergeCommand(held),
    apply: (entries) => {
      const applied = forbidden(() => chat.apply(entries));
      tell({ kind: "applied", entries, applied });
      return applied;
    },
  };
}

/** What hears the core. */
export function tellingObserver(besides: Observer | undefined, tell: Tell): ReplicaObserver {
  return {
    ...besides,
    roleChanged: (change) => {
      const { role, hardState, leader } = change;
      tell({ kind: "roleChanged", role, hardState, leader });
      besides?.roleChanged?.(change);
    },
    messageLeft: (message) => tell({ kind: "messageSent", message }),
    messageReceived: (message) => {
      tell({ kind: "messageReceived", message });
      besides?.messageReceived?.(message);
    },
    committed: (change) => {
      tell({ kind: "committed", commitIndex: change.commitIndex });
      besides?.committed?.(change);
    },
  };
}

/** The replica as the gateway sees it, with each promise told as it is given. */
export function tellingReplica(
  replica: Replica<ChatOutcome, ChatEvent>,
  life: ProcessLife,
  world: { readonly tell: Tell; readonly nextReadId: () => number },
): ChatReplica {
  const { tell } = world;
  return {
    propose: (command, done) =>
      replica.propose(command, (answer) => {
        if (!life.alive) return;
        if (answer.kind === "applied") {
          const { outcome, position, disks } = answer;
          tell({ kind: "answered", command, outcome, position, disks });
        } else if (answer.kind === "held") {
          tell({ kind: "heldAnswered", command, disks: answer.disks });
        } else if (answer.kind === "notHeld") {
          tell({ kind: "notHeldAnswered", command, outcome: answer.outcome });
        }
        done(answer);
      }),
    waitForPosition: (wait, done) =>
      replica.waitForPosition(wait, (answer) => {
        if (life.alive) done(answer);
      }),
    waitForRead: (wait, done) => {
      const readId = world.nextReadId();
      tell({ kind: "readAsked", readId });
      replica.waitForRead(wait, (answer) => {
        if (!life.alive) return;
        const reached = answer.kind === "reached";
        const position = replica.appliedPosition();
        tell({ kind: "readAnswered", readId, reached, position });
        done(answer);
      });
    },
    appliedPosition: () => replica.appliedPosition(),
    subscribe: (listener) => replica.subscribe(listener),
    readiness: () => replica.readiness(),
    status: () => replica.status(),
    clientAddresses: () => replica.clientAddresses(),
    replicaId: () => replica.replicaId(),
    clusterId: () => replica.clusterId(),
  };
}
