import { Backoff, Reconciler, type Runtime, type Timer } from "@dubhe/concurrency";
import { addressOf, type EtcdEndpoint } from "./config.js";
import type { EtcdCounters } from "./counters.js";
import type { Endpoints } from "./endpoints.js";
import { EtcdLoginError, EtcdUnavailableError, toError } from "./errors.js";
import type { EtcdLink, EtcdTransport } from "./etcd-link.js";
import { withLimit } from "./with-limit.js";

export interface LinkKeeperOptions {
  readonly transport: EtcdTransport;
  readonly endpoints: Endpoints;
  readonly counters: EtcdCounters;
  /** Of connecting to one endpoint, before the next one is tried. */
  readonly connectMs: number;
  /** What a link must stand before it counts. Rejects: the next endpoint is tried. */
  check(link: EtcdLink, signal: AbortSignal): Promise<void>;
  onUp(link: EtcdLink): void;
  onDown(reason: Error): void;
}

/** A link that lived for less counts as a failed one for the pace of reconnecting. */
const STABLE_LINK_MS = 10_000;
const BACKOFF = { initialMs: 50, maxMs: 3_000 };

/**
 * Keeps one link to some endpoint, for ever: when it ends, the next endpoint is tried, all of them before the first pause.
 *
 *     connecting ─▶ up ─link ended─▶ connecting …
 *     any ─close─▶ closed
 */
export class LinkKeeper {
  readonly #runtime: Runtime;
  readonly #options: LinkKeeperOptions;
  readonly #reconciler: Reconciler<"link", number>;
  readonly #pace: Backoff;
  #link: EtcdLink | undefined;
  #error: Error | undefined;
  /** Where the last link went. */
  #left: EtcdEndpoint | undefined;
  #generation = 0;
  #timer: Timer | undefined;
  #closing: Promise<void> | undefined;

  constructor(runtime: Runtime, options: LinkKeeperOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.#pace = new Backoff(runtime.random, BACKOFF);
    this.#reconciler = new Reconciler<"link", number>(runtime, {
      backoff: BACKOFF,
      apply: (_key, wanted, { signal }) => (wanted === undefined ? this.#disconnect() : this.#connect(signal)),
      onError: (_key, error) => {
        this.#error = toError(error);
        this.#options.counters.connectFailures += 1;
      },
    });
  }

  get link(): EtcdLink | undefined {
    return this.#link;
  }

  /** Why there is no link, as far as somebody tried. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** One attempt, now: the first link, or the reason why there is none. */
  async open(signal: AbortSignal): Promise<EtcdLink> {
    const link = await this.#dial(signal);
    if (this.#closing !== undefined) {
      await link.close();
      throw new EtcdUnavailableError("closed");
    }
    this.#reconciler.want("link", this.#generation);
    this.#adopt(link);
    return link;
  }

  /** Without a first attempt of its own. */
  start(): void {
    this.#reconciler.want("link", this.#generation);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#timer?.cancel();
    await this.#reconciler.close({ boundMs: 0 });
    await this.#disconnect();
  }

  async #connect(signal: AbortSignal): Promise<void> {
    if (this.#link !== undefined) return;
    const link = await this.#dial(signal);
    if (signal.aborted || this.#closing !== undefined) return link.close();
    this.#adopt(link);
  }

  async #dial(signal: AbortSignal): Promise<EtcdLink> {
    const { transport, endpoints, check, connectMs } = this.#options;
    const failures: Error[] = [];
    const round = endpoints.round();
    const behind = (one: EtcdEndpoint): number => (one === this.#left ? 1 : 0);
    for (const endpoint of round.toSorted((a, b) => behind(a) - behind(b))) {
      signal.throwIfAborted();
      let link: EtcdLink | undefined;
      try {
        link = await withLimit(this.#runtime.clock, connectMs, signal, (s) => transport.connect(endpoint, s));
        await check(link, signal);
        endpoints.answered(endpoint);
        return link;
      } catch (error) {
        const cause = toError(error);
        link?.destroy(cause);
        failures.push(located(endpoint, cause));
      }
    }
    signal.throwIfAborted();
    const [first, ...others] = failures;
    if (first !== undefined && others.length === 0) throw first;
    const all = failures.map(({ message }) => message).join("; ");
    throw new EtcdUnavailableError(`no endpoint answers: ${all}`, { cause: failures.at(-1) });
  }

  #adopt(link: EtcdLink): void {
    const since = this.#runtime.clock.now();
    this.#link = link;
    this.#error = undefined;
    this.#options.counters.links += 1;
    void link.closed.then((reason) => this.#ended(link, since, reason));
    this.#options.onUp(link);
  }

  #ended(link: EtcdLink, since: number, reason: Error | undefined): void {
    if (this.#link !== link) return;
    this.#link = undefined;
    this.#left = link.endpoint;
    if (this.#closing !== undefined) return;
    this.#options.counters.linksLost += 1;
    this.#error = reason ?? new Error("the connection was closed");
    const { clock } = this.#runtime;
    const again = (): void => {
      this.#generation += 1;
      this.#reconciler.want("link", this.#generation);
    };
    if (clock.now() - since >= STABLE_LINK_MS) {
      this.#pace.reset();
      again();
    } else {
      this.#timer = clock.setTimeout(again, this.#pace.next());
    }
    this.#options.onDown(this.#error);
  }

  async #disconnect(): Promise<void> {
    const link = this.#link;
    this.#link = undefined;
    await link?.close();
  }
}

/** With the address, unless it says that already. */
function located(endpoint: EtcdEndpoint, error: Error): Error {
  const address = addressOf(endpoint);
  if (error instanceof EtcdLoginError || error.message.includes(address)) return error;
  return new EtcdUnavailableError(`${address}: ${error.message}`, { cause: error });
}
