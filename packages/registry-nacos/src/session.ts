import { Backoff, type BackoffOptions, ClosedError, type Runtime, type Watched, WatchedCell } from "@dubhe/concurrency";
import { NacosError, NacosUnavailableError, toError } from "./errors.js";
import type { NacosEventListener } from "./events.js";
import { handshake } from "./handshake.js";
import { HealthWatch } from "./health-watch.js";
import { asNumber, asString, type JsonObject } from "./json.js";
import type { Login } from "./login.js";
import { ERROR_RESPONSE, readStatus, StreamType } from "./messages.js";
import { abortable, pause } from "./pause.js";
import type { Envelope } from "./payload.js";
import { ServerList } from "./server-list.js";
import type { SessionState } from "./session-state.js";
import {
  GRPC_PORT_OFFSET,
  grpcAddress,
  httpAddress,
  type Link,
  type ServerAddress,
  type Transport,
} from "./transport.js";

/** Told of sessions in the turn in which they come and go, in the order of adding. */
export interface SessionObserver {
  /** A new session with a new identity: the server knows nothing of us. Epochs grow. */
  onUp(epoch: number): void;
  /** The session is lost, or an attempt at one failed. */
  onDown(error: Error): void;
}

/** A session that is being made, for `established`. */
export interface SessionLink {
  readonly server: ServerAddress;
  request(type: string, body: object): Promise<JsonObject>;
}

/** A push that lists instances: whoever reads it does so in his own time. */
export interface ListPush {
  readonly type: string;
  /** JSON. */
  readonly raw: Uint8Array;
  acknowledge(requestId: string): void;
  /** It makes no sense: ends the session. */
  refuse(error: Error): void;
}

export interface SessionOptions {
  readonly transport: Transport;
  readonly servers: readonly ServerAddress[];
  readonly login?: Login | undefined;
  /** Of one request, ms. */
  readonly timeoutMs: number;
  readonly clientVersion: string;
  readonly tenant: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Pause after the loss of a good session: a random part of this, so that clients do not come back all at once. Default 500. */
  readonly reconnectSpreadMs?: number;
  /** Pause after a failed attempt. Default 100 ms .. 10 s. */
  readonly backoff?: BackoffOptions;
  readonly onEvent?: NacosEventListener | undefined;
  /** Runs between the handshake and `onUp`. */
  established?(link: SessionLink, signal: AbortSignal): Promise<void>;
}

export interface SessionCounters {
  connects: number;
  connectFailures: number;
  sessions: number;
  sessionsLost: number;
  requests: number;
  requestFailures: number;
  pushes: number;
  healthChecks: number;
  logins: number;
}

/** A session that lasted less is no success: the next one waits for the backoff. */
const GOOD_SESSION_MS = 5_000;
const CLOSE_BOUND_MS = 1_000;

const LONGEST_REFUSAL_BYTES = 16 * 1024;

/** Keeps the process alive while a session is being made: whoever waits for it has no other handle yet. */
const HOLD_MS = 15_000;

interface Current {
  readonly link: Link;
  readonly server: ServerAddress;
  readonly health: HealthWatch;
  readonly lost: AbortController;
}

/**
 * Keeps one session with one of the servers, for ever. Every new session is a new epoch, and whoever wants something on
 * the server puts it there again (its observers).
 */
export class NacosSession {
  readonly counters: SessionCounters = {
    connects: 0,
    connectFailures: 0,
    sessions: 0,
    sessionsLost: 0,
    requests: 0,
    requestFailures: 0,
    pushes: 0,
    healthChecks: 0,
    logins: 0,
  };
  readonly #runtime: Runtime;
  readonly #options: SessionOptions;
  readonly #servers: ServerList;
  readonly #backoff: Backoff;
  readonly #state: WatchedCell<SessionState>;
  readonly #observers: SessionObserver[] = [];
  readonly #pushHandlers = new Map<string, (body: JsonObject) => void>();
  #onListPush: ((push: ListPush) => void) | undefined;
  readonly #closing = new AbortController();
  #current: Current | undefined;
  #epoch = 0;
  #nextRequest = 1;
  #lastError: Error | undefined;
  #preferred: ServerAddress | undefined;
  #ended: Promise<void> | undefined;

  constructor(runtime: Runtime, options: SessionOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.#servers = new ServerList(options.servers, runtime.random);
    this.#backoff = new Backoff(runtime.random, { maxMs: 10_000, ...options.backoff });
    this.#state = new WatchedCell<SessionState>(runtime, {
      kind: "connecting",
      since: this.#wallTime(),
      server: undefined,
      lastError: undefined,
    });
  }

  get state(): Watched<SessionState> {
    return this.#state;
  }

  get epoch(): number {
    return this.#epoch;
  }

  get up(): boolean {
    return this.#current !== undefined;
  }

  /** Why there is no session; undefined while there is one, or none was tried yet. */
  get lastError(): Error | undefined {
    return this.#lastError;
  }

  /** Fires when the present session is gone; has fired when there is none. */
  get lost(): AbortSignal {
    return this.#current?.lost.signal ?? ALREADY_LOST;
  }

  addObserver(observer: SessionObserver): void {
    this.#observers.push(observer);
  }

  /** What the server pushes. Known types are acknowledged after the handler ran. */
  onPush(type: string, handler: (body: JsonObject) => void): void {
    this.#pushHandlers.set(type, handler);
  }

  /** Pushes that list instances; acknowledged by the handler. */
  onListPush(handler: (push: ListPush) => void): void {
    this.#onListPush = handler;
  }

  start(): void {
    this.#ended ??= this.#runtime.detached(() => this.#run());
  }

  /**
   * Asks the server. Rejects with a NacosError when it refuses, a NacosUnavailableError when there is no session, and with
   * what went wrong on the connection otherwise. A 403 is tried once more after a new login, unless the last one was just now.
   */
  async request(type: string, body: object, signal?: AbortSignal): Promise<JsonObject> {
    return (await this.#request(type, body, signal)).body;
  }

  /** As `request`, for an answer that lists instances: its `raw` is not parsed, and when it is long its status is not checked. */
  requestList(type: string, body: object, signal?: AbortSignal): Promise<Envelope> {
    return this.#request(type, body, signal);
  }

  async #request(type: string, body: object, signal: AbortSignal | undefined): Promise<Envelope> {
    const current = this.#current;
    if (current === undefined) throw this.unavailable();
    const used = this.#headers();
    try {
      return await this.#ask(current.link, type, body, signal);
    } catch (error) {
      const { login } = this.#options;
      if (!(error instanceof NacosError && error.forbidden) || login === undefined) throw error;
      // Unless another request has brought a new token meanwhile.
      if (this.#headers() === used) {
        if (!login.worthRenewing) throw error;
        const renewed = this.#login(login, current.server, current.lost.signal);
        await (signal === undefined ? renewed : abortable(renewed, signal));
      }
      return await this.#ask(current.link, type, body, signal);
    }
  }

  /**
   * Resolves when there is a session; rejects when it is certain that there is none now, or `signal` fires. So work that
   * comes right after the registry was made waits for the first connect instead of failing.
   */
  async ready(signal?: AbortSignal): Promise<void> {
    if (this.up) return;
    const settled = (state: SessionState): boolean =>
      state.kind === "up" || state.kind === "waiting" || state.kind === "closed";
    if (this.#lastError === undefined) await this.#state.until(settled, signal);
    if (!this.up) throw this.unavailable();
  }

  unavailable(): NacosUnavailableError {
    const why = this.#closing.signal.aborted
      ? "the registry is closed"
      : (this.#lastError?.message ?? "still connecting");
    return new NacosUnavailableError(
      `no session with Nacos: ${why}`,
      this.#lastError === undefined ? {} : { cause: this.#lastError },
    );
  }

  /** Ends the session and makes no other. Bounded; never rejects. */
  async close(): Promise<void> {
    if (!this.#closing.signal.aborted) this.#closing.abort(new ClosedError("Nacos session"));
    const link = this.#current?.link;
    if (link !== undefined) {
      const bound = this.#runtime.clock.setTimeout(() => link.destroy(), CLOSE_BOUND_MS, { ref: true });
      await link.close();
      bound.cancel();
    }
    await this.#ended;
    this.#state.set({ kind: "closed", since: this.#wallTime() });
  }

  async #run(): Promise<void> {
    const closing = this.#closing.signal;
    while (!closing.aborted) {
      const server = this.#preferred ?? this.#servers.next();
      this.#preferred = undefined;
      let delay: number;
      try {
        delay = await this.#oneSession(server);
      } catch (error) {
        if (closing.aborted) return;
        this.counters.connectFailures += 1;
        delay = this.#backoff.next();
        this.#down(server, describe(server, toError(error)), delay);
      }
      await pause(this.#runtime.clock, delay, closing);
    }
  }

  /** Rejects when none came about; otherwise resolves after its end with the pause before the next one. */
  async #oneSession(server: ServerAddress): Promise<number> {
    const { clock, random } = this.#runtime;
    this.counters.connects += 1;
    this.#options.onEvent?.({ kind: "connecting", server: grpcAddress(server) });
    this.#state.set({
      kind: "connecting",
      since: this.#wallTime(),
      server: grpcAddress(server),
      lastError: this.#lastError,
    });
    const hold = clock.setTimeout(() => undefined, HOLD_MS, { ref: true });
    const current = await this.#establish(server).finally(() => hold.cancel());
    const upAt = clock.now();
    void current.health.run(current.lost.signal);
    void this.#keepLoggedIn(current);
    const reason = (await current.link.closed) ?? new Error(`the session with ${grpcAddress(server)} was ended`);
    this.#current = undefined;
    this.counters.sessionsLost += 1;
    current.lost.abort(reason);
    if (this.#closing.signal.aborted) return 0;
    const good = clock.now() - upAt >= GOOD_SESSION_MS;
    if (good) this.#backoff.reset();
    const spread = random.next() * (this.#options.reconnectSpreadMs ?? 500);
    const delay = this.#preferred !== undefined ? 0 : good ? spread : Math.max(spread, this.#backoff.next());
    this.#down(server, describe(server, reason), delay);
    return delay;
  }

  async #establish(server: ServerAddress): Promise<Current> {
    const attempt = new AbortController();
    const stop = (): void => attempt.abort(this.#closing.signal.reason);
    this.#closing.signal.addEventListener("abort", stop);
    let acknowledged = (): void => undefined;
    const setupAck = new Promise<void>((resolve) => {
      acknowledged = resolve;
    });
    let link: Link | undefined;
    try {
      this.#closing.signal.throwIfAborted();
      if (this.#options.login !== undefined) await this.#login(this.#options.login, server, attempt.signal);
      link = await this.#options.transport.connect(
        server,
        (message) => this.#received(link, message, acknowledged),
        attempt.signal,
      );
      const { closed } = link;
      void closed.then((reason) =>
        attempt.abort(reason ?? new Error("the connection was closed during the handshake")),
      );
      const connectionId = await this.#shakeHands(link, server, setupAck, attempt.signal);
      attempt.signal.throwIfAborted();
      const health = new HealthWatch(this.#runtime.clock, link, () => {
        this.counters.healthChecks += 1;
        return this.#headers();
      });
      const current: Current = { link, server, health, lost: new AbortController() };
      this.#up(current, connectionId);
      return current;
    } catch (error) {
      // Before the connection is ended here, which would look like a reason of its own.
      const cause = attempt.signal.aborted ? attempt.signal.reason : error;
      link?.destroy();
      await link?.closed;
      throw toError(cause);
    } finally {
      this.#closing.signal.removeEventListener("abort", stop);
    }
  }

  async #shakeHands(link: Link, server: ServerAddress, setupAck: Promise<void>, signal: AbortSignal): Promise<string> {
    const options = this.#options;
    const connectionId = await handshake(link, {
      clock: this.#runtime.clock,
      clientVersion: options.clientVersion,
      tenant: options.tenant,
      labels: options.labels,
      timeoutMs: options.timeoutMs,
      headers: () => this.#headers(),
      setupAck,
      signal,
    });
    await options.established?.(
      { server, request: async (type, body) => (await this.#ask(link, type, body, signal)).body },
      signal,
    );
    return connectionId;
  }

  #up(current: Current, connectionId: string): void {
    this.#current = current;
    this.#lastError = undefined;
    this.#epoch += 1;
    this.counters.sessions += 1;
    const epoch = this.#epoch;
    const address = grpcAddress(current.server);
    this.#state.set({ kind: "up", since: this.#wallTime(), server: address, epoch, connectionId });
    this.#options.onEvent?.({ kind: "connected", server: address, epoch, connectionId });
    for (const observer of this.#observers) observer.onUp(epoch);
  }

  #down(server: ServerAddress, error: Error, retryInMs: number): void {
    this.#lastError = error;
    this.#options.onEvent?.({ kind: "disconnected", server: grpcAddress(server), error, retryInMs });
    this.#state.set({ kind: "waiting", since: this.#wallTime(), error, failures: this.#backoff.attempts, retryInMs });
    for (const observer of this.#observers) observer.onDown(error);
  }

  #received(link: Link | undefined, message: Envelope, acknowledged: () => void): void {
    const current = this.#current;
    // What an ended connection still had in its buffers is of no use to its successor.
    if (link === undefined || (current !== undefined && current.link !== link)) return;
    this.counters.pushes += 1;
    const { type } = message;
    current?.health.touch();
    const acknowledge = (requestId: string): void => {
      const ack = { resultCode: 200, errorCode: 0, success: true, requestId };
      link.send(type.replace(/Request$/, "Response"), ack, this.#headers());
    };
    if (message.raw !== undefined && this.#onListPush !== undefined) {
      this.#onListPush({ type, raw: message.raw, acknowledge, refuse: (error) => link.destroy(error) });
      return;
    }
    const { body } = message;
    if (type === StreamType.connectReset) this.#preferred = resetTarget(body);
    this.#pushHandlers.get(type)?.(body);
    if (ACKNOWLEDGED.has(type)) acknowledge(asString(body.requestId));
    if (type === StreamType.setupAck) acknowledged();
    if (type === StreamType.connectReset) void link.close();
  }

  async #ask(link: Link, type: string, body: object, signal?: AbortSignal): Promise<Envelope> {
    this.counters.requests += 1;
    try {
      const answer = await link.request(
        type,
        { requestId: String(this.#nextRequest++), ...body },
        { headers: this.#headers(), timeoutMs: this.#options.timeoutMs, ...(signal === undefined ? {} : { signal }) },
      );
      if (this.#current?.link === link) this.#current.health.touch();
      // A refusal is short. A long list is read in small steps, its status with it.
      if ((answer.raw?.length ?? 0) > LONGEST_REFUSAL_BYTES) return answer;
      const status = readStatus(answer.body);
      if (status.success && answer.type !== ERROR_RESPONSE) return answer;
      const refusal = new NacosError(type, status);
      if (refusal.unregistered) link.destroy(refusal);
      throw refusal;
    } catch (error) {
      this.counters.requestFailures += 1;
      throw error;
    }
  }

  async #keepLoggedIn({ server, lost }: Current): Promise<void> {
    const { login } = this.#options;
    if (login === undefined) return;
    const { clock, random } = this.#runtime;
    const backoff = new Backoff(random, { initialMs: 1_000 });
    while (!lost.signal.aborted) {
      await pause(clock, Math.max(0, login.renewAt - clock.now()), lost.signal);
      if (lost.signal.aborted) return;
      try {
        await this.#login(login, server, lost.signal);
        backoff.reset();
      } catch {
        // The old token is good for another tenth of its time; a 403 would come back here too.
        await pause(clock, backoff.next(), lost.signal);
      }
    }
  }

  async #login(login: Login, server: ServerAddress, signal: AbortSignal): Promise<void> {
    this.counters.logins += 1;
    const address = httpAddress(server);
    try {
      await login.renew(server, signal);
      this.#options.onEvent?.({ kind: "login", server: address, error: undefined });
    } catch (error) {
      this.#options.onEvent?.({ kind: "login", server: address, error: toError(error) });
      throw error;
    }
  }

  #headers(): Readonly<Record<string, string>> {
    return this.#options.login?.headers ?? NO_HEADERS;
  }

  #wallTime(): number {
    return Math.floor(this.#runtime.clock.wallTime());
  }
}

const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({});
const ALREADY_LOST: AbortSignal = AbortSignal.abort(new Error("no session"));

const ACKNOWLEDGED: ReadonlySet<string> = new Set([
  StreamType.setupAck,
  StreamType.notifySubscriber,
  StreamType.configChangeNotify,
  StreamType.clientDetection,
  StreamType.connectReset,
]);

/** The server that ConnectReset names, if it names one. Its port is that of the HTTP API. */
function resetTarget(body: JsonObject): ServerAddress | undefined {
  const host = asString(body.serverIp);
  const httpPort = asNumber(body.serverPort, 0);
  return host === "" || httpPort === 0 ? undefined : { host, httpPort, grpcPort: httpPort + GRPC_PORT_OFFSET };
}

function describe(server: ServerAddress, error: Error): Error {
  const address = grpcAddress(server);
  return error.message.includes(address) ? error : new Error(`${address}: ${error.message}`, { cause: error });
}
