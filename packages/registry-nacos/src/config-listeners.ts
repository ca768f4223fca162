import { Reconciler, type Runtime, type Timer } from "@dubhe/concurrency";
import {
  type ConfigName,
  type ConfigService,
  type ConfigValue,
  configKey,
  configNameProblem,
} from "./config-service.js";
import { NacosError, toError } from "./errors.js";
import type { NacosEventListener } from "./events.js";
import { asString } from "./json.js";
import { ListenBatch } from "./listen-batch.js";
import { StreamType } from "./messages.js";
import type { NacosSession, SessionObserver } from "./session.js";
import { describeStatus, RETRY_BACKOFF } from "./subscriptions.js";

/** `value` undefined = there is no such configuration. */
export type ConfigEvent =
  | { readonly kind: "config"; readonly epoch: number; readonly seq: number; readonly value: ConfigValue | undefined }
  | { readonly kind: "error"; readonly epoch: number; readonly error: Error };

export type ConfigSink = (event: ConfigEvent) => void;

export interface ListenOptions {
  /** Also what was read after a notification and is as before comes: in between it may have been something else. */
  readonly everyRead?: boolean;
}

export interface ConfigListenerCounters {
  /** Listen requests' keys. */
  listens: number;
  queries: number;
  notifications: number;
  delivered: number;
  errors: number;
  /** Changes that only the periodic listen brought to light. */
  repaired: number;
}

interface Told {
  readonly everyRead: boolean;
  /** It has had its first event. */
  once: boolean;
}

interface Listener {
  readonly name: ConfigName;
  readonly sinks: Map<ConfigSink, Told>;
  value: ConfigValue | undefined;
  seq: number;
  /** What the last event said, if it was an error: the same is not said again with each attempt. */
  lastError: Error | undefined;
  /** Epoch in which `value` was last agreed with the server; 0 = never. */
  epoch: number;
  /** Epoch in which the server was told to notify us. */
  armedIn: number;
  /** Reasons so far to think that the server has something else than `value`, and how many of them the last read has met. */
  doubts: number;
  doubtsMet: number;
}

const isStale = ({ doubts, doubtsMet }: Listener): boolean => doubts !== doubtsMet;

/** All keys are listened to again now and then, with what is held: a lost notification shows in the answer. The Go client does so every 5 min. */
const RELISTEN_MS = 180_000;
const CONCURRENCY = 64;

/**
 * Listens to configurations. A notification says only that something changed: the content is queried then. A key is
 * armed by telling the server the md5 that is held, and it answers whether that is the newest; so after a reconnect only
 * what changed is queried, and a key that does not exist costs no query at all.
 */
export class ConfigListeners implements SessionObserver {
  readonly counters: ConfigListenerCounters = {
    listens: 0,
    queries: 0,
    notifications: 0,
    delivered: 0,
    errors: 0,
    repaired: 0,
  };
  readonly #runtime: Runtime;
  readonly #session: NacosSession;
  readonly #service: ConfigService;
  readonly #onEvent: NacosEventListener | undefined;
  readonly #listeners = new Map<string, Listener>();
  /** The desired value is a number: another one = look again. */
  readonly #wanted: Reconciler<string, number>;
  readonly #batch: ListenBatch;
  /** Epoch in which the server last agreed to notify us, by key. */
  readonly #armed = new Map<string, number>();
  /** Epoch in which it was asked to, and did not answer. */
  readonly #unanswered = new Map<string, number>();
  /** Periodic listens under way, by key. None rejects. */
  readonly #relistening = new Map<string, Promise<unknown>>();
  #nextLook = 1;
  #relisten: Timer | undefined;
  #closed = false;

  constructor(runtime: Runtime, session: NacosSession, service: ConfigService, onEvent?: NacosEventListener) {
    this.#runtime = runtime;
    this.#session = session;
    this.#service = service;
    this.#onEvent = onEvent;
    this.#batch = new ListenBatch(runtime.clock, (contexts, listen) => service.listen(contexts, listen));
    this.#wanted = new Reconciler<string, number>(runtime, {
      apply: (key, look, { signal, epoch }) => this.#apply(key, look, signal, epoch),
      onError: (key, error) => this.#failed(key, toError(error)),
      backoff: RETRY_BACKOFF,
      paused: true,
      concurrency: CONCURRENCY,
    });
    session.onPush(StreamType.configChangeNotify, (body) =>
      this.#notified({ group: asString(body.group), dataId: asString(body.dataId) }),
    );
    session.addObserver(this);
  }

  /** Several may listen to one key. The first event never comes inside this call; nothing comes after the disposal began. */
  listen(name: ConfigName, sink: ConfigSink, { everyRead = false }: ListenOptions = {}): AsyncDisposable {
    const key = configKey(name);
    let listener = this.#listeners.get(key);
    if (listener === undefined) {
      listener = {
        name,
        sinks: new Map(),
        value: undefined,
        seq: 0,
        lastError: undefined,
        epoch: 0,
        armedIn: 0,
        doubts: 0,
        doubtsMet: 0,
      };
      this.#listeners.set(key, listener);
      this.#look(key);
    }
    // Each listener is told apart, even if the same function comes twice.
    const own: ConfigSink = (event) => sink(event);
    listener.sinks.set(own, { everyRead, once: false });
    this.#introduce(listener, own);
    return { [Symbol.asyncDispose]: () => this.#dispose(key, listener, own) };
  }

  /** What is held may be old, as who has written and read it back knows before the server says so: it is read again, and not told to who comes meanwhile. */
  doubt(name: ConfigName): void {
    const key = configKey(name);
    const listener = this.#listeners.get(key);
    if (listener === undefined) return;
    listener.doubts += 1;
    this.#look(key);
  }

  onUp(epoch: number): void {
    this.#wanted.invalidate(epoch);
    this.#wanted.resume();
    this.#relisten?.cancel();
    this.#scheduleRelisten();
  }

  onDown(error: Error): void {
    this.#wanted.pause();
    this.#relisten?.cancel();
    for (const listener of this.#listeners.values()) this.#emitError(listener, error);
  }

  inspect(): object {
    const listeners = [...this.#listeners].map(([key, { name, value, epoch, sinks }]) => ({
      ...name,
      state: describeStatus(this.#wanted.status(key)),
      md5: value?.md5 ?? "",
      epoch,
      sinks: sinks.size,
    }));
    return { listeners, counters: { ...this.counters } };
  }

  /** The server forgets listeners with the connection, which is closed next. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#relisten?.cancel();
    for (const listener of this.#listeners.values()) listener.sinks.clear();
    this.#listeners.clear();
    await this.#wanted.close({ boundMs: 0 });
  }

  #look(key: string): void {
    this.#wanted.want(key, this.#nextLook++);
  }

  async #apply(key: string, look: number | undefined, signal: AbortSignal, epoch: number): Promise<void> {
    const listener = this.#listeners.get(key);
    if (look === undefined || listener === undefined) {
      const name = nameOf(key);
      if (configNameProblem(name) === undefined) await this.#unlisten(name, epoch);
      return;
    }
    if (listener.armedIn !== epoch) await this.#arm(listener, epoch);
    signal.throwIfAborted();
    if (isStale(listener)) await this.#pull(listener, signal, epoch);
    else if (listener.epoch !== epoch) this.#agree(listener, listener.value, epoch);
  }

  async #arm(listener: Listener, epoch: number): Promise<void> {
    const problem = configNameProblem(listener.name);
    if (problem !== undefined) throw new Error(`${listener.name.dataId} in group ${listener.name.group}: ${problem}`);
    this.counters.listens += 1;
    let changed: boolean;
    try {
      changed = await this.#batch.listen({ ...listener.name, md5: listener.value?.md5 ?? "" });
    } catch (error) {
      if (!(error instanceof NacosError)) this.#unanswered.set(configKey(listener.name), epoch);
      throw error;
    }
    if (this.#session.epoch !== epoch) return;
    listener.armedIn = epoch;
    if (changed) listener.doubts += 1;
    this.#armed.set(configKey(listener.name), epoch);
  }

  async #unlisten(name: ConfigName, epoch: number): Promise<void> {
    const key = configKey(name);
    // It would have the last word otherwise: what is asked in one turn is asked with listens last, and a server may take requests in any order.
    await this.#relistening.get(key);
    try {
      await this.#batch.unlisten(name);
    } catch (error) {
      // Who may not listen may not stop listening either.
      if (!(error instanceof NacosError) || this.#armed.get(key) === epoch) throw error;
      if (this.#unanswered.get(key) === epoch && !error.final) throw error;
    }
    this.#armed.delete(key);
    this.#unanswered.delete(key);
  }

  async #pull(listener: Listener, signal: AbortSignal, epoch: number): Promise<void> {
    this.counters.queries += 1;
    const { doubts } = listener;
    const value = await this.#service.query(listener.name, signal);
    signal.throwIfAborted();
    listener.doubtsMet = doubts;
    this.#agree(listener, value, epoch);
  }

  /** The server has this. Told to the sinks if it is news, the first of a session, or the end of an error. */
  #agree(listener: Listener, value: ConfigValue | undefined, epoch: number): void {
    const news = listener.epoch !== epoch || listener.value?.md5 !== value?.md5 || listener.lastError !== undefined;
    listener.value = value;
    listener.epoch = epoch;
    if (!news) {
      const { seq } = listener;
      for (const [sink, { everyRead, once }] of [...listener.sinks])
        if (everyRead || !once) this.#call(listener, sink, { kind: "config", epoch, seq, value });
      return;
    }
    listener.seq += 1;
    listener.lastError = undefined;
    this.counters.delivered += 1;
    this.#onEvent?.({ kind: "config", ...listener.name, epoch, present: value !== undefined });
    this.#emit(listener, { kind: "config", epoch, seq: listener.seq, value });
  }

  #notified(name: ConfigName): void {
    if (!this.#listeners.has(configKey(name))) return;
    this.counters.notifications += 1;
    this.doubt(name);
  }

  #failed(key: string, error: Error): void {
    const listener = this.#listeners.get(key);
    if (listener === undefined) return;
    this.#emitError(listener, error);
  }

  #emitError(listener: Listener, error: Error): void {
    this.counters.errors += 1;
    if (listener.lastError?.message === error.message) return;
    listener.lastError = error;
    this.#emit(listener, { kind: "error", epoch: this.#session.epoch, error });
  }

  /** Says what is known to one who comes later, or why nothing is; while it is being read, that tells him. */
  #introduce(listener: Listener, sink: ConfigSink): void {
    this.#runtime.clock.nextTurn(() => {
      if (listener.sinks.get(sink)?.once !== false) return;
      const { epoch, seq, value } = listener;
      const isAgreed = epoch !== 0 && epoch === this.#session.epoch;
      const error = listener.lastError ?? this.#session.lastError;
      if (isAgreed && !isStale(listener)) this.#call(listener, sink, { kind: "config", epoch, seq, value });
      else if (error !== undefined) this.#call(listener, sink, { kind: "error", epoch: this.#session.epoch, error });
    });
  }

  #emit(listener: Listener, event: ConfigEvent): void {
    for (const sink of [...listener.sinks.keys()]) this.#call(listener, sink, event);
  }

  #call(listener: Listener, sink: ConfigSink, event: ConfigEvent): void {
    const told = listener.sinks.get(sink);
    if (told === undefined) return;
    told.once = true;
    try {
      sink(event);
    } catch (error) {
      this.#runtime.report(error, `listener of ${listener.name.dataId}`);
    }
  }

  async #dispose(key: string, listener: Listener, sink: ConfigSink): Promise<void> {
    if (!listener.sinks.delete(sink)) return;
    if (listener.sinks.size > 0 || this.#listeners.get(key) !== listener) return;
    this.#listeners.delete(key);
    this.#wanted.unwant(key);
    await this.#wanted.settled(key, this.#session.lost).catch(() => undefined);
  }

  #scheduleRelisten(): void {
    if (this.#closed) return;
    const delay = RELISTEN_MS * (0.8 + 0.4 * this.#runtime.random.next());
    this.#relisten = this.#runtime.clock.setTimeout(() => void this.#relistenAll(), delay);
  }

  async #relistenAll(): Promise<void> {
    const { lost, epoch } = this.#session;
    const armed = [...this.#listeners.values()].filter((listener) => listener.armedIn === epoch && !isStale(listener));
    await Promise.all(armed.map((listener) => this.#relistenOne(listener)));
    if (!lost.aborted) this.#scheduleRelisten();
  }

  /** Never rejects: the next round, or the next session, tries again. */
  async #relistenOne(listener: Listener): Promise<void> {
    const held = listener.value?.md5 ?? "";
    const key = configKey(listener.name);
    const relistening = this.#batch.listen({ ...listener.name, md5: held }).catch(() => false);
    this.#relistening.set(key, relistening);
    const changed = await relistening;
    if (this.#relistening.get(key) === relistening) this.#relistening.delete(key);
    if (!changed || this.#listeners.get(key) !== listener || (listener.value?.md5 ?? "") !== held) return;
    this.counters.repaired += 1;
    this.doubt(listener.name);
  }
}

function nameOf(key: string): ConfigName {
  const at = key.indexOf("\0");
  return { group: key.slice(0, at), dataId: key.slice(at + 1) };
}
