import type { Watched } from "@dubhe/concurrency";
import type { HealthCheckResponse } from "../../gen/grpc/health/v1/health_pb.js";
import { Code } from "../code.js";
import { RpcError } from "../rpc-error.js";

export interface HealthSubject {
  readonly status: Watched<HealthCheckResponse>;
  /** Once, for each time it was taken. */
  release(): void;
}

const done: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * The answers of one Watch: the status now, then the newest whenever it differs from what was sent last. Nothing is kept for
 * a watcher that does not read: it gets the newest when it reads on.
 *
 *     fresh ──next()──▶ watching ──closed: throws, return()──▶ over
 *       └──────────────── return() ────────────────────────────▶ over
 */
export class HealthWatch implements AsyncIterableIterator<HealthCheckResponse> {
  readonly #take: () => HealthSubject;
  #subject: HealthSubject | undefined;
  #changes: AsyncIterableIterator<HealthCheckResponse> | undefined;
  #sent: HealthCheckResponse | undefined;
  #over = false;

  /** Takes its subject with the first `next()`: a response that an interceptor drops must not hold one. */
  constructor(take: () => HealthSubject) {
    this.#take = take;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<HealthCheckResponse, undefined>> {
    if (this.#over) return done;
    if (this.#changes === undefined) {
      this.#subject = this.#take();
      this.#changes = this.#subject.status.changes();
    }
    for (;;) {
      const change = await this.#changes.next();
      if (this.#over) return done;
      if (change.done) {
        this.#leave();
        // health.proto, Watch: a client retries after any end but UNIMPLEMENTED. The code is that of a server that leaves
        // (gRPC's doc/statuscodes.md).
        throw new RpcError("the server is shutting down", Code.Unavailable);
      }
      // There and back again between two deliveries is no change.
      if (change.value === this.#sent) continue;
      this.#sent = change.value;
      return { done: false, value: change.value };
    }
  }

  async return(): Promise<IteratorResult<HealthCheckResponse, undefined>> {
    this.#leave();
    await this.#changes?.return?.();
    return done;
  }

  #leave(): void {
    this.#over = true;
    const subject = this.#subject;
    this.#subject = undefined;
    subject?.release();
  }
}
