// Writes the operator's token into the data folder, readable by its owner alone: whoever may read
// that folder may administer the cluster. Not here: what the token is (gateways).
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { operatorToken } from "../gateways/index.ts";
import type { Clock, Timer } from "../io/clock.ts";
import type { Logger } from "./logger.ts";

/** The file's name in a data folder. */
export const operatorTokenFileName = "operator-token";

const pollMs = 100;

/**
 * Writes it as soon as the cluster has the key that it is made from. Answers how to give that up. A
 * failure is logged: the server does not need the file.
 */
export function writeOperatorToken(
  folder: string,
  options: {
    readonly clock: Clock;
    readonly logger: Logger;
    readonly tokenKey: () => Uint8Array | undefined;
  },
): () => void {
  const { clock, logger, tokenKey } = options;
  let timer: Timer | undefined;
  const look = (): void => {
    const key = tokenKey();
    if (key === undefined) {
      timer = clock.setTimer(pollMs, look);
      return;
    }
    try {
      writeOnce(join(folder, operatorTokenFileName), `${operatorToken(key)}\n`);
    } catch (error) {
      logger.warn({ problem: (error as Error).message }, "the operator token cannot be written");
    }
  };
  look();
  return () => timer?.cancel();
}

function writeOnce(path: string, text: string): void {
  if (readText(path) !== text) writeFileSync(path, text, { mode: 0o600 });
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
