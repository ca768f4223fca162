import type { Runtime, Timer } from "@dubhe/concurrency";
import { Code, RpcError } from "@dubhe/rpc";
import type { LeaseKeepAliveResponse } from "../gen/etcd_rpc_pb.js";
import type { EtcdCounters } from "./counters.js";
import type { Endpoints } from "./endpoints.js";
import { EtcdUnavailableError } from "./errors.js";
import type { EtcdClient } from "./etcd-client.js";
import type { EtcdLink, EtcdTransport, RequestStream } from "./etcd-link.js";
import { LinkKeeper } from "./link-keeper.js";

export interface LeaseKeeperOptions {
  readonly transport: EtcdTransport;
  readonly endpoints: Endpoints;
  readonly counters: EtcdCounters;
  readonly ttlMs: number;
  /** Called once; everything on the lease is gone, or will be soon. `certain`: the server says so. */
  onLost(reason: Error, certain: boolean): void;
}

/**
 * The lease of a session, granted when the first key wants it. Its keepalives have a connection of their own: on the one that
 * carries the calls they would stand behind every burst of them.
 *
 *     none ─grant()─▶ granting ─▶ alive ─keepalive answered─▶ alive
 *     granting ─failed─▶ none
 *     alive ─no answer for its time to live, or the server knows it no more─▶ lost
 *     alive ─drop()─▶ none
 *     any ─close()─▶ closed
 */
export class LeaseKeeper {
  readonly #runtime: Runtime;
  readonly #client: EtcdClient;
  readonly #options: LeaseKeeperOptions;
  #links: LinkKeeper;
  #id: bigint | undefined;
  #granting: Promise<bigint> | undefined;
  #state: "none" | "alive" | "lost" | "closed" = "none";
  #ttlMs: number;
  /** By `Clock.now()`: until then the server keeps it, whatever happens between us. */
  #expiresAt = 0;
  #stream: { readonly link: EtcdLink; readonly requests: RequestStream<{ ID: bigint }> } | undefined;
  /** When the keepalive was sent that is not answered yet. */
  #sentAt: number | undefined;
  #sendTimer: Timer | undefined;
  #answerTimer: Timer | undefined;
  #expiryTimer: Timer | undefined;

  constructor(runtime: Runtime, client: EtcdClient, options: LeaseKeeperOptions) {
    this.#runtime = runtime;
    this.#client = client;
    this.#options = options;
    this.#ttlMs = options.ttlMs;
    this.#links = this.#newLinks();
  }

  /** Undefined before it was wanted, and when it is not wanted any more. */
  get id(): bigint | undefined {
    return this.#id;
  }

  /** Milliseconds that the server will keep it for certain. */
  get remainingMs(): number {
    return Math.max(0, this.#expiresAt - this.#runtime.clock.now());
  }

  /** The lease; granted by the first who asks. */
  grant(signal: AbortSignal): Promise<bigint> {
    if (this.#id !== undefined) return Promise.resolve(this.#id);
    if (this.#state !== "none") return Promise.reject(new EtcdUnavailableError("the lease is gone"));
    this.#granting ??= this.#grant(signal).finally(() => {
      this.#granting = undefined;
    });
    return this.#granting;
  }

  /** The server said elsewhere that it is not there. */
  gone(why: string): void {
    this.#lose(new Error(why), true);
  }

  /** It is not wanted now: its connection is closed. Returns it, to be revoked; undefined when there is none. */
  drop(): bigint | undefined {
    if (this.#state !== "alive") return undefined;
    const id = this.#id;
    this.#stop();
    this.#id = undefined;
    this.#sentAt = undefined;
    this.#expiresAt = 0;
    this.#state = "none";
    void this.#links.close();
    this.#links = this.#newLinks();
    return id;
  }

  /** Stops keeping it alive; does not revoke it. */
  async close(): Promise<void> {
    this.#state = this.#state === "lost" ? "lost" : "closed";
    this.#stop();
    await this.#links.close();
  }

  #newLinks(): LinkKeeper {
    const { transport, endpoints, counters } = this.#options;
    return new LinkKeeper(this.#runtime, {
      transport,
      endpoints,
      counters,
      check: () => Promise.resolve(),
      onUp: (link) => void this.#up(link),
      onDown: () => this.#down(),
    });
  }

  async #grant(signal: AbortSignal): Promise<bigint> {
    const { clock } = this.#runtime;
    const sentAt = clock.now();
    const seconds = BigInt(Math.ceil(this.#options.ttlMs / 1_000));
    const answer = await this.#client.callNow((link, settings) => link.leaseGrant({ TTL: seconds }, settings), signal);
    if (this.#state !== "none") throw new EtcdUnavailableError("the session with etcd is closed");
    this.#options.counters.leasesGranted += 1;
    this.#id = answer.ID;
    this.#state = "alive";
    this.#alive(sentAt, answer.TTL);
    this.#links.start();
    return answer.ID;
  }

  #alive(sentAt: number, seconds: bigint): void {
    const { clock } = this.#runtime;
    this.#ttlMs = Number(seconds) * 1_000;
    this.#expiresAt = Math.max(this.#expiresAt, sentAt + this.#ttlMs);
    this.#expiryTimer?.cancel();
    // After a long stall timers fire before the answer that lies in the socket is read: so a turn later.
    this.#expiryTimer = clock.setTimeout(() => {
      this.#expiryTimer = clock.nextTurn(() => {
        if (this.remainingMs > 0) return;
        const why = this.#links.error === undefined ? "" : `: ${this.#links.error.message}`;
        this.#lose(new EtcdUnavailableError(`the lease got no keepalive through for ${this.#ttlMs} ms${why}`), false);
      });
    }, this.#expiresAt - clock.now());
  }

  async #up(link: EtcdLink): Promise<void> {
    try {
      const token = await this.#client.token(link, new AbortController().signal);
      if (this.#state !== "alive" || this.#links.link !== link) return;
      this.#stream = { link, requests: link.keepAlive((response) => this.#answered(link, response), token) };
      this.#send();
    } catch (error) {
      link.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #down(): void {
    this.#stream = undefined;
    this.#sentAt = undefined;
    this.#sendTimer?.cancel();
    this.#answerTimer?.cancel();
  }

  #send(): void {
    const { clock } = this.#runtime;
    const stream = this.#stream;
    if (stream === undefined || this.#id === undefined) return;
    const patience = this.#ttlMs / 4;
    this.#sentAt = clock.now();
    stream.requests.send({ ID: this.#id });
    this.#answerTimer = clock.setTimeout(() => {
      this.#answerTimer = clock.nextTurn(() => {
        stream.link.destroy(new EtcdUnavailableError(`no answer to a keepalive within ${patience} ms`));
      });
    }, patience);
  }

  #answered(link: EtcdLink, { header, ID, TTL }: LeaseKeepAliveResponse): void {
    const sentAt = this.#sentAt;
    if (this.#stream?.link !== link || sentAt === undefined || ID !== this.#id) return;
    this.#client.heard(header, "elsewhere");
    this.#answerTimer?.cancel();
    this.#sentAt = undefined;
    this.#options.counters.keepalives += 1;
    if (TTL <= 0n)
      return this.#lose(new Error("the lease has ended: it has expired, or somebody has revoked it"), true);
    this.#alive(sentAt, TTL);
    this.#sendTimer = this.#runtime.clock.setTimeout(
      () => this.#send(),
      (this.#ttlMs / 4) * (0.9 + 0.2 * this.#runtime.random.next()),
    );
  }

  #lose(reason: Error, certain: boolean): void {
    if (this.#state !== "alive") return;
    this.#state = "lost";
    this.#stop();
    this.#options.onLost(reason, certain);
  }

  #stop(): void {
    this.#stream = undefined;
    this.#sendTimer?.cancel();
    this.#answerTimer?.cancel();
    this.#expiryTimer?.cancel();
  }
}

/** The server does not know the lease. */
export function isLeaseGone(error: unknown): boolean {
  return (
    error instanceof RpcError &&
    error.source === "peer" &&
    error.code === Code.NotFound &&
    /lease not found/.test(error.rawMessage)
  );
}
