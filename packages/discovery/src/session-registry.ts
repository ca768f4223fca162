import {
  type ApplyContext,
  Backoff,
  type BackoffOptions,
  type KeyStatus,
  Reconciler,
  type Runtime,
  type Watched,
  WatchedCell,
} from "@dubhe/concurrency";
import { bounded, sleep } from "./bounded.js";
import type { ConfigurationCenter } from "./configuration-center.js";
import { type Instance, instanceKey } from "./instance.js";
import type { InterfaceRegistry } from "./interface-registry.js";
import type {
  InstancesEvent,
  InstancesWatch,
  MetadataReport,
  Registration,
  Registry,
  RegistryHealth,
  RegistryNames,
  ServiceNameMapping,
} from "./registry.js";
import type { RegistryDriver, RegistrySession } from "./registry-driver.js";
import {
  keptRegistration,
  keptWatch,
  sessionConfiguration,
  sessionInterfaces,
  sessionMapping,
  sessionMetadata,
  sessionNames,
  type TaskKeeper,
} from "./session-facades.js";
import type { SessionContext, SessionTask } from "./session-task.js";
import { RegistrationTask } from "./session-tasks.js";
import { instancesWatch } from "./session-watch.js";
import { toError } from "./to-error.js";

export interface SessionRegistryOptions {
  /** Limit of one request to the server. Default 3 000 ms. */
  readonly requestTimeoutMs?: number;
  /** Limit of opening a session, which may have to try several servers. Default `requestTimeoutMs`. */
  readonly connectMs?: number;
  /** Between failed attempts of one task, and between sessions. Default 100 ms doubling to 10 s. */
  readonly backoff?: BackoffOptions;
  /** How often what was confirmed is checked again, since a server may lose it without ending the session. Default 30 000 ms. */
  readonly verifyMs?: number;
  /** Limit of `close`. Default 5 000 ms. */
  readonly closeMs?: number;
}

interface Session {
  readonly session: RegistrySession;
  readonly epoch: number;
  readonly since: number;
  /** Why it is silent now, although it may live on. */
  suspended: Error | undefined;
}

/** A session that lived for less counts as a failed one for the pace of reconnecting. */
const STABLE_SESSION_MS = 10_000;

/**
 * A `Registry` over a driver: holds what is wanted as the keys of a Reconciler, and applies all of it again in each session.
 * The session is itself what another Reconciler wants; when it ends, the work pauses until there is a new one, with a new
 * epoch.
 *
 *     connecting ─▶ up ─session ended─▶ down ─▶ up …
 *     up ⇄ suspended                   as `down` to others; what is confirmed stays so, in the same epoch
 *     connecting ─attempt failed─▶ down
 *     any ─close─▶ closed
 */
export class SessionRegistry implements Registry {
  readonly id: string;
  readonly mapping: ServiceNameMapping;
  readonly metadata: MetadataReport;
  readonly interfaces?: InterfaceRegistry;
  readonly configuration?: ConfigurationCenter;
  readonly names?: RegistryNames;
  readonly #runtime: Runtime;
  readonly #driver: RegistryDriver;
  readonly #requestTimeoutMs: number;
  readonly #connectMs: number;
  readonly #verifyMs: number;
  readonly #closeMs: number;
  readonly #health: WatchedCell<RegistryHealth>;
  readonly #connector: Reconciler<"session", number>;
  readonly #work: Reconciler<string, SessionTask>;
  /** The newest task of each key. */
  readonly #tasks = new Map<string, SessionTask>();
  readonly #pace: Backoff;
  readonly #keeper: TaskKeeper;
  #session: Session | undefined;
  /** Whether there is no session, not even a suspended one: nothing to withdraw from. */
  readonly #sessionless: WatchedCell<boolean>;
  #epoch = 0;
  /** The next attempt to connect is the first since a session ended: everybody else's is, too. */
  #justLost = false;
  #verifyTimer: { cancel(): void } | undefined;
  #closing: Promise<void> | undefined;

  constructor(runtime: Runtime, driver: RegistryDriver, options: SessionRegistryOptions = {}) {
    this.id = driver.id;
    this.#runtime = runtime;
    this.#driver = driver;
    this.#requestTimeoutMs = options.requestTimeoutMs ?? 3_000;
    this.#connectMs = options.connectMs ?? this.#requestTimeoutMs;
    this.#verifyMs = options.verifyMs ?? 30_000;
    this.#closeMs = options.closeMs ?? 5_000;
    const backoff = options.backoff ?? { initialMs: 100, maxMs: 10_000 };
    this.#pace = new Backoff(runtime.random, backoff);
    this.#health = new WatchedCell<RegistryHealth>(runtime, { state: "connecting", since: runtime.clock.wallTime() });
    this.#work = new Reconciler<string, SessionTask>(runtime, {
      paused: true,
      backoff,
      apply: (key, task, context) => this.#apply(key, task, context),
      equals: (a, b) => a === b && a.applied === b.version,
      onStatus: (key, status) => this.#onStatus(key, status),
    });
    this.#connector = new Reconciler<"session", number>(runtime, {
      backoff,
      apply: (_key, wanted, { signal }) => (wanted === undefined ? this.#disconnect() : this.#connect(signal)),
      onError: (_key, error) => this.#connectFailed(toError(error)),
    });
    this.#sessionless = new WatchedCell(runtime, true);
    this.#keeper = {
      runtime,
      want: (key, task) => this.#want(key, task),
      again: (key, task) => this.#again(key, task),
      unwant: (key, task) => this.#unwant(key, task),
      task: (key) => this.#tasks.get(key),
      request: (what, signal, fn) => this.#request(what, signal, fn),
      requestWhenUp: async (what, signal, fn) => {
        await this.#health.until((health) => health.state === "up", signal);
        return this.#request(what, signal, fn);
      },
    };
    const features = driver.features ?? {};
    this.mapping = sessionMapping(this.#keeper);
    this.metadata = sessionMetadata(this.#keeper, features.listMetadata === true);
    if (features.interfaces === true) this.interfaces = sessionInterfaces(this.#keeper);
    if (features.names === true) this.names = sessionNames(this.#keeper);
    if (features.configuration === true) this.configuration = sessionConfiguration(this.#keeper);
    this.#connector.want("session", 0);
    this.#scheduleVerify();
  }

  get health(): Watched<RegistryHealth> {
    return this.#health;
  }

  watch(application: string, sink: (event: InstancesEvent) => void): InstancesWatch {
    return keptWatch(this.#keeper, `watch ${application}`, instancesWatch(application, sink));
  }

  register(instance: Instance): Registration {
    const key = `instance ${instance.application} ${instanceKey(instance)}`;
    return keptRegistration(this.#keeper, key, new RegistrationTask(this.#runtime, instance));
  }

  inspect(): unknown {
    const tasks: Record<string, string> = {};
    for (const [key, status] of this.#work.state.value) tasks[key] = status.state;
    const health = this.#health.value;
    return {
      id: this.id,
      health: health.state,
      error: health.error?.message ?? null,
      since: health.since,
      epoch: this.#epoch,
      tasks,
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #request<T>(
    what: string,
    signal: AbortSignal,
    fn: (session: RegistrySession, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const current = this.#session;
    const health = this.#health.value;
    if (current === undefined || current.suspended !== undefined)
      throw new Error(`${this.id} is ${health.state}`, { cause: health.error });
    return this.#bounded(what, signal, (s) => fn(current.session, s));
  }

  #want(key: string, task: SessionTask): void {
    if (this.#closing !== undefined) return task.end();
    this.#tasks.get(key)?.end(); // who comes later takes over
    this.#tasks.set(key, task);
    this.#work.want(key, task);
    const current = this.#session;
    const reason = current?.suspended;
    if (current === undefined || reason === undefined) return;
    // It waits, and shall hear why, as those did that were there when it began; but not inside `watch`.
    this.#runtime.clock.nextTurn(() => {
      const stillSo = this.#session === current && current.suspended === reason;
      if (stillSo && this.#tasks.get(key) === task) task.suspended(reason, current.epoch);
    });
  }

  /** Applies the task again, although it is confirmed. */
  #again(key: string, task: SessionTask): void {
    if (this.#tasks.get(key) !== task) return;
    task.version++;
    this.#work.want(key, task);
  }

  async #unwant(key: string, task: SessionTask): Promise<void> {
    task.end();
    if (this.#tasks.get(key) !== task) return;
    this.#tasks.delete(key);
    this.#work.unwant(key);
    // Without a session there is nothing to withdraw from: it took what it held with it. A suspended one may live.
    const settled = new AbortController();
    const lost = this.#sessionless.until((none) => none, settled.signal).catch(() => undefined);
    const withdrawn = this.#work.settled(key).catch(() => undefined);
    await Promise.race([lost, withdrawn]);
    settled.abort();
  }

  async #apply(
    key: string,
    desired: SessionTask | undefined,
    { signal, attempted, confirmed }: ApplyContext<SessionTask>,
  ): Promise<void> {
    const current = this.#session;
    if (current === undefined) throw new Error(`${this.id} is ${this.#health.value.state}`);
    const context: SessionContext = {
      session: current.session,
      epoch: current.epoch,
      request: (fn) => this.#bounded(key, signal, fn),
      live: () => this.#session === current,
    };
    if (desired === undefined) return attempted?.withdraw(context);
    const { version } = desired;
    await desired.apply(context, confirmed === desired);
    desired.applied = version;
  }

  #bounded<T>(what: string, signal: AbortSignal, fn: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return bounded(this.#runtime.clock, this.#requestTimeoutMs, what, signal, fn);
  }

  #onStatus(key: string, status: KeyStatus | undefined): void {
    const task = this.#tasks.get(key);
    if (task === undefined || status === undefined) return;
    if (status.state === "settled") task.confirmed();
    else if (status.state === "retrying" && status.wanted) task.failed(toError(status.error), this.#epoch);
  }

  async #connect(signal: AbortSignal): Promise<void> {
    if (this.#justLost) await sleep(this.#runtime.clock, this.#pace.next(), signal);
    this.#justLost = false;
    const { clock } = this.#runtime;
    const session = await bounded(clock, this.#connectMs, `connect to ${this.id}`, signal, async (s) => {
      const opened = await this.#driver.connect(s);
      if (s.aborted) await opened.close(); // nobody waits for it any more
      return opened;
    });
    this.#epoch++;
    const current: Session = { session, epoch: this.#epoch, since: clock.now(), suspended: undefined };
    this.#session = current;
    this.#sessionless.set(false);
    session.onEnd((reason) => this.#sessionEnded(current, reason));
    session.onSuspend?.((reason) => (reason === undefined ? this.#resumed(current) : this.#suspended(current, reason)));
    this.#setHealth("up");
    this.#work.resume();
  }

  #connectFailed(error: Error): void {
    if (this.#closing !== undefined) return;
    this.#setHealth("down", error);
    for (const task of this.#tasks.values()) task.unreachable(error, this.#epoch);
  }

  /** What is confirmed may hold; what watchers know may be out of date. */
  #suspended(current: Session, reason: Error): void {
    if (this.#session !== current || this.#closing !== undefined) return;
    current.suspended = reason;
    this.#work.pause();
    this.#setHealth("down", reason);
    for (const task of this.#tasks.values()) task.suspended(reason, current.epoch);
  }

  #resumed(current: Session): void {
    if (this.#session !== current || current.suspended === undefined) return;
    current.suspended = undefined;
    this.#setHealth("up");
    for (const [key, task] of this.#tasks) if (task.reads) this.#again(key, task);
    this.#work.resume();
  }

  #sessionEnded(ended: Session, reason: Error): void {
    if (this.#session !== ended) return;
    this.#session = undefined;
    this.#sessionless.set(true);
    if (this.#runtime.clock.now() - ended.since >= STABLE_SESSION_MS) this.#pace.reset();
    this.#work.pause();
    // An epoch without a session: what was confirmed is gone with the old one.
    this.#epoch++;
    this.#work.invalidate(this.#epoch);
    for (const task of this.#tasks.values()) task.lost();
    this.#connectFailed(reason);
    this.#justLost = true;
    this.#connector.want("session", this.#epoch);
  }

  async #disconnect(): Promise<void> {
    const current = this.#session;
    this.#session = undefined;
    this.#sessionless.set(true);
    await current?.session.close();
  }

  async #close(): Promise<void> {
    this.#verifyTimer?.cancel();
    for (const task of this.#tasks.values()) task.end();
    await this.#work.close({ boundMs: this.#closeMs });
    await this.#connector.close({ boundMs: 1_000 });
    this.#tasks.clear();
    this.#setHealth("closed");
    this.#health.close();
    this.#sessionless.close();
  }

  #setHealth(state: RegistryHealth["state"], error?: Error): void {
    const old = this.#health.value;
    if (old.state === state && old.error?.message === error?.message) return;
    const since = this.#runtime.clock.wallTime();
    this.#health.set(error === undefined ? { state, since } : { state, since, error });
  }

  #scheduleVerify(): void {
    const { clock, random } = this.#runtime;
    this.#verifyTimer = clock.setTimeout(
      () => {
        if (this.#session !== undefined && this.#session.suspended === undefined) {
          for (const [key, task] of this.#tasks) if (task.verifiable) this.#again(key, task);
        }
        this.#scheduleVerify();
      },
      this.#verifyMs * (0.8 + 0.4 * random.next()),
    );
  }
}
