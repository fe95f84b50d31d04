// Refuses misspelt HOLDFAST_ variables for every command, also for those that no setting of a
// server concerns.
import { CommandFailure } from "./exit.ts";

/** Variables that commands read themselves; `server` knows them too. */
const ownNames = [
  "HOLDFAST_CONFIG",
  "HOLDFAST_SERVERS",
  "HOLDFAST_SESSION",
  "HOLDFAST_PASSWORD",
  "HOLDFAST_BASE_PORT",
  "HOLDFAST_OPERATOR_TOKEN",
];

/**
 * Throws a CommandFailure for the first variable that nobody knows. Loads the list of settings only
 * if it must.
 */
export async function refuseUnknownEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const others = Object.keys(environment).filter(
    (name) => name.startsWith("HOLDFAST_") && !ownNames.includes(name),
  );
  if (others.length === 0) return;
  const { refuseUnknownVariables } = await import("../server/index.ts");
  const refusal = refuseUnknownVariables(others);
  if (refusal !== undefined) throw new CommandFailure(refusal.error);
}
