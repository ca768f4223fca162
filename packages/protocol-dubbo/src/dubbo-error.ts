/** What failed: `connect`: no byte was exchanged; `peer`: it answered with an error; `exception`: the service threw. */
export type DubboErrorKind = "connect" | "connection" | "protocol" | "timeout" | "peer" | "exception";

/** A call over the dubbo protocol that failed. */
export class DubboError extends Error {
  override readonly name = "DubboError";
  readonly kind: DubboErrorKind;

  constructor(message: string, kind: DubboErrorKind, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}
