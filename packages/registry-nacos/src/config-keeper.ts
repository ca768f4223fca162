import { Backoff, Reconciler, type Runtime, type Watched, WatchedCell } from "@dubhe/concurrency";
import type { MappingEntry, RegistrationState } from "@dubhe/discovery";
import type { ConfigEvent, ConfigListeners } from "./config-listeners.js";
import {
  ABSENT_MD5,
  type ConfigName,
  type ConfigService,
  type ConfigValue,
  configKey,
  configNameProblem,
} from "./config-service.js";
import { toError } from "./errors.js";
import type { NacosEventListener } from "./events.js";
import { pause } from "./pause.js";
import type { NacosSession, SessionObserver } from "./session.js";
import { describeStatus, RETRY_BACKOFF } from "./subscriptions.js";

export interface KeeperCounters {
  publishes: number;
  /** Somebody else wrote between our read and our write. */
  refused: number;
  /** Published without a condition, because the server's answers contradict its refusals. */
  forced: number;
  /** What was ours had gone again, and was put back. */
  healed: number;
}

/** What a configuration must contain. Given its content, returns what to write, or undefined when it is there. */
export type Demand = (content: string | undefined) => string | undefined;

interface Kept {
  readonly name: ConfigName;
  readonly entries: Set<KeptEntry>;
  readonly listening: AsyncDisposable;
  /** All demands were met once in this process: when they are not any more, somebody lost them. */
  metOnce: boolean;
}

/** A refused CAS is tried again after 20 ms .. 1 s, with jitter: many write a popular mapping at once. */
const CAS_BACKOFF = { initialMs: 20, maxMs: 1_000, jitter: 1 } as const;
/**
 * A 3.1.0 server whose entry was first written by several unconditional writers in the same millisecond may keep another
 * content in its database than in the dump that it answers queries from, for good (tried): the md5 that it tells is then
 * refused for ever. After so many refusals of one and the same md5, over so long, write without a condition; that
 * renews the dump, and whoever lost by it notices and writes again.
 */
const FORCE_AFTER_REFUSALS = 6;
const FORCE_AFTER_MS = 3_000;
/** Until what was published can be read: normally 30 to 60 ms, above 500 ms under load. */
const READ_BACK = { initialMs: 20, maxMs: 500, factor: 1.7, jitter: 0.3 } as const;
const READ_BACK_LIMIT_MS = 5_000;

/**
 * Keeps configurations as they are demanded, for ever: compare-and-set, read back, and again when a notification or a
 * new session shows that it is lost. Never removes anything.
 */
export class ConfigKeeper implements SessionObserver {
  readonly counters: KeeperCounters = { publishes: 0, refused: 0, forced: 0, healed: 0 };
  readonly #runtime: Runtime;
  readonly #service: ConfigService;
  readonly #listeners: ConfigListeners;
  readonly #session: NacosSession;
  readonly #onEvent: NacosEventListener | undefined;
  readonly #kept = new Map<string, Kept>();
  /** Another number = check again. */
  readonly #wanted: Reconciler<string, number>;
  #nextCheck = 1;

  constructor(
    runtime: Runtime,
    session: NacosSession,
    service: ConfigService,
    listeners: ConfigListeners,
    onEvent?: NacosEventListener,
  ) {
    this.#runtime = runtime;
    this.#session = session;
    this.#onEvent = onEvent;
    this.#service = service;
    this.#listeners = listeners;
    this.#wanted = new Reconciler<string, number>(runtime, {
      apply: (key, check, { signal }) => (check === undefined ? Promise.resolve() : this.#apply(key, signal)),
      onError: (key, error) => this.#each(key, (entry) => entry.set("failed", toError(error))),
      backoff: RETRY_BACKOFF,
      paused: true,
      concurrency: 32,
    });
    session.addObserver(this);
  }

  keep(name: ConfigName, demand: Demand): MappingEntry {
    const key = configKey(name);
    let kept = this.#kept.get(key);
    if (kept === undefined) {
      const listening = this.#listeners.listen(name, (event) => this.#seen(key, event), { everyRead: true });
      this.#kept.set(key, (kept = { name, entries: new Set(), listening, metOnce: false }));
    }
    const entry = new KeptEntry(this.#runtime, demand, () => this.#dispose(key, entry));
    kept.entries.add(entry);
    this.#check(key);
    const { lastError } = this.#session;
    if (!this.#session.up && lastError !== undefined) entry.set("pending", lastError);
    return entry;
  }

  onUp(epoch: number): void {
    for (const key of this.#kept.keys()) this.#each(key, (entry) => entry.set("pending", undefined));
    this.#wanted.invalidate(epoch);
    this.#wanted.resume();
  }

  onDown(error: Error): void {
    this.#wanted.pause();
    for (const key of this.#kept.keys()) this.#each(key, (entry) => entry.set("pending", error));
  }

  inspect(): object {
    const entries = [...this.#kept].map(([key, { name, entries }]) => ({
      ...name,
      state: describeStatus(this.#wanted.status(key)),
      entries: entries.size,
    }));
    return { entries, counters: { ...this.counters } };
  }

  async close(): Promise<void> {
    for (const key of this.#kept.keys()) this.#each(key, (entry) => entry.end());
    this.#kept.clear();
    await this.#wanted.close({ boundMs: 0 });
  }

  #check(key: string): void {
    this.#wanted.want(key, this.#nextCheck++);
  }

  /** The listener's view of the content: a reason to check again when a demand is not met by it. */
  #seen(key: string, event: ConfigEvent): void {
    const kept = this.#kept.get(key);
    if (event.kind === "error" || kept === undefined || !kept.metOnce) return;
    if (unmet(kept, event.value) === undefined) return;
    this.counters.healed += 1;
    this.#onEvent?.({ kind: "healing", ...kept.name });
    this.#each(key, (entry) => entry.set("pending", undefined));
    this.#check(key);
  }

  async #apply(key: string, signal: AbortSignal): Promise<void> {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    const problem = configNameProblem(kept.name);
    if (problem !== undefined) throw new Error(`${kept.name.dataId} in group ${kept.name.group}: ${problem}`);
    const { clock, random } = this.#runtime;
    const backoff = new Backoff(random, CAS_BACKOFF);
    const refusals = new Refusals();
    let value = await this.#service.query(kept.name, signal);
    for (;;) {
      signal.throwIfAborted();
      const met = [...kept.entries];
      const content = unmet(kept, value);
      if (content === undefined) {
        kept.metOnce = true;
        for (const entry of met) if (kept.entries.has(entry)) entry.set("confirmed", undefined);
        return;
      }
      const forced = refusals.stuck(clock.now());
      const cas = forced ? "" : (value?.md5 ?? ABSENT_MD5);
      this.counters.publishes += 1;
      if (forced) this.counters.forced += 1;
      const result = await this.#service.publish(kept.name, content, cas, signal);
      signal.throwIfAborted();
      if (result === "published") {
        refusals.clear();
        this.#onEvent?.({ kind: "published", ...kept.name, forced });
        value = await this.#readBack(kept, value, signal);
        // Not before: for a moment the server answers from before the write.
        this.#listeners.doubt(kept.name);
      } else {
        this.counters.refused += 1;
        refusals.add(cas, clock.now());
        await pause(clock, backoff.next(), signal);
        value = await this.#service.query(kept.name, signal);
      }
    }
  }

  /** Reads until the demands are met, or the content is another than before the publish: then somebody overwrote it. */
  async #readBack(kept: Kept, before: ConfigValue | undefined, signal: AbortSignal): Promise<ConfigValue | undefined> {
    const { clock, random } = this.#runtime;
    const backoff = new Backoff(random, READ_BACK);
    const deadline = clock.now() + READ_BACK_LIMIT_MS;
    for (;;) {
      const value = await this.#service.query(kept.name, signal);
      if (unmet(kept, value) === undefined || value?.md5 !== before?.md5 || clock.now() >= deadline) return value;
      await pause(clock, backoff.next(), signal);
      signal.throwIfAborted();
    }
  }

  async #dispose(key: string, entry: KeptEntry): Promise<void> {
    entry.end();
    const kept = this.#kept.get(key);
    if (kept === undefined || !kept.entries.delete(entry) || kept.entries.size > 0) return;
    this.#kept.delete(key);
    this.#wanted.unwant(key);
    await kept.listening[Symbol.asyncDispose]();
  }

  #each(key: string, fn: (entry: KeptEntry) => void): void {
    for (const entry of this.#kept.get(key)?.entries ?? []) fn(entry);
  }
}

/** What must be written so that all demands are met; undefined when they are. */
function unmet(kept: Kept, value: ConfigValue | undefined): string | undefined {
  let content = value?.content;
  let changed = false;
  for (const { demand } of kept.entries) {
    const next = demand(content);
    if (next === undefined) continue;
    content = next;
    changed = true;
  }
  return changed ? content : undefined;
}

/** Refusals of one md5, in a row. */
class Refusals {
  #md5 = "";
  #count = 0;
  #since = 0;

  add(md5: string, now: number): void {
    if (md5 !== this.#md5) {
      this.#md5 = md5;
      this.#count = 0;
      this.#since = now;
    }
    this.#count += 1;
  }

  stuck(now: number): boolean {
    return this.#count >= FORCE_AFTER_REFUSALS && now - this.#since >= FORCE_AFTER_MS;
  }

  clear(): void {
    this.#md5 = "";
    this.#count = 0;
  }
}

class KeptEntry implements MappingEntry {
  readonly demand: Demand;
  readonly #state: WatchedCell<RegistrationState>;
  readonly #dispose: () => Promise<void>;
  #error: Error | undefined;
  #disposed: Promise<void> | undefined;

  constructor(runtime: Runtime, demand: Demand, dispose: () => Promise<void>) {
    this.demand = demand;
    this.#state = new WatchedCell<RegistrationState>(runtime, "pending");
    this.#dispose = dispose;
  }

  get state(): Watched<RegistrationState> {
    return this.#state;
  }

  get error(): Error | undefined {
    return this.#error;
  }

  set(state: RegistrationState, error: Error | undefined): void {
    this.#error = error;
    if (!this.#state.closed) this.#state.set(state);
  }

  end(): void {
    this.#state.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }
}
