// The door of the test fixtures. For tests, benchmarks and the simulator; production code imports
// nothing from here.
export {
  type CommandArguments,
  type DatadrivenCommand,
  type DatadrivenHandler,
  listDatadriven,
  runDatadriven,
} from "./datadriven.ts";
export { eventually } from "./eventually.ts";
export { createTemporaryFolder, type TemporaryFolder } from "./temporary-folder.ts";
