import type { Clock } from "@dubhe/concurrency";
import { toError } from "./errors.js";
import { RequestType, readStatus } from "./messages.js";
import { pause } from "./pause.js";
import type { Link } from "./transport.js";

/** As the Go client: a silent session is probed every 5 s and given up when a probe is not answered. */
const HEALTH_CHECK_MS = 5_000;
const HEALTH_TIMEOUT_MS = 3_000;
/** A second, quick probe: a main thread that stood still makes the first one late, not the server dead. */
const SECOND_PROBE_MS = 1_000;

/** Finds out when the server of a link does not answer any more, and then destroys the link. */
export class HealthWatch {
  readonly #clock: Clock;
  readonly #link: Link;
  readonly #probing: () => Readonly<Record<string, string>>;
  #lastActiveAt: number;

  /** `probing` is called before each probe, and gives its application headers. */
  constructor(clock: Clock, link: Link, probing: () => Readonly<Record<string, string>>) {
    this.#clock = clock;
    this.#link = link;
    this.#probing = probing;
    this.#lastActiveAt = clock.now();
  }

  /** The server said something. */
  touch(): void {
    this.#lastActiveAt = this.#clock.now();
  }

  /** Until `lost` fires. Never rejects. */
  async run(lost: AbortSignal): Promise<void> {
    let failures = 0;
    while (!lost.aborted) {
      const idleMs = this.#clock.now() - this.#lastActiveAt;
      if (failures === 0 && idleMs < HEALTH_CHECK_MS) {
        await pause(this.#clock, Math.max(1, HEALTH_CHECK_MS - idleMs), lost);
        continue;
      }
      const problem = await this.#probe(failures === 0 ? HEALTH_TIMEOUT_MS : SECOND_PROBE_MS, lost);
      if (problem === undefined) {
        failures = 0;
        this.touch();
      } else if (++failures === 2) {
        this.#link.destroy(new Error(`the server does not answer health checks (${problem})`));
        return;
      }
    }
  }

  async #probe(timeoutMs: number, signal: AbortSignal): Promise<string | undefined> {
    try {
      const options = { headers: this.#probing(), timeoutMs, signal };
      const { body } = await this.#link.request(RequestType.healthCheck, { module: "internal" }, options);
      const status = readStatus(body);
      return status.success ? undefined : `it answered ${status.message || status.errorCode}`;
    } catch (error) {
      return toError(error).message;
    }
  }
}
