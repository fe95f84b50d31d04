// Why a server could not start: something for the operator, never a bug.

/** Its message is one whole sentence for people, printed as it is, without a stack. */
export class StartError extends Error {
  override name = "StartError";
}

/** The cluster has removed this server: to start it again with this folder is useless. */
export class RemovedError extends StartError {
  override name = "RemovedError";
}
