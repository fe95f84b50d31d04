// The door of the simulator, for the end-to-end tests: the workload, the history that it writes and
// those who judge it are the same against simulated and against real servers.

export { SafetyViolation } from "./checker.ts";
export { historyCheckers } from "./checkers/history/index.ts";
export type {
  ConnectedRecord,
  DeliveryRecord,
  FinalTimelineRecord,
  HistoryChecker,
  HistoryRecord,
  OperationName,
  OperationRecord,
  ReloadedRecord,
} from "./history.ts";
export {
  drawWorkload,
  historyLine,
  readFinalTimelines,
  Workload,
  type WorkloadOptions,
  type WorkloadWorld,
} from "./workload.ts";
