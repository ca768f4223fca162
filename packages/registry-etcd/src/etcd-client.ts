import { offAbort, onAbort, type Runtime, type Timer } from "@dubhe/concurrency";
import { Code, RpcError } from "@dubhe/rpc";
import type { ResponseHeader } from "../gen/etcd_rpc_pb.js";
import { addressOf } from "./config.js";
import type { EtcdCounters } from "./counters.js";
import type { Endpoints } from "./endpoints.js";
import { EtcdUnavailableError, toError } from "./errors.js";
import type { CallSettings, EtcdLink, EtcdTransport } from "./etcd-link.js";
import { bytesOf } from "./keys.js";
import { Limiter } from "./limiter.js";
import { LinkKeeper } from "./link-keeper.js";
import { isTokenError, type Login } from "./login.js";
import { readable, refusal } from "./refusals.js";

export interface EtcdClientOptions {
  readonly transport: EtcdTransport;
  readonly endpoints: Endpoints;
  readonly counters: EtcdCounters;
  readonly login: Login | undefined;
  /** Of one call. */
  readonly timeoutMs: number;
  /** Without any server for so long, `onLost`. */
  readonly ttlMs: number;
  /** A link that was checked: everything of the old one is to be made again on it. */
  onUp(link: EtcdLink): void;
  onDown(reason: Error): void;
  /** Called once; the client then is of no use. */
  onLost(reason: Error): void;
}

/** Calls under way at a time: an etcd server takes them one by one, and thousands at once only make each other late. */
const CONCURRENCY = 64;
const MAX_PROBE_MS = 5_000;

/**
 * Calls to whichever member answers, over one link at a time that is replaced when it breaks or falls silent. No call is
 * repeated here, but for one whose token the server does not know any more: that one was not executed.
 */
export class EtcdClient {
  readonly #runtime: Runtime;
  readonly #options: EtcdClientOptions;
  readonly #keeper: LinkKeeper;
  readonly #limiter: Limiter = new Limiter(CONCURRENCY);
  readonly #probeMs: number;
  readonly #closed: AbortController = new AbortController();
  readonly #waiting = new Set<() => void>();
  /** When a server said something last, by `Clock.now()`. */
  #contactAt: number;
  #probeTimer: Timer | undefined;
  #lossTimer: Timer | undefined;
  #probing: EtcdLink | undefined;
  #clusterId = 0n;
  #raftTerm = 0n;
  /** The newest revision that any answer told. */
  #revision = 0n;

  constructor(runtime: Runtime, options: EtcdClientOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.#probeMs = Math.min(MAX_PROBE_MS, options.ttlMs / 3);
    this.#contactAt = runtime.clock.now();
    this.#keeper = new LinkKeeper(runtime, {
      connectMs: options.timeoutMs,
      transport: options.transport,
      endpoints: options.endpoints,
      counters: options.counters,
      check: (link, signal) => this.#check(link, signal),
      onUp: (link) => this.#up(link),
      onDown: (reason) => this.#down(reason),
    });
  }

  get link(): EtcdLink | undefined {
    return this.#keeper.link;
  }

  get waiting(): number {
    return this.#limiter.waiting;
  }

  /** One attempt to reach some endpoint; after its success the client keeps itself connected. */
  async open(signal: AbortSignal): Promise<void> {
    await this.#keeper.open(signal);
    this.#scheduleProbe();
  }

  /** A call in line with the others. Waits for a link, but no longer than for an answer. `what` it does, for errors: "read /a/b". */
  call<T extends { readonly header?: ResponseHeader | undefined }>(
    fn: (link: EtcdLink, settings: CallSettings) => Promise<T>,
    signal: AbortSignal,
    what: string,
  ): Promise<T> {
    return this.#limiter.run(() => this.callNow(fn, signal, what), signal);
  }

  /** A call past the line: what keeps the session alive, or ends it. */
  async callNow<T extends { readonly header?: ResponseHeader | undefined }>(
    fn: (link: EtcdLink, settings: CallSettings) => Promise<T>,
    signal: AbortSignal,
    what: string,
  ): Promise<T> {
    return this.#callOn(this.link ?? (await this.#nextLink(signal)), fn, signal, what);
  }

  /** The token for a stream that is about to be opened. */
  async token(link: EtcdLink, signal: AbortSignal): Promise<string | undefined> {
    const { login } = this.#options;
    if (login?.due === true) await this.#login(login, link, signal);
    return login?.token;
  }

  /** The token of now. */
  get currentToken(): string | undefined {
    return this.#options.login?.token;
  }

  /** What a refusal of a stream is to those who read it. */
  explain(reason: string, link: EtcdLink, what: string): Error {
    return refusal(reason, { link, what, user: this.#options.login?.username });
  }

  /** A stream says that its token counts no more: another one, unless there is another one already. */
  async renewToken(link: EtcdLink, stale: string | undefined, signal: AbortSignal): Promise<void> {
    const { login } = this.#options;
    if (login !== undefined) await this.#login(login, link, signal, stale);
  }

  /** A server said something: on the link of the calls, or another one's. */
  heard(header: ResponseHeader | undefined, where: "here" | "elsewhere" = "here"): void {
    if (where === "here") this.#contactAt = this.#runtime.clock.now();
    if (header !== undefined && header.revision > this.#revision) this.#revision = header.revision;
  }

  async close(): Promise<void> {
    this.#probeTimer?.cancel();
    this.#lossTimer?.cancel();
    this.#closed.abort(new EtcdUnavailableError("the session with etcd is closed"));
    await this.#keeper.close();
  }

  async #callOn<T extends { readonly header?: ResponseHeader | undefined }>(
    link: EtcdLink,
    fn: (link: EtcdLink, settings: CallSettings) => Promise<T>,
    signal: AbortSignal,
    what: string,
  ): Promise<T> {
    const { counters } = this.#options;
    for (let renewed = false; ; renewed = true) {
      const token = await this.token(link, signal);
      counters.requests += 1;
      try {
        const answer = await fn(link, { signal, token });
        this.heard(answer.header);
        return answer;
      } catch (error) {
        counters.failedRequests += 1;
        if (fromPeer(error)) this.heard(undefined);
        else if (error instanceof RpcError && error.code === Code.DeadlineExceeded) void this.#probe(link);
        if (renewed || this.#options.login === undefined || !isTokenError(error))
          throw readable(error, { link, what, user: this.#options.login?.username });
        await this.#login(this.#options.login, link, signal, token);
      }
    }
  }

  async #login(
    login: Login,
    link: EtcdLink,
    signal: AbortSignal,
    stale: string | undefined = login.token,
  ): Promise<void> {
    const before = login.logins;
    await login.renew(link, stale, signal);
    this.#options.counters.logins += login.logins - before;
  }

  /** That it answers, has a leader, and knows what we know: a server that was set up anew, or from an old copy, does not. */
  async #check(link: EtcdLink, signal: AbortSignal): Promise<void> {
    // Not what the keepalives on their own connection tell meanwhile: the answer may be older than that.
    const known = this.#revision;
    const answer = await this.#ask(link, { serializable: false }, signal);
    const { header } = answer ?? {};
    if (header !== undefined) {
      const why = this.#otherHistory(header, known);
      if (why !== undefined) this.#lose(new Error(`${addressOf(link.endpoint)} has another history: ${why}`));
      this.#clusterId = header.clusterId;
      this.#raftTerm = header.raftTerm;
    }
    this.heard(header);
  }

  /** Undefined: it answered, that we may not read this. Then a login is missing or may less than is needed; calls will tell. */
  async #ask(
    link: EtcdLink,
    { serializable }: { readonly serializable: boolean },
    signal: AbortSignal,
  ): Promise<{ readonly header?: ResponseHeader | undefined } | undefined> {
    for (let renewed = false; ; renewed = true) {
      const token = await this.token(link, signal);
      try {
        return await link.range(
          { key: PROBE_KEY, limit: 1n, countOnly: true, serializable },
          { signal, token, timeoutMs: this.#options.timeoutMs },
        );
      } catch (error) {
        if (!renewed && this.#options.login !== undefined && isTokenError(error)) {
          await this.#login(this.#options.login, link, signal, token);
          continue;
        }
        if (error instanceof RpcError && error.source === "peer" && error.code === Code.PermissionDenied)
          return undefined;
        throw readable(error, { link, what: "look whether it is alive", user: this.#options.login?.username });
      }
    }
  }

  /** Of one cluster, terms and revisions only grow, and this read was not allowed to be old. */
  #otherHistory({ clusterId, raftTerm, revision }: ResponseHeader, known: bigint): string | undefined {
    if (this.#clusterId !== 0n && clusterId !== this.#clusterId) return "it is another cluster";
    if (raftTerm < this.#raftTerm) return `it is in term ${raftTerm}, after ${this.#raftTerm}`;
    if (revision < known) return `it is at revision ${revision}, after ${known}`;
    return undefined;
  }

  #up(link: EtcdLink): void {
    this.#lossTimer?.cancel();
    for (const wake of [...this.#waiting]) wake();
    this.#options.onUp(link);
  }

  #down(reason: Error): void {
    this.#options.onDown(reason);
    const { clock } = this.#runtime;
    const { ttlMs } = this.#options;
    const left = Math.max(0, this.#contactAt + ttlMs - clock.now());
    this.#lossTimer?.cancel();
    this.#lossTimer = clock.setTimeout(() => {
      const why = this.#keeper.error ?? reason;
      this.#lose(new EtcdUnavailableError(`no etcd server for ${ttlMs} ms: ${why.message}`, { cause: why }));
    }, left);
  }

  #lose(reason: Error): void {
    if (this.#closed.signal.aborted) return;
    this.#options.onLost(reason);
  }

  #scheduleProbe(): void {
    const { clock, random } = this.#runtime;
    const { link } = this;
    const silentMs = clock.now() - this.#contactAt;
    const due = silentMs >= this.#probeMs * 0.75;
    if (link !== undefined && due) void this.#probe(link);
    // Counted from what was heard last, so that silence is never longer than a period before it is noticed.
    const waitMs = this.#probeMs * (0.8 + 0.2 * random.next()) - (due ? 0 : silentMs);
    this.#probeTimer = clock.setTimeout(() => this.#scheduleProbe(), waitMs);
  }

  /** A silent server may be frozen, or cut off, with the connection standing: one that does not answer is left. Never rejects. */
  async #probe(link: EtcdLink): Promise<void> {
    if (this.#probing === link || this.#closed.signal.aborted) return;
    this.#probing = link;
    this.#options.counters.probes += 1;
    try {
      const answer = await this.#ask(link, { serializable: true }, this.#closed.signal);
      this.heard(answer?.header);
    } catch (error) {
      if (fromPeer(toError(error).cause ?? error)) this.heard(undefined);
      else if (!this.#closed.signal.aborted)
        link.destroy(new EtcdUnavailableError(`${toError(error).message} (to a probe)`, { cause: error }));
    } finally {
      if (this.#probing === link) this.#probing = undefined;
    }
  }

  #nextLink(signal: AbortSignal): Promise<EtcdLink> {
    const { clock } = this.#runtime;
    const closed = this.#closed.signal;
    return new Promise((resolve, reject) => {
      if (signal.aborted || closed.aborted) return reject((signal.aborted ? signal : closed).reason);
      const end = (): void => {
        this.#waiting.delete(wake);
        timer.cancel();
        offAbort(signal, fail);
        offAbort(closed, fail);
      };
      const wake = (): void => {
        const { link } = this;
        if (link === undefined) return;
        end();
        resolve(link);
      };
      const fail = (): void => {
        end();
        reject((signal.aborted ? signal : closed).reason);
      };
      const timer = clock.setTimeout(() => {
        end();
        const cause = this.#keeper.error;
        reject(new EtcdUnavailableError(`no etcd server answers: ${cause?.message ?? "connecting"}`, { cause }));
      }, this.#options.timeoutMs);
      this.#waiting.add(wake);
      onAbort(signal, fail);
      onAbort(closed, fail);
    });
  }
}

/** Outside of nothing that we write: whoever may use this registry may read it. */
const PROBE_KEY = bytesOf("/services/");

function fromPeer(error: unknown): boolean {
  return error instanceof RpcError && error.source === "peer" && error.code !== Code.Unavailable;
}
