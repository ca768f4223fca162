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
import { type Instance, instanceKey } from "./instance.js";
import { type MetadataInfo, parseMetadataInfo } from "./metadata-info.js";
import type {
  InstancesEvent,
  InstancesWatch,
  MappingEntry,
  MappingEvent,
  MetadataReport,
  Registration,
  Registry,
  RegistryHealth,
  ServiceNameMapping,
} from "./registry.js";
import type { RegistryDriver, RegistrySession } from "./registry-driver.js";
import {
  InstancesWatchTask,
  MappingEntryTask,
  MappingWatchTask,
  MetadataTask,
  RegistrationTask,
  type SessionContext,
  type SessionTask,
} from "./session-tasks.js";
import { toError } from "./to-error.js";

export interface SessionRegistryOptions {
  /** Limit of one request to the server. Default 3 000 ms. */
  readonly requestTimeoutMs?: number;
  /** Between failed attempts of one task, and between sessions. Default 100 ms doubling to 10 s. */
  readonly backoff?: BackoffOptions;
  /** How often what was confirmed is checked again, since a server may lose it without ending the session. Default 30 000 ms. */
  readonly verifyMs?: number;
  /** Limit of `close`. Default 5 000 ms. */
  readonly closeMs?: number;
}

/** A session that lived for less counts as a failed one for the pace of reconnecting. */
const STABLE_SESSION_MS = 10_000;

/**
 * A `Registry` over a driver: holds what is wanted as the keys of a Reconciler, and applies all of it again in each session.
 * The session is itself what another Reconciler wants; when it ends, the work pauses until there is a new one, with a new
 * epoch.
 *
 *     connecting ─▶ up ─session ended─▶ down ─▶ up …
 *     connecting ─attempt failed─▶ down
 *     any ─close─▶ closed
 */
export class SessionRegistry implements Registry {
  readonly id: string;
  readonly mapping: ServiceNameMapping;
  readonly metadata: MetadataReport;
  readonly #runtime: Runtime;
  readonly #driver: RegistryDriver;
  readonly #requestTimeoutMs: number;
  readonly #verifyMs: number;
  readonly #closeMs: number;
  readonly #health: WatchedCell<RegistryHealth>;
  readonly #connector: Reconciler<"session", number>;
  readonly #work: Reconciler<string, SessionTask>;
  /** The newest task of each key. */
  readonly #tasks = new Map<string, SessionTask>();
  readonly #pace: Backoff;
  #session: { readonly session: RegistrySession; readonly epoch: number; readonly since: number } | undefined;
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
    this.mapping = {
      watch: (serviceInterface, sink) => this.#watchMapping(serviceInterface, sink),
      add: (serviceInterface, application) => this.#addMapping(serviceInterface, application),
    };
    this.metadata = {
      fetch: (application, revision, signal) => this.#fetchMetadata(application, revision, signal),
      publish: (info) => this.#publishMetadata(info),
    };
    this.#connector.want("session", 0);
    this.#scheduleVerify();
  }

  get health(): Watched<RegistryHealth> {
    return this.#health;
  }

  watch(application: string, sink: (event: InstancesEvent) => void): InstancesWatch {
    const task = new InstancesWatchTask(application, sink);
    this.#want(`watch ${application}`, task);
    return {
      refresh: () => this.#again(`watch ${application}`, task),
      [Symbol.asyncDispose]: () => this.#unwant(`watch ${application}`, task),
    };
  }

  register(instance: Instance): Registration {
    const key = `instance ${instance.application} ${instanceKey(instance)}`;
    const task = new RegistrationTask(this.#runtime, instance);
    this.#want(key, task);
    return {
      state: task.state,
      get error() {
        return task.error;
      },
      update: (next) => {
        if (task.replace(next)) this.#again(key, task);
      },
      [Symbol.asyncDispose]: () => this.#unwant(key, task),
    };
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

  #watchMapping(serviceInterface: string, sink: (event: MappingEvent) => void): AsyncDisposable {
    const key = `mapping-watch ${serviceInterface}`;
    const task = new MappingWatchTask(serviceInterface, sink);
    this.#want(key, task);
    return { [Symbol.asyncDispose]: () => this.#unwant(key, task) };
  }

  #addMapping(serviceInterface: string, application: string): MappingEntry {
    return this.#entry(
      `mapping ${serviceInterface} ${application}`,
      () => new MappingEntryTask(this.#runtime, serviceInterface, application),
    );
  }

  #publishMetadata(info: MetadataInfo): MappingEntry {
    return this.#entry(`metadata ${info.app} ${info.revision}`, () => new MetadataTask(this.#runtime, info));
  }

  /** Those who want the same entry share the task, which ends with the last of them. */
  #entry(key: string, create: () => MappingEntryTask | MetadataTask): MappingEntry {
    let task = this.#tasks.get(key) as MappingEntryTask | MetadataTask | undefined;
    if (task === undefined) {
      task = create();
      this.#want(key, task);
    }
    const shared = task;
    shared.holders++;
    let held = true;
    return {
      state: shared.state,
      get error() {
        return shared.error;
      },
      [Symbol.asyncDispose]: async () => {
        if (!held) return;
        held = false;
        shared.holders--;
        if (shared.holders === 0) await this.#unwant(key, shared);
      },
    };
  }

  async #fetchMetadata(application: string, revision: string, signal: AbortSignal): Promise<MetadataInfo | undefined> {
    const current = this.#session;
    if (current === undefined)
      throw new Error(`${this.id} is ${this.#health.value.state}`, { cause: this.#health.value.error });
    const text = await this.#bounded(`metadata of ${application}`, signal, (s) =>
      current.session.readMetadata(application, revision, s),
    );
    if (text === undefined) return undefined;
    const parsed = parseMetadataInfo(text);
    if (!parsed.ok) throw new Error(parsed.reason);
    return parsed.info;
  }

  #want(key: string, task: SessionTask): void {
    if (this.#closing !== undefined) return task.end();
    this.#tasks.get(key)?.end(); // who comes later takes over
    this.#tasks.set(key, task);
    this.#work.want(key, task);
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
    // Without a session there is nothing to withdraw from: it took what it held with it.
    const noSession = new AbortController();
    const lost = this.#health.until((health) => health.state !== "up", noSession.signal).catch(() => undefined);
    const withdrawn = this.#work.settled(key).catch(() => undefined);
    await Promise.race([lost, withdrawn]);
    noSession.abort();
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
    const session = await this.#bounded(`connect to ${this.id}`, signal, async (s) => {
      const opened = await this.#driver.connect(s);
      if (s.aborted) await opened.close(); // nobody waits for it any more
      return opened;
    });
    const { clock } = this.#runtime;
    this.#epoch++;
    const current = { session, epoch: this.#epoch, since: clock.now() };
    this.#session = current;
    session.onEnd((reason) => this.#sessionEnded(current, reason));
    this.#setHealth("up");
    this.#work.resume();
  }

  #connectFailed(error: Error): void {
    if (this.#closing !== undefined) return;
    this.#setHealth("down", error);
    for (const task of this.#tasks.values()) task.unreachable(error, this.#epoch);
  }

  #sessionEnded(ended: { readonly since: number }, reason: Error): void {
    if (this.#session !== ended) return;
    this.#session = undefined;
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
        if (this.#session !== undefined) {
          for (const [key, task] of this.#tasks) if (task.verifiable) this.#again(key, task);
        }
        this.#scheduleVerify();
      },
      this.#verifyMs * (0.8 + 0.4 * random.next()),
    );
  }
}
