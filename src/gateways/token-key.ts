// Gives a new cluster the key that signs its session tokens: whoever leads proposes one; the state
// machine takes the first and ignores the rest. Decides nothing else.
import { create, toBinary } from "@bufbuild/protobuf";
import { tokenKeyBytes } from "../chat/index.ts";
import type { Clock, Timer } from "../io/clock.ts";
import { CommandSchema } from "../proto/gen/chat/v1/command_pb.js";

/** How often a server looks whether it is on it to give a new cluster its token key, in ms. */
const initializeRetryMs = 50;

/** What is needed of replica and chat. */
export interface TokenKeyOptions {
  readonly clock: Clock;
  readonly leads: () => boolean;
  readonly hasTokenKey: () => boolean;
  /** Proposes and calls back once, whatever became of it. */
  readonly propose: (command: Uint8Array, done: () => void) => void;
  readonly randomBytes: (length: number) => Uint8Array;
}

/** Looks again and again until the cluster has a key. Answers how to stop looking. */
export function ensureTokenKey(options: TokenKeyOptions): () => void {
  const { clock, leads, hasTokenKey, propose, randomBytes } = options;
  let timer: Timer | undefined;
  let isStopped = false;
  const look = (): void => {
    if (isStopped || hasTokenKey()) return;
    if (!leads()) {
      lookAgain();
      return;
    }
    const command = create(CommandSchema, {
      id: randomBytes(16),
      userId: 0,
      sessionId: 0,
      body: { case: "initializeCluster", value: { tokenKey: randomBytes(tokenKeyBytes) } },
    });
    propose(toBinary(CommandSchema, command), lookAgain);
  };
  const lookAgain = (): void => {
    if (!isStopped) timer = clock.setTimer(initializeRetryMs, look);
  };
  look();
  return () => {
    isStopped = true;
    timer?.cancel();
  };
}
