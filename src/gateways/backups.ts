// Backups as streams: takes a checkpoint and hands the snapshot on as its caller takes it. Holds
// the snapshot open no longer than somebody is there and takes pieces. What the bytes mean is
// backup-file.ts's matter.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { RejectionCode } from "../proto/gen/chat/v1/api_pb.js";
import type { BackupChunkSchema } from "../proto/gen/cluster/v1/admin_pb.js";
import type { SnapshotReader } from "../replica/index.ts";
import { unavailable } from "./admin.ts";
import { type BackupHeader, writeBackup } from "./backup-file.ts";
import { type Departure, leavingRefusal } from "./departure.ts";
import { isRefusal, type Refusal, refuse, toConnectError } from "./errors.ts";
import type { GatewayContext } from "./gateway-context.ts";
import { notFormed } from "./operators.ts";

/** One call's side of a backup. */
export interface BackupCall {
  /** Aborts when the call is over, whoever ended it. */
  readonly signal: AbortSignal;
  /** Cuts the call without ceremony. */
  destroy(): void;
}

/** Serves backups. */
export class BackupDesk {
  readonly #context: GatewayContext;
  readonly #departure: Departure;
  #running = 0;

  constructor(context: GatewayContext, departure: Departure) {
    this.#context = context;
    this.#departure = departure;
  }

  /** Streams one backup. Refusals are thrown as Connect errors. */
  async *stream(call: BackupCall): AsyncGenerator<MessageInitShape<typeof BackupChunkSchema>> {
    const { backupsMax, retryAfterMs } = this.#context.limits;
    if (this.#running >= backupsMax) {
      throw toConnectError(
        refuse(
          RejectionCode.OVERLOADED,
          `${backupsMax} backups are being taken from this server. Try again when one is done.`,
          retryAfterMs * 10,
        ),
      );
    }
    this.#running += 1;
    const watch = new Watch(this.#context, this.#departure, call, () => {
      this.#running -= 1;
    });
    try {
      yield* this.#pieces(watch);
    } finally {
      watch.close();
    }
  }

  async *#pieces(watch: Watch): AsyncGenerator<MessageInitShape<typeof BackupChunkSchema>> {
    const { clock, admin } = this.#context;
    const snapshot = await this.#takeCheckpoint(watch);
    if (isRefusal(snapshot)) throw toConnectError(snapshot);
    const facts = admin.clusterFacts();
    if (facts === undefined) throw toConnectError(notFormed(this.#context));
    const { clusterId, clusterName } = facts;
    const { index, term, configuration, size, digest } = snapshot;
    const clusterTimeMs = Math.floor(admin.clusterTimeMs());
    const header: BackupHeader = {
      ...{ clusterId, clusterName, index, term },
      ...{ configuration, clusterTimeMs, size, digest },
    };
    for (const bytes of writeBackup(header, (at, length) => snapshot.read(at, length))) {
      watch.expectTaking();
      yield { bytes };
      watch.taken();
      // Everything else that waits has its turn before the next piece is read.
      await new Promise<void>((resolve) => clock.setSoon(resolve));
      if (watch.ending !== undefined) throw toConnectError(watch.ending);
    }
  }

  /** The snapshot, which `watch` closes; never before the replica has answered. */
  #takeCheckpoint(watch: Watch): Promise<SnapshotReader | Refusal> {
    return new Promise((resolve) => {
      if (watch.ending !== undefined) {
        resolve(watch.ending);
        return;
      }
      watch.onEnding = resolve;
      this.#context.admin.takeCheckpoint((answer) => {
        if (answer.kind === "unavailable") {
          resolve(unavailable(this.#context, answer.message));
        } else {
          watch.hold(answer.snapshot);
          resolve(watch.ending ?? answer.snapshot);
        }
      });
    });
  }
}

/**
 * Lets go of everything as soon as nobody is there to take it. The stream itself may never learn of
 * that: connect-es waits for ever for a write to an HTTP/1.1 caller that is gone.
 */
class Watch {
  /** Why the backup ends before its end. */
  ending: Refusal | undefined;
  onEnding: (ending: Refusal) => void = () => {};
  readonly #context: GatewayContext;
  readonly #call: BackupCall;
  readonly #stopListening: () => void;
  readonly #release: () => void;
  #snapshot: SnapshotReader | undefined;
  #isClosed = false;
  #cancelStall: () => void = () => {};

  constructor(
    context: GatewayContext,
    departure: Departure,
    call: BackupCall,
    release: () => void,
  ) {
    this.#context = context;
    this.#call = call;
    this.#release = release;
    const handleDrain = () => this.#end(leavingRefusal(context.limits.retryAfterMs));
    const handleAbort = () => this.#end(unavailable(context, "The caller is gone."));
    const stopDrain = departure.onDrain(handleDrain);
    call.signal.addEventListener("abort", handleAbort);
    this.#stopListening = () => {
      stopDrain();
      call.signal.removeEventListener("abort", handleAbort);
    };
    if (call.signal.aborted) handleAbort();
    else if (departure.isDraining) handleDrain();
  }

  hold(snapshot: SnapshotReader): void {
    if (this.#isClosed) snapshot.close();
    else this.#snapshot = snapshot;
  }

  /** A piece is on its way: who does not take it in time is cut off. */
  expectTaking(): void {
    const { clock, limits } = this.#context;
    const timer = clock.setTimer(limits.backupStallMs, () => this.#call.destroy());
    this.#cancelStall = () => timer.cancel();
  }

  taken(): void {
    this.#cancelStall();
  }

  /** Harmless a second time. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelStall();
    this.#stopListening();
    this.#snapshot?.close();
    this.#snapshot = undefined;
    this.#release();
  }

  #end(ending: Refusal): void {
    if (this.#isClosed) return;
    this.ending = ending;
    this.close();
    this.onEnding(ending);
  }
}
