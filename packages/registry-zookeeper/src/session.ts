import { Backoff, offAbort, onAbort, Reconciler, type Runtime, type Timer } from "@dubhe/concurrency";
import { Connection } from "./connection.js";
import { ConnectionLossError, isCode, SessionLostError, toError } from "./errors.js";
import { InFlight } from "./in-flight.js";
import {
  addRecursiveWatchOperation,
  childrenOperation,
  closeOperation,
  createOperation,
  deleteOperation,
  ephemeralsOperation,
  existsOperation,
  getDataOperation,
  type NodeData,
  type Operation,
  removeWatchesOperation,
  type Step,
  setDataOperation,
  syncOperation,
  transaction,
} from "./operations.js";
import { parentOf } from "./paths.js";
import { authOperation, setWatchesOperation } from "./priming.js";
import {
  type AclKind,
  type ConnectResponse,
  SESSION_PASSWORD_LENGTH,
  type Stat,
  type WatchEvent,
  Xid,
} from "./protocol.js";
import { isDoubtful, isOver, nextSessionState, type SessionInput, type SessionState } from "./session-state.js";
import type { Transport } from "./transport.js";
import type { ServerAddress } from "./url.js";
import { type WatchKind, type WatchListener, WatchTable } from "./watch-table.js";

export interface SessionOptions {
  readonly servers: readonly ServerAddress[];
  readonly transport: Transport;
  readonly chroot: string;
  readonly sessionTimeoutMs: number;
  readonly connectTimeoutMs: number;
  /** Longest request, bytes: the server's `jute.maxbuffer`. */
  readonly maxPacket: number;
  readonly auth: { readonly username: string; readonly password: string } | undefined;
}

/** As the Java client: far below `jute.maxbuffer`, above which a server hangs up. */
const WATCH_PACKET_BYTES = 128 * 1024;
/** Of a packet of watched paths, what are no paths. */
const WATCH_PACKET_HEAD = 64;
const CLOSE_MS = 800;
/** Between attempts to get a session back. Each attempt takes the next server. */
const BACKOFF = { initialMs: 50, maxMs: 2_000 };
/** A connection that lived for less counts as a failed attempt: a server may take us and hang up on what we ask each time. */
const STABLE_CONNECTION_MS = 10_000;

export interface SessionCounters {
  connects: number;
  requests: number;
  events: number;
}

/**
 * One session with a ZooKeeper ensemble, over as many connections as it takes. See {@link SessionState} for its life. Requests
 * reject at once while there is no connection; nothing is asked twice here. Paths are below the chroot.
 */
export class ZookeeperSession {
  readonly counters: SessionCounters = { connects: 0, requests: 0, events: 0 };
  readonly watches: WatchTable = new WatchTable();
  readonly acl: AclKind;
  readonly #runtime: Runtime;
  readonly #options: SessionOptions;
  /** In the order in which they are tried. */
  readonly #servers: readonly ServerAddress[];
  readonly #connector: Reconciler<"connection", number>;
  readonly #pace: Backoff;
  #reconnectTimer: Timer | undefined;
  #connectedAt = 0;
  /** Paths for which a server has been asked to watch, and has not answered yet. */
  readonly #setting = new InFlight<string>();
  #nextServer: number;
  #state: SessionState = { kind: "connecting" };
  #connection: Connection | undefined;
  #lastZxid = 0n;
  #endListener: ((reason: Error) => void) | undefined;
  #suspendListener: ((reason: Error | undefined) => void) | undefined;
  #closing: Promise<void> | undefined;
  #whenStirred: (() => void) | undefined;

  private constructor(runtime: Runtime, options: SessionOptions, firstServer: number) {
    this.#runtime = runtime;
    this.#options = options;
    this.#servers = options.servers;
    this.#nextServer = firstServer;
    this.acl = options.auth === undefined ? "open" : "creator";
    this.#pace = new Backoff(runtime.random, BACKOFF);
    this.#connector = new Reconciler<"connection", number>(runtime, {
      backoff: BACKOFF,
      apply: (_key, wanted, { signal }) => (wanted === undefined ? Promise.resolve() : this.#connect(signal)),
    });
  }

  /**
   * A new session. Every server is tried once, from `firstServer` on. Rejects with the reasons of all, when none would have us.
   */
  static async open(
    runtime: Runtime,
    options: SessionOptions,
    firstServer: number,
    signal: AbortSignal,
  ): Promise<ZookeeperSession> {
    const session = new ZookeeperSession(runtime, options, firstServer);
    const reasons: string[] = [];
    for (let i = 0; i < options.servers.length; i++) {
      try {
        await session.#connect(signal);
        return session;
      } catch (error) {
        reasons.push(toError(error).message);
        if (signal.aborted) break;
      }
    }
    const reason = new ConnectionLossError(`no ZooKeeper server to be had: ${reasons.join("; ")}`);
    session.#step({ kind: "unreachable", reason });
    throw signal.aborted ? signal.reason : reason;
  }

  get state(): SessionState {
    return this.#state;
  }

  /** Where the connection goes, or went last. */
  get server(): ServerAddress | undefined {
    return this.#connection?.server;
  }

  /** Undefined before it is granted and after its end. */
  get id(): bigint | undefined {
    return "session" in this.#state ? this.#state.session.id : undefined;
  }

  /** Replaces the listener; one that comes late is told soon. */
  onEnd(listener: (reason: Error) => void): void {
    this.#endListener = listener;
    const state = this.#state;
    if (state.kind === "lost") this.#runtime.clock.microtask(() => this.#tell(() => listener(state.reason)));
  }

  /** As {@link onEnd}. With undefined when it has resumed. */
  onSuspend(listener: (reason: Error | undefined) => void): void {
    this.#suspendListener = listener;
    const state = this.#state;
    if (state.kind !== "suspended") return;
    this.#runtime.clock.microtask(() => {
      if (this.#state.kind === "suspended") this.#tell(() => listener(this.#suspendedError(state.reason)));
    });
  }

  /** The same session over another connection. Resolves when there is one; takes the place of both listeners. */
  renewConnection(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(signal.reason);
      onAbort(signal, abort);
      const end = (fn: () => void): void => {
        offAbort(signal, abort);
        fn();
      };
      this.onEnd((reason) => end(() => reject(reason)));
      this.onSuspend((reason) => {
        if (reason === undefined) end(resolve);
      });
      const connection = this.#connection;
      if (connection !== undefined) this.#abandon(connection, new ConnectionLossError("renewing the connection"));
    });
  }

  exists(path: string, signal?: AbortSignal, watch?: WatchListener): Promise<Stat | undefined> {
    const answered = (stat: Stat | undefined): void => {
      if (watch !== undefined) this.#addWatch(stat === undefined ? "exist" : "data", path, watch);
    };
    return this.#perform<Stat | undefined>(existsOperation(this.#real(path), watch !== undefined), signal, {
      answered,
      // The watch is there all the same.
      absent: () => undefined,
      watches: watch !== undefined,
    });
  }

  /** Undefined when there is no such node; then nothing is watched. */
  getData(path: string, signal?: AbortSignal, watch?: WatchListener): Promise<NodeData | undefined> {
    const answered = (node: NodeData | undefined): void => {
      if (watch !== undefined && node !== undefined) this.#addWatch("data", path, watch);
    };
    return this.#perform<NodeData | undefined>(getDataOperation(this.#real(path), watch !== undefined), signal, {
      answered,
      absent: () => undefined,
      watches: watch !== undefined,
    });
  }

  /** As {@link getData}. */
  children(path: string, signal?: AbortSignal, watch?: WatchListener): Promise<readonly string[] | undefined> {
    const answered = (names: readonly string[] | undefined): void => {
      if (watch !== undefined && names !== undefined) this.#addWatch("child", path, watch);
    };
    return this.#perform<readonly string[] | undefined>(
      childrenOperation(this.#real(path), watch !== undefined),
      signal,
      { answered, absent: () => undefined, watches: watch !== undefined },
    );
  }

  /**
   * Of what happens to a node, there or not, and everything below it. A server before 3.6 has no such watches; then the session is
   * given up, since a new one can do without.
   */
  watchRecursively(path: string, watch: WatchListener, signal?: AbortSignal): Promise<void> {
    return this.#perform(addRecursiveWatchOperation(this.#real(path)), signal, {
      answered: () => this.#addWatch("recursive", path, watch),
      watches: true,
      needed: true,
    });
  }

  /**
   * All that `watch` listens to on the path. It is forgotten here at once, whatever the server answers; one that is being set, when it
   * is set. The server has one watch for all who listen on a path, so it is told only when nobody does.
   */
  async removeWatches(path: string, watch: WatchListener, signal?: AbortSignal): Promise<void> {
    const real = this.#real(path);
    let ours = this.watches.remove(real, watch);
    while (this.#setting.has(real)) {
      await this.#setting.settled(real, signal);
      ours = this.watches.remove(real, watch) || ours;
    }
    if (!ours || this.watches.has(real)) return;
    try {
      await this.#perform(removeWatchesOperation(real), signal);
    } catch (error) {
      if (!isCode(error, "NO_WATCHER")) throw error; // it fired meanwhile
    }
  }

  /** Makes the parents that are missing. Rejects with NODE_EXISTS. */
  async create(path: string, data: Uint8Array, options: CreateOptions = {}): Promise<void> {
    await this.#create(this.#real(path), data, options.ephemeral === true, options.signal);
  }

  setData(path: string, data: Uint8Array, version: number, signal?: AbortSignal): Promise<Stat> {
    return this.#perform(setDataOperation(this.#real(path), data, version), signal);
  }

  /** False when there was no such node. `version` -1 = whatever it is. */
  async delete(path: string, version: number, signal?: AbortSignal): Promise<boolean> {
    try {
      await this.#perform(deleteOperation(this.#real(path), version), signal);
      return true;
    } catch (error) {
      if (isCode(error, "NO_NODE")) return false;
      throw error;
    }
  }

  /** All steps at once, or none; what it creates is ephemeral. */
  transact(
    steps: readonly Omit<Step & { readonly kind: "create" }, "acl">[] | readonly Step[],
    signal?: AbortSignal,
  ): Promise<void> {
    const real = steps.map((step) => ({ acl: this.acl, ...step, path: this.#real(step.path) }) as Step);
    return this.#perform(transaction(real), signal);
  }

  /** What is read after it is no older than now; otherwise a server may lag behind what another one has done for us. */
  sync(path: string, signal?: AbortSignal): Promise<void> {
    return this.#perform(syncOperation(this.#real(path)), signal);
  }

  /** Of this session, below `prefix`. Rejects with UNIMPLEMENTED before 3.6; such a server then hangs up. */
  ephemerals(prefix: string, signal?: AbortSignal): Promise<readonly string[]> {
    return this.#perform(ephemeralsOperation(this.#real(prefix)), signal);
  }

  /** Ends the session, if a server can be reached and told within 0.8 s; else it expires. Never rejects. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #perform<T>(operation: Operation<T>, signal: AbortSignal | undefined, on: Hooks<T> = {}): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const connection = this.#connection;
      if (connection === undefined || isOver(this.#state)) return reject(this.#unavailable(operation));
      const abort = (): void => reject(signal?.reason);
      const watched = on.watches === true ? operation.path : undefined;
      const end = (): void => {
        if (signal !== undefined) offAbort(signal, abort);
        if (watched !== undefined) this.#setting.end(watched);
      };
      if (signal !== undefined) onAbort(signal, abort);
      if (watched !== undefined) this.#setting.begin(watched);
      this.counters.requests++;
      // The hooks run whether or not anybody still waits: the server has set the watch.
      const result = (value: T): void => {
        on.answered?.(value);
        end();
        resolve(value);
      };
      connection.send(operation, {
        result,
        failed: (error) => {
          if (on.absent !== undefined && isCode(error, "NO_NODE")) return result(on.absent());
          end();
          if (isCode(error, "SESSION_EXPIRED") || (on.needed === true && isCode(error, "UNIMPLEMENTED")))
            this.#step({ kind: "broken", reason: error });
          if (isCode(error, "SESSION_MOVED")) this.#abandon(connection, error);
          reject(error);
        },
      });
    });
  }

  async #create(real: string, data: Uint8Array, ephemeral: boolean, signal: AbortSignal | undefined): Promise<void> {
    const attempt = (): Promise<void> => this.#perform(createOperation(real, data, ephemeral, this.acl), signal);
    try {
      return await attempt();
    } catch (error) {
      if (!isCode(error, "NO_NODE") || parentOf(real) === "/") throw error;
    }
    const ancestors: string[] = [];
    for (let at = parentOf(real); at !== "/"; at = parentOf(at)) ancestors.unshift(at);
    // All in one round trip: a server works on them in order. Most are there; whatever is wrong shows at the node itself.
    const made = ancestors.map((path) => this.#perform(createOperation(path, NO_DATA, false, this.acl), undefined));
    const failures = Promise.all(made.map((one) => one.then(ignore, toError)));
    try {
      await attempt();
    } catch (error) {
      if (!isCode(error, "NO_NODE")) throw error;
      throw (await failures).find((failure) => failure !== undefined && !isCode(failure, "NODE_EXISTS")) ?? error;
    }
  }

  #addWatch(kind: WatchKind, path: string, listener: WatchListener): void {
    this.watches.add(kind, this.#real(path), listener);
  }

  /** To the next server, with the same session if there is one. Resolves when it can be used, or the session is over. */
  #connect(signal: AbortSignal): Promise<void> {
    if (isOver(this.#state)) return Promise.resolve();
    const server = this.#servers[this.#nextServer++ % this.#servers.length] as ServerAddress;
    const known = this.#state.kind === "suspended" ? this.#state.session : undefined;
    const lastZxid = isDoubtful(this.#state, this.#runtime.clock.now()) ? 0n : this.#lastZxid;
    return new Promise<void>((resolve, reject) => {
      let ready = false;
      let over = false;
      const failed = (error: Error, refused: boolean): void => {
        if (over) return;
        over = true;
        offAbort(signal, abort);
        if (this.#connection === connection) this.#connection = undefined;
        this.#step({ kind: "disconnected", now: this.#runtime.clock.now(), reason: error, refused });
        reject(error);
      };
      const abort = (): void => {
        connection.destroy();
        failed(toError(signal.reason), false);
      };
      const connection = new Connection(
        this.#runtime,
        this.#options.transport,
        server,
        {
          lastZxid,
          timeoutMs: this.#options.sessionTimeoutMs,
          sessionId: known?.id ?? 0n,
          password: known?.password ?? new Uint8Array(SESSION_PASSWORD_LENGTH),
        },
        { connectMs: this.#options.connectTimeoutMs, maxPacket: this.#options.maxPacket },
        {
          connected: (response) => {
            this.#connection = connection;
            this.#prime(connection, response).then(
              (session) => {
                if (over) return;
                ready = true;
                offAbort(signal, abort);
                this.counters.connects++;
                this.#connectedAt = this.#runtime.clock.now();
                this.#step({ kind: "answered", session });
                resolve();
              },
              (error: unknown) => {
                connection.destroy();
                failed(toError(error), false);
              },
            );
          },
          notified: (event) => this.#notified(event),
          seen: (zxid) => {
            this.#lastZxid = zxid;
          },
          closed: (error, refused) => (ready ? this.#disconnected(connection, error) : failed(error, refused)),
        },
      );
      onAbort(signal, abort);
    });
  }

  /** What the server must know before anything else: who we are, and what this session watches. */
  async #prime(connection: Connection, response: ConnectResponse): Promise<ConnectResponse & { readonly id: bigint }> {
    const session = { ...response, id: response.sessionId };
    if (session.timeoutMs <= 0) return session;
    const steps: Promise<void>[] = [];
    const send = (xid: number, operation: Operation<void>): void => {
      steps.push(
        new Promise((resolve, reject) => connection.sendSpecial(xid, operation, { result: resolve, failed: reject })),
      );
    };
    if (this.#options.auth !== undefined) send(Xid.auth, authOperation(this.#options.auth));
    const pathBytes = Math.min(WATCH_PACKET_BYTES, this.#options.maxPacket - WATCH_PACKET_HEAD);
    for (const watches of this.watches.packets(pathBytes))
      send(Xid.setWatches, setWatchesOperation(this.#lastZxid, watches));
    try {
      await Promise.all(steps);
    } catch (error) {
      // Watches that the server does not know: an older one than before. A new session makes do without them.
      if (isCode(error, "UNIMPLEMENTED")) this.#step({ kind: "broken", reason: toError(error) });
      throw error;
    }
    return session;
  }

  /** A connection that is open, and good for nothing. */
  #abandon(connection: Connection, reason: Error): void {
    connection.destroy(reason);
    this.#disconnected(connection, reason);
  }

  #disconnected(connection: Connection, reason: Error): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#step({ kind: "disconnected", now: this.#runtime.clock.now(), reason, refused: false });
  }

  #step(input: SessionInput): void {
    const old = this.#state;
    const state = nextSessionState(old, input);
    if (state === old) return;
    this.#state = state;
    if (state.kind !== "suspended") this.#whenStirred?.();
    if (state.kind === "suspended" && old.kind === "connected") {
      this.#tell(() => this.#suspendListener?.(this.#suspendedError(state.reason)));
      this.#reconnect();
    } else if (state.kind === "connected" && old.kind === "suspended") {
      this.#tell(() => this.#suspendListener?.(undefined));
    } else if (state.kind === "lost") {
      this.#release();
      if (old.kind !== "connecting") {
        const reason = new SessionLostError(`session lost: ${state.reason.message}`, { cause: state.reason });
        this.#tell(() => this.#endListener?.(reason));
      }
    }
  }

  #reconnect(): void {
    const { clock } = this.#runtime;
    const again = (): void => this.#connector.want("connection", this.counters.connects);
    if (clock.now() - this.#connectedAt < STABLE_CONNECTION_MS) {
      this.#reconnectTimer = clock.setTimeout(again, this.#pace.next());
    } else {
      this.#pace.reset();
      again();
    }
  }

  #suspendedError(reason: Error): Error {
    return new ConnectionLossError(`session suspended: ${reason.message}`, { cause: reason });
  }

  #notified(event: WatchEvent): void {
    this.counters.events++;
    const { chroot } = this.#options;
    const path = event.path.startsWith(chroot) ? event.path.slice(chroot.length) || "/" : event.path;
    for (const listener of this.watches.fire(event)) this.#tell(() => listener({ type: event.type, path }));
  }

  async #close(): Promise<void> {
    const { clock } = this.#runtime;
    let limit: { cancel(): void } | undefined;
    const tooLate = new Promise<void>((resolve) => {
      limit = clock.setTimeout(resolve, CLOSE_MS, { ref: true });
    });
    // What it holds would stand until it expires, so a server that can be reached soon is worth the wait.
    if (this.#state.kind === "suspended") await Promise.race([this.#stirred(), tooLate]);
    const connection = this.#connection;
    if (connection?.open === true && this.#state.kind === "connected") {
      this.#state = { kind: "closed" };
      const told = new Promise<void>((resolve) => {
        connection.send(closeOperation, { result: () => resolve(), failed: () => resolve() });
      });
      await Promise.race([told, tooLate]);
    }
    limit?.cancel();
    this.#state = { kind: "closed" };
    this.#release();
  }

  /** Resolves when the session is no longer suspended. */
  #stirred(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenStirred = resolve;
    });
  }

  #release(): void {
    this.watches.clear();
    this.#reconnectTimer?.cancel();
    void this.#connector.close({ boundMs: 0 });
    this.#connection?.destroy();
    this.#connection = undefined;
  }

  #unavailable(operation: Operation<unknown>): Error {
    const what = `${operation.name} ${operation.path ?? ""}`;
    return isOver(this.#state)
      ? new SessionLostError(`${what}: the session is ${this.#state.kind}`)
      : new ConnectionLossError(`${what}: no connection to a ZooKeeper server (${this.#state.kind})`);
  }

  #real(path: string): string {
    const { chroot } = this.#options;
    return path === "/" && chroot !== "" ? chroot : `${chroot}${path}`;
  }

  #tell(fn: () => void): void {
    try {
      fn();
    } catch (error) {
      this.#runtime.report(error, "listener of a ZooKeeper session");
    }
  }
}

export interface CreateOptions {
  readonly ephemeral?: boolean;
  readonly signal?: AbortSignal | undefined;
}

interface Hooks<T> {
  answered?(value: T): void;
  /** What NO_NODE means, when it is an answer. */
  absent?(): T;
  /** It sets a watch on its path. */
  readonly watches?: boolean;
  /** A server that does not know it is of no use to this session. */
  readonly needed?: boolean;
}

const NO_DATA = new Uint8Array();
const ignore = (): undefined => undefined;
