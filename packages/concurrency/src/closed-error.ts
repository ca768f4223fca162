/** What somebody waited for cannot come any more, because its owner was closed. */
export class ClosedError extends Error {
  override readonly name = "ClosedError";

  /** `what` was closed: "SingleFlight", "registry nacos://…". */
  constructor(what: string, options?: ErrorOptions) {
    super(`${what} is closed`, options);
  }
}
