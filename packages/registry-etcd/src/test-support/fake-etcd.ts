import { create } from "@bufbuild/protobuf";
import { offAbort, onAbort, type Random, type Runtime } from "@dubhe/concurrency";
import { Code, RpcError } from "@dubhe/rpc";
import {
  AuthenticateResponseSchema,
  DeleteRangeRequestSchema,
  DeleteRangeResponseSchema,
  type Event,
  LeaseGrantResponseSchema,
  type LeaseKeepAliveResponse,
  LeaseKeepAliveResponseSchema,
  LeaseRevokeResponseSchema,
  LeaseTimeToLiveResponseSchema,
  PutResponseSchema,
  RangeRequestSchema,
  TxnRequestSchema,
  type WatchCreateRequest,
  type WatchRequest,
  WatchRequestSchema,
  type WatchResponse,
  WatchResponseSchema,
} from "../../gen/etcd_rpc_pb.js";
import { addressOf, type EtcdEndpoint } from "../config.js";
import type { CallSettings, EtcdLink, EtcdTransport, Init, RequestStream } from "../etcd-link.js";
import { FakeStore, failure, inRange, latin } from "./fake-store.js";

type Unary = keyof Omit<EtcdLink, "endpoint" | "closed" | "watch" | "keepAlive" | "close" | "destroy">;

/**
 * What happens to a call: it fails before the server acts, or its answer is lost after that, or the server acts late, whether or not
 * anybody still waits: as a member does that was given up with the request in its buffers.
 */
export type FakeFault = Error | "lose-answer" | { readonly lateMs: number } | undefined;

/**
 * A cluster of etcd members over one store, reached through memory: for tests in virtual time. Messages take 1..5 ms, members can
 * be down or frozen, calls can fail.
 */
export class FakeEtcd implements EtcdTransport {
  readonly store: FakeStore;
  readonly links = new Set<FakeLink>();
  readonly runtime: Runtime;
  readonly random: Random;
  /** Events of one answer; more come in fragments. */
  fragmentEvents = 100;
  /** name → password; none = no login is wanted. */
  users = new Map<string, string>();
  tokens = new Set<string>();
  fault: ((method: Unary | "watch" | "keepAlive", link: FakeLink) => FakeFault) | undefined;
  /** More in one answer is too large for the client. */
  rangeLimit = Infinity;
  /** Keys that begin with one of them may be neither read nor written. */
  forbidden: string[] = [];
  /** Refusals of watches as 3.4 words them. */
  oldRefusals = false;
  /** Streams on which the servers say nothing, while everything else goes on. */
  readonly mute = new Set<"watch" | "keepAlive">();
  /** Whether the servers answer when they are asked for progress. */
  tellsProgress = true;
  /** What every message takes besides. */
  slowMs = 0;
  calls = 0;
  callsAtOnce = 0;
  mostCallsAtOnce = 0;
  readonly #down = new Set<string>();
  readonly #frozen = new Set<string>();
  #lastToken = 0;

  constructor(runtime: Runtime) {
    this.runtime = runtime;
    this.random = runtime.random;
    this.store = new FakeStore(runtime.clock);
  }

  async connect(endpoint: EtcdEndpoint, signal: AbortSignal): Promise<EtcdLink> {
    await this.travel(signal);
    const address = addressOf(endpoint);
    if (this.#down.has(address)) throw new Error(`connect ECONNREFUSED ${address}`);
    // A frozen process does not read, but its kernel accepts: what fails is the handshake.
    if (this.#frozen.has(address)) await this.sleep(3_000, signal);
    if (this.#frozen.has(address)) throw new Error(`connect to ${address} timed out`);
    return this.linkTo(endpoint);
  }

  linkTo(endpoint: EtcdEndpoint): FakeLink {
    const link = new FakeLink(this, endpoint);
    this.links.add(link);
    return link;
  }

  /** As `mute`, on the connections that there are now. (A watch stream that never told its progress cannot be known to be mute.) */
  silence(method: "watch" | "keepAlive"): void {
    for (const link of this.links) if (method === "keepAlive" || link.toldProgress) link.mute.add(method);
  }

  isFrozen(endpoint: EtcdEndpoint): boolean {
    return this.#frozen.has(addressOf(endpoint));
  }

  freeze(address: string): void {
    this.#frozen.add(address);
  }

  thaw(address: string): void {
    this.#frozen.delete(address);
  }

  /** What the servers count. */
  counts(): Readonly<Record<string, number>> {
    let watches = 0;
    for (const link of this.links) watches += link.watches;
    const { leases } = this.store;
    const keys = leases.reduce((sum, id) => sum + this.store.timeToLive(id).keys.length, 0);
    return { connections: this.links.size, watches, leases: leases.length, keys };
  }

  kill(address: string): void {
    this.#down.add(address);
    this.breakLinks(address);
  }

  start(address: string): void {
    this.#down.delete(address);
    this.#frozen.delete(address);
  }

  breakLinks(address?: string): void {
    for (const link of [...this.links])
      if (address === undefined || addressOf(link.endpoint) === address) link.destroy(new Error("read ECONNRESET"));
  }

  authenticate(name: string, password: string): string {
    if (this.users.size === 0) throw failure(Code.FailedPrecondition, "etcdserver: authentication is not enabled");
    if (this.users.get(name) !== password)
      throw failure(Code.InvalidArgument, "etcdserver: authentication failed, invalid user ID or password");
    this.#lastToken += 1;
    const token = `token.${this.#lastToken}`;
    this.tokens.add(token);
    return token;
  }

  checkToken(token: string | undefined): void {
    if (this.users.size === 0) return;
    if (token === undefined) throw failure(Code.InvalidArgument, "etcdserver: user name is empty");
    if (!this.tokens.has(token)) throw failure(Code.Unauthenticated, "etcdserver: invalid auth token");
  }

  checkRight(key: Uint8Array | undefined): void {
    const text = Buffer.from(key ?? []).toString();
    if (this.forbidden.some((prefix) => text.startsWith(prefix)))
      throw failure(Code.PermissionDenied, "etcdserver: permission denied");
  }

  latency(): number {
    return 1 + this.random.below(5) + this.slowMs;
  }

  travel(signal: AbortSignal): Promise<void> {
    return this.sleep(this.latency(), signal);
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const fail = (): void => {
        timer.cancel();
        reject(signal.reason);
      };
      const timer = this.runtime.clock.setTimeout(() => {
        offAbort(signal, fail);
        resolve();
      }, ms);
      onAbort(signal, fail);
    });
  }

  close(): void {
    this.breakLinks();
    this.store.close();
  }
}

/** The way of one client to the cluster, which can be cut. */
export class FakeRoute implements EtcdTransport {
  readonly #etcd: FakeEtcd;
  readonly #links = new Set<EtcdLink>();
  #cut = false;

  constructor(etcd: FakeEtcd) {
    this.#etcd = etcd;
  }

  async connect(endpoint: EtcdEndpoint, signal: AbortSignal): Promise<EtcdLink> {
    if (this.#cut) throw new Error(`connect ENETUNREACH ${addressOf(endpoint)}`);
    const link = await this.#etcd.connect(endpoint, signal);
    this.#links.add(link);
    void link.closed.then(() => this.#links.delete(link));
    return link;
  }

  break(): void {
    for (const link of [...this.#links]) link.destroy(new Error("read ECONNRESET"));
  }

  cut(): void {
    this.#cut = true;
    this.break();
  }

  restore(): void {
    this.#cut = false;
  }
}

export class FakeLink implements EtcdLink {
  readonly endpoint: EtcdEndpoint;
  readonly closed: Promise<Error | undefined>;
  readonly mute = new Set<"watch" | "keepAlive">();
  toldProgress = false;
  readonly #etcd: FakeEtcd;
  readonly #gone: AbortController = new AbortController();
  readonly #streams = new Set<FakeWatchStream>();
  #resolveClosed: (reason: Error | undefined) => void = () => undefined;
  /** Messages to the client: none overtakes another. */
  readonly #underWay: (() => void)[] = [];
  /** When the newest of them arrives. */
  #arrival = 0;

  constructor(etcd: FakeEtcd, endpoint: EtcdEndpoint) {
    this.#etcd = etcd;
    this.endpoint = endpoint;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  get watches(): number {
    return [...this.#streams].reduce((sum, { watches }) => sum + watches.size, 0);
  }

  /** The server ends every watch, without saying that anything is missing. */
  cancelWatches(): void {
    for (const stream of this.#streams) {
      for (const [watchId, watch] of stream.watches) {
        watch[Symbol.dispose]();
        stream.tell({ watchId, canceled: true, cancelReason: "the server is tired" });
      }
      stream.watches.clear();
      stream.starts.clear();
    }
  }

  /** What a server says of each watch now and then: everything up to here has been told. */
  tellProgress(): void {
    for (const stream of this.#streams) for (const watchId of stream.watches.keys()) stream.tell({ watchId });
  }

  range(...[request, settings]: Parameters<EtcdLink["range"]>): ReturnType<EtcdLink["range"]> {
    return this.#unary("range", settings, () => {
      this.#etcd.checkRight(request.key);
      const answer = this.#etcd.store.range(create(RangeRequestSchema, request));
      if (answer.kvs.length > this.#etcd.rangeLimit)
        throw new RpcError("a message larger than 67108864 bytes", Code.ResourceExhausted, { source: "local" });
      return answer;
    });
  }

  txn(...[request, settings]: Parameters<EtcdLink["txn"]>): ReturnType<EtcdLink["txn"]> {
    return this.#unary("txn", settings, () => {
      for (const { key } of request.compare ?? []) this.#etcd.checkRight(key);
      return this.#etcd.store.txn(create(TxnRequestSchema, request));
    });
  }

  put(...[request, settings]: Parameters<EtcdLink["put"]>): ReturnType<EtcdLink["put"]> {
    return this.#unary("put", settings, () => {
      const { header } = this.#txn({ request: { case: "requestPut", value: request } });
      return create(PutResponseSchema, { header });
    });
  }

  deleteRange(...[request, settings]: Parameters<EtcdLink["deleteRange"]>): ReturnType<EtcdLink["deleteRange"]> {
    return this.#unary("deleteRange", settings, () => {
      const value = create(DeleteRangeRequestSchema, request);
      const { header } = this.#txn({ request: { case: "requestDeleteRange", value } });
      return create(DeleteRangeResponseSchema, { header });
    });
  }

  leaseGrant(...[request, settings]: Parameters<EtcdLink["leaseGrant"]>): ReturnType<EtcdLink["leaseGrant"]> {
    const { store } = this.#etcd;
    const { TTL = 0n } = request;
    return this.#unary("leaseGrant", settings, () =>
      create(LeaseGrantResponseSchema, {
        header: store.header,
        ID: store.grant(Number(TTL)),
        TTL,
      }),
    );
  }

  leaseRevoke(...[request, settings]: Parameters<EtcdLink["leaseRevoke"]>): ReturnType<EtcdLink["leaseRevoke"]> {
    const { store } = this.#etcd;
    return this.#unary("leaseRevoke", settings, () => {
      if (!store.revoke(request.ID ?? 0n)) throw failure(Code.NotFound, "etcdserver: requested lease not found");
      return create(LeaseRevokeResponseSchema, { header: store.header });
    });
  }

  leaseTimeToLive(
    ...[request, settings]: Parameters<EtcdLink["leaseTimeToLive"]>
  ): ReturnType<EtcdLink["leaseTimeToLive"]> {
    const { store } = this.#etcd;
    return this.#unary("leaseTimeToLive", settings, () => {
      const { seconds, granted, keys } = store.timeToLive(request.ID ?? 0n);
      return create(LeaseTimeToLiveResponseSchema, {
        header: store.header,
        TTL: BigInt(seconds),
        grantedTTL: BigInt(granted),
        keys: [...keys],
      });
    });
  }

  authenticate(...[request, settings]: Parameters<EtcdLink["authenticate"]>): ReturnType<EtcdLink["authenticate"]> {
    return this.#unary("authenticate", settings, () =>
      create(AuthenticateResponseSchema, {
        token: this.#etcd.authenticate(request.name ?? "", request.password ?? ""),
      }),
    );
  }

  watch(
    receive: (response: WatchResponse) => void,
    token: string | undefined,
  ): RequestStream<Init<typeof WatchRequestSchema>> {
    const stream: FakeWatchStream = {
      token,
      watches: new Map(),
      starts: new Map(),
      tell: (response, told) => {
        const message = create(WatchResponseSchema, { header: this.#etcd.store.header, ...response });
        this.#tell("watch", () => {
          receive(message);
          told?.();
        });
      },
      ended: false,
    };
    this.#streams.add(stream);
    return {
      ...this.#stream("watch", (message) => this.#watchRequest(create(WatchRequestSchema, message), stream)),
      end: () => {
        stream.ended = true;
        this.#endStream(stream);
      },
    };
  }

  keepAlive(
    receive: (response: LeaseKeepAliveResponse) => void,
    token: string | undefined,
  ): RequestStream<{ ID?: bigint }> {
    const { store } = this.#etcd;
    return this.#stream("keepAlive", ({ ID = 0n }) => {
      try {
        this.#etcd.checkToken(token);
      } catch (error) {
        // As 3.6 does: the stream ends, and the link with it.
        return this.destroy(error as Error);
      }
      const TTL = BigInt(store.keepAlive(ID));
      const message = create(LeaseKeepAliveResponseSchema, { header: store.header, ID, TTL });
      this.#tell("keepAlive", () => receive(message));
    });
  }

  async close(): Promise<void> {
    this.#end(undefined);
  }

  destroy(reason: Error): void {
    this.#end(reason);
  }

  #end(reason: Error | undefined): void {
    if (this.#gone.signal.aborted) return;
    for (const stream of this.#streams) this.#endStream(stream);
    this.#etcd.links.delete(this);
    this.#gone.abort(new RpcError("the connection is closed", Code.Unavailable, { source: "transport" }));
    this.#resolveClosed(reason);
  }

  #txn(op: NonNullable<Init<typeof TxnRequestSchema>["success"]>[number]): ReturnType<FakeStore["txn"]> {
    return this.#etcd.store.txn(create(TxnRequestSchema, { success: [op] }));
  }

  async #unary<T>(method: Unary, { signal, token, timeoutMs = 3_000 }: CallSettings, act: () => T): Promise<T> {
    const etcd = this.#etcd;
    etcd.calls += 1;
    etcd.callsAtOnce += 1;
    etcd.mostCallsAtOnce = Math.max(etcd.mostCallsAtOnce, etcd.callsAtOnce);
    const end = new AbortController();
    const abort = (): void => end.abort((signal.aborted ? signal : this.#gone.signal).reason);
    const deadline = etcd.runtime.clock.setTimeout(
      () => end.abort(new RpcError(`${timeoutMs} ms passed`, Code.DeadlineExceeded, { source: "local" })),
      timeoutMs,
    );
    onAbort(signal, abort);
    onAbort(this.#gone.signal, abort);
    if (signal.aborted || this.#gone.signal.aborted) abort();
    try {
      await etcd.travel(end.signal);
      while (etcd.isFrozen(this.endpoint)) await etcd.sleep(100, end.signal);
      const fault = etcd.fault?.(method, this);
      if (fault instanceof Error) throw fault;
      if (method !== "authenticate") etcd.checkToken(token);
      const answer = typeof fault === "object" ? await this.#late(fault.lateMs, act, end.signal) : act();
      if (fault === "lose-answer") await etcd.sleep(Infinity, end.signal);
      await etcd.travel(end.signal);
      return answer;
    } finally {
      etcd.callsAtOnce -= 1;
      deadline.cancel();
      offAbort(signal, abort);
      offAbort(this.#gone.signal, abort);
    }
  }

  /** Acts in any case; rejects when the signal fires before. */
  async #late<T>(ms: number, act: () => T, signal: AbortSignal): Promise<T> {
    const never = new AbortController().signal;
    const acted = this.#etcd.sleep(ms, never).then(act);
    acted.catch(() => undefined); // as when the lease has gone meanwhile
    await this.#etcd.sleep(ms, signal);
    return acted;
  }

  /** Messages of the client, in order, each after a while; a member that is frozen takes them when it thaws. */
  #stream<M>(method: "watch" | "keepAlive", handle: (message: M) => void): RequestStream<M> {
    const { signal } = this.#gone;
    let last: Promise<void> = Promise.resolve();
    return {
      end: () => undefined,
      send: (message) => {
        last = last
          .then(async () => {
            await this.#etcd.travel(signal);
            while (this.#etcd.isFrozen(this.endpoint)) await this.#etcd.sleep(100, signal);
            const fault = this.#etcd.fault?.(method, this);
            if (fault instanceof Error) this.destroy(fault);
            else if (!signal.aborted) handle(message);
          })
          .catch(() => undefined);
      },
    };
  }

  #endStream(stream: FakeWatchStream): void {
    for (const watch of stream.watches.values()) watch[Symbol.dispose]();
    this.#streams.delete(stream);
  }

  /** In order, and never from a frozen member. */
  #tell(method: "watch" | "keepAlive", deliver: () => void): void {
    const { clock } = this.#etcd.runtime;
    this.#arrival = Math.max(this.#arrival, clock.now() + this.#etcd.latency());
    this.#underWay.push(() => {
      if (!this.mute.has(method) && !this.#etcd.mute.has(method)) deliver();
    });
    const attempt = (): void => {
      if (this.#gone.signal.aborted) return;
      if (this.#etcd.isFrozen(this.endpoint)) clock.setTimeout(attempt, 100);
      else this.#underWay.shift()?.();
    };
    clock.setTimeout(attempt, this.#arrival - clock.now());
  }

  #watchRequest({ requestUnion: { case: kind, value } }: WatchRequest, stream: FakeWatchStream): void {
    if (stream.ended) return;
    if (kind === "cancelRequest") {
      stream.watches.get(value.watchId)?.[Symbol.dispose]();
      stream.watches.delete(value.watchId);
      stream.starts.delete(value.watchId);
      stream.tell({ watchId: value.watchId, canceled: true });
    } else if (kind === "createRequest") {
      this.#createWatch(value, stream);
    } else if (
      kind === "progressRequest" &&
      stream.watches.size > 0 &&
      this.#etcd.tellsProgress &&
      // As 3.5.8 and later do: not while a watch is to begin in the future.
      [...stream.starts.values()].every((start) => start <= this.#etcd.store.revision)
    ) {
      stream.tell({ watchId: -1n }, () => {
        this.toldProgress = true;
      });
    }
  }

  #createWatch({ watchId, startRevision, key, rangeEnd }: WatchCreateRequest, stream: FakeWatchStream): void {
    const { store } = this.#etcd;
    const { tell } = stream;
    try {
      this.#etcd.checkToken(stream.token);
      this.#etcd.checkRight(key);
    } catch (error) {
      // As real servers do: without saying which. 3.4 says the same for either.
      const { rawMessage } = error as RpcError;
      const cancelReason = this.#etcd.oldRefusals
        ? "rpc error: code = PermissionDenied desc = etcdserver: permission denied"
        : rawMessage;
      tell({ watchId: -1n, created: true, canceled: true, cancelReason });
      return;
    }
    tell({ watchId, created: true });
    const wanted = (bytes: Uint8Array): boolean => inRange(latin(bytes), { key, rangeEnd });
    const send = (events: readonly Event[]): void => {
      const size = this.#etcd.fragmentEvents;
      for (let at = 0; at < events.length; at += size)
        tell({ watchId, events: events.slice(at, at + size), fragment: at + size < events.length });
    };
    if (startRevision > 0n) {
      const missed = store.since(startRevision, wanted);
      if (missed === undefined) {
        tell({ watchId, canceled: true, compactRevision: store.compacted, cancelReason: "compacted" });
        return;
      }
      send(missed);
    }
    const subscription = store.onChange((revision, events) => {
      const mine = events.filter(({ kv }) => kv !== undefined && wanted(kv.key));
      if (mine.length > 0 && revision >= startRevision) send(mine);
    });
    stream.watches.set(watchId, subscription);
    stream.starts.set(watchId, startRevision);
  }
}

interface FakeWatchStream {
  readonly token: string | undefined;
  readonly watches: Map<bigint, Disposable>;
  /** The first revision of each, as it was asked for. */
  readonly starts: Map<bigint, bigint>;
  tell(response: Init<typeof WatchResponseSchema>, told?: () => void): void;
  ended: boolean;
}
