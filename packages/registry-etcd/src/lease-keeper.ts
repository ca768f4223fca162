import { type Runtime, rejected, type Timer, Waiter } from "@dubhe/concurrency";
import { Code, RpcError } from "@dubhe/rpc";
import type { LeaseKeepAliveResponse } from "../gen/etcd_rpc_pb.js";
import type { EtcdCounters } from "./counters.js";
import type { Endpoints } from "./endpoints.js";
import { EtcdUnavailableError, toError } from "./errors.js";
import type { EtcdClient } from "./etcd-client.js";
import type { EtcdLink, EtcdTransport, RequestStream } from "./etcd-link.js";
import { LinkKeeper } from "./link-keeper.js";
import { isTokenReason } from "./login.js";

export interface LeaseKeeperOptions {
  readonly transport: EtcdTransport;
  readonly endpoints: Endpoints;
  readonly counters: EtcdCounters;
  readonly ttlMs: number;
  /** Of one call, and of connecting. */
  readonly timeoutMs: number;
  /** Called once; everything on the lease is gone, or will be soon. `certain`: the server says so. */
  onLost(reason: Error, certain: boolean): void;
}

interface KeepAliveStream {
  readonly link: EtcdLink;
  readonly token: string | undefined;
  readonly requests: RequestStream<{ ID: bigint }>;
}

/** What is shared ends at its deadline, or with the client. */
const NEVER: AbortSignal = new AbortController().signal;

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
  /** Of leases that were dropped, while their connections close. */
  readonly #closing = new Set<Promise<void>>();
  #id: bigint | undefined;
  #granting: Promise<bigint> | undefined;
  #state: "none" | "alive" | "lost" | "closed" = "none";
  #ttlMs: number;
  /** By `Clock.now()`: until then the server keeps it, whatever happens between us. */
  #expiresAt = 0;
  #stream: KeepAliveStream | undefined;
  /** The token of the stream that was refused last. */
  #refused: string | undefined;
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

  /** The lease; granted when the first one asks. Who leaves leaves alone: the others get it all the same. */
  grant(signal: AbortSignal): Promise<bigint> {
    if (signal.aborted) return rejected(signal.reason);
    if (this.#id !== undefined) return Promise.resolve(this.#id);
    if (this.#state !== "none") return rejected(new EtcdUnavailableError("the lease is gone"));
    this.#granting ??= this.#grant().finally(() => {
      this.#granting = undefined;
    });
    const waiter = new Waiter<bigint>(signal, () => undefined);
    this.#granting.then(
      (id) => waiter.resolve(id),
      (error: unknown) => waiter.reject(error),
    );
    return waiter.promise;
  }

  /** The lease, also one that is just being granted: whoever wants to end it must know it. */
  async last(signal: AbortSignal): Promise<bigint | undefined> {
    if (this.#granting === undefined) return this.#id;
    const waiter = new Waiter<void>(signal, () => undefined);
    const end = (): void => waiter.resolve();
    this.#granting.then(end, end);
    await waiter.promise.catch(() => undefined);
    return this.#id;
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
    const closing = this.#links.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
    this.#links = this.#newLinks();
    return id;
  }

  /** Stops keeping it alive; does not revoke it. */
  async close(): Promise<void> {
    this.#state = this.#state === "lost" ? "lost" : "closed";
    this.#stop();
    await Promise.all([this.#links.close(), ...this.#closing]);
  }

  #newLinks(): LinkKeeper {
    const { transport, endpoints, counters, ttlMs, timeoutMs } = this.#options;
    return new LinkKeeper(this.#runtime, {
      transport,
      endpoints,
      counters,
      // One that is dead must not take the time that the lease has left.
      connectMs: Math.min(timeoutMs, ttlMs / 4),
      check: () => Promise.resolve(),
      onUp: (link) => void this.#up(link),
      onDown: (reason) => this.#down(reason),
    });
  }

  async #grant(): Promise<bigint> {
    const { clock } = this.#runtime;
    const sentAt = clock.now();
    const seconds = BigInt(Math.ceil(this.#options.ttlMs / 1_000));
    const answer = await this.#client.callNow(
      (link, settings) => link.leaseGrant({ TTL: seconds }, settings),
      NEVER,
      "grant a lease",
    );
    if (this.#state !== "none") throw new EtcdUnavailableError("the session with etcd is closed");
    this.#options.counters.leasesGranted += 1;
    this.#id = answer.ID;
    this.#state = "alive";
    this.#alive(sentAt, answer.TTL);
    this.#links.start();
    return answer.ID;
  }

  #alive(sentAt: number, seconds: bigint): void {
    this.#ttlMs = Number(seconds) * 1_000;
    this.#expiresAt = Math.max(this.#expiresAt, sentAt + this.#ttlMs);
    this.#armExpiry();
  }

  #armExpiry(): void {
    const { clock } = this.#runtime;
    this.#expiryTimer?.cancel();
    // After a long stall timers fire before the answer that lies in the socket is read: so a turn later.
    this.#expiryTimer = clock.setTimeout(() => {
      this.#expiryTimer = clock.nextTurn(() => {
        // A timer may be early by a part of a millisecond.
        if (this.remainingMs > 0) return this.#armExpiry();
        const why = this.#links.error === undefined ? "" : `: ${this.#links.error.message}`;
        this.#lose(new EtcdUnavailableError(`the lease got no keepalive through for ${this.#ttlMs} ms${why}`), false);
      });
    }, this.remainingMs);
  }

  async #up(link: EtcdLink): Promise<void> {
    try {
      // Newer servers look at the token of this stream, too.
      if (this.#refused !== undefined) await this.#client.renewToken(link, this.#refused, NEVER);
      this.#refused = undefined;
      const token = await this.#client.token(link, NEVER);
      if (this.#state !== "alive" || this.#links.link !== link) return;
      this.#stream = this.#open(link, token);
      this.#send(this.#stream);
    } catch (error) {
      link.destroy(toError(error));
    }
  }

  #open(link: EtcdLink, token: string | undefined): KeepAliveStream {
    return { link, token, requests: link.keepAlive((response) => this.#answered(link, response), token) };
  }

  #down(reason: Error): void {
    if (isTokenReason(reason.message)) this.#refused = this.#stream?.token;
    this.#stream = undefined;
    this.#sentAt = undefined;
    this.#sendTimer?.cancel();
    this.#answerTimer?.cancel();
  }

  /** The next one, on a stream with the token of now. Never rejects. */
  async #next(): Promise<void> {
    const stream = this.#stream;
    if (stream === undefined) return;
    try {
      const token = await this.#client.token(stream.link, NEVER);
      if (this.#stream !== stream) return;
      if (token !== stream.token) {
        this.#stream = this.#open(stream.link, token);
        stream.requests.end();
      }
      this.#send(this.#stream);
    } catch (error) {
      stream.link.destroy(toError(error));
    }
  }

  #send(stream: KeepAliveStream): void {
    const { clock } = this.#runtime;
    if (this.#id === undefined) return;
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
      () => void this.#next(),
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
