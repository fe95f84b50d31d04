// The door of the supervisor.

export type { ProcessPlan, ProcessWatcher } from "./supervised-process.ts";
export { Supervisor } from "./supervisor.ts";
