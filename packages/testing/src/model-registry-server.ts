import { type Clock, createRandom, type Random, type Runtime } from "@dubhe/concurrency";
import {
  createInstance,
  type Instance,
  type InstanceInit,
  type InterfaceProvider,
  instanceKey,
  RegistryStore,
  type SessionConfiguration,
  type SessionInstances,
  type SessionMapping,
  type SessionProviders,
} from "@dubhe/discovery";
import { ModelHistory } from "./model-registry-history.js";
import { ModelSession } from "./model-registry-session.js";

export interface ModelRegistryOptions {
  /** Of its chance: latencies, lateness, failures. Default 1. */
  readonly seed?: number;
  /** Default `model`. Servers with different names are different clusters. */
  readonly name?: string;
  /** Of each way of a request and of each push, drawn anew each time: pushes may overtake each other. Default 1..20 ms. */
  readonly latencyMs?: readonly [min: number, max: number];
  /** Changes within so long after the first share one push. Default 500, as Nacos. */
  readonly pushMergeMs?: number;
  /** A read may show what was true up to so long ago. Default 300. */
  readonly lateReadMs?: number;
  /** How long the server keeps what a vanished client registered. Default 10 000. */
  readonly sessionTimeoutMs?: number;
  /** After how long a cut off client notices. Default 5 000. */
  readonly detectMs?: number;
  /** The part of all requests that fails, half of those after taking effect. Default 0. */
  readonly failureRate?: number;
}

export type ModelOperation =
  | "connect"
  | "register"
  | "deregister"
  | "watch-instances"
  | "read-instances"
  | "watch-mapping"
  | "read-mapping"
  | "write-mapping"
  | "read-metadata"
  | "write-metadata"
  | "list-metadata"
  | "remove-metadata"
  | "register-provider"
  | "deregister-provider"
  | "watch-providers"
  | "read-providers"
  | "watch-configuration"
  | "read-configuration"
  | "list-names";

/** Plain counters; read them, never write them. */
export interface ModelCounters {
  connects: number;
  requests: number;
  failed: number;
  instanceReads: number;
  mappingReads: number;
  mappingWrites: number;
  mappingConflicts: number;
  metadataWrites: number;
  metadataRemovals: number;
  providerReads: number;
  pushes: number;
  /** Most reads of one application by one session at the same time. */
  concurrentReads: number;
  /** Watches armed so far. */
  instanceWatches: number;
  mappingWatches: number;
  providerWatches: number;
}

/** Holds what the test itself puts, as the peers that it stands for. */
class Peer {}

/**
 * A registry server that is as unkind as the real ones: slow, in a random but repeatable way, late in its reads, merging its
 * pushes and letting them overtake each other, forgetting everything when it restarts, keeping the dead for a while. A test
 * moves it through its public methods; `modelRegistry` makes clients of it.
 */
export class ModelRegistryServer {
  /** What is true. A change through it is pushed as any other. */
  readonly store: RegistryStore = new RegistryStore();
  readonly counters: ModelCounters = {
    connects: 0,
    requests: 0,
    failed: 0,
    instanceReads: 0,
    mappingReads: 0,
    mappingWrites: 0,
    mappingConflicts: 0,
    metadataWrites: 0,
    metadataRemovals: 0,
    providerReads: 0,
    pushes: 0,
    concurrentReads: 0,
    instanceWatches: 0,
    mappingWatches: 0,
    providerWatches: 0,
  };
  readonly clock: Clock;
  readonly random: Random;
  readonly options: Required<ModelRegistryOptions>;
  readonly #sessions = new Set<ModelSession>();
  readonly #peers = new Peer();
  readonly #oldInstances: ModelHistory<SessionInstances>;
  readonly #oldMappings: ModelHistory<SessionMapping>;
  readonly #oldProviders: ModelHistory<SessionProviders>;
  readonly #oldConfiguration: ModelHistory<SessionConfiguration>;
  readonly #failures = new Map<ModelOperation, number>();
  readonly #cutOff = new Set<string>();
  #up = true;
  #slowMs = 0;

  constructor(runtime: Runtime, options: ModelRegistryOptions = {}) {
    this.clock = runtime.clock;
    this.random = createRandom(options.seed ?? 1);
    this.options = {
      seed: options.seed ?? 1,
      name: options.name ?? "model",
      latencyMs: options.latencyMs ?? [1, 20],
      pushMergeMs: options.pushMergeMs ?? 500,
      lateReadMs: options.lateReadMs ?? 300,
      sessionTimeoutMs: options.sessionTimeoutMs ?? 10_000,
      detectMs: options.detectMs ?? 5_000,
      failureRate: options.failureRate ?? 0,
    };
    this.#oldInstances = new ModelHistory(this.clock, this.options.lateReadMs);
    this.#oldMappings = new ModelHistory(this.clock, this.options.lateReadMs);
    this.#oldProviders = new ModelHistory(this.clock, this.options.lateReadMs);
    this.#oldConfiguration = new ModelHistory(this.clock, this.options.lateReadMs);
  }

  get id(): string {
    return `model:${this.options.name}`;
  }

  get up(): boolean {
    return this.#up;
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  /** Sessions that watch the application now. */
  watchers(application: string): number {
    let count = 0;
    for (const session of this.#sessions) if (session.watchesInstances(application)) count++;
    return count;
  }

  /** Sessions that watch the mapping of the interface now. */
  mappingWatchers(serviceInterface: string): number {
    let count = 0;
    for (const session of this.#sessions) if (session.watchesMapping(serviceInterface)) count++;
    return count;
  }

  /** Sessions that watch the providers of the interface now. */
  providerWatchers(serviceInterface: string): number {
    let count = 0;
    for (const session of this.#sessions) if (session.watchesProviders(serviceInterface)) count++;
    return count;
  }

  /** Watches of all kinds, of all sessions. */
  get watches(): number {
    let count = 0;
    for (const session of this.#sessions) count += session.watches;
    return count;
  }

  /** Instances and providers that go with their sessions. */
  get ephemerals(): number {
    return this.store.heldEntries;
  }

  /** `host:port` of the instances that are there, sorted. */
  addresses(application: string): readonly string[] {
    return this.store.instances(application).instances.map(instanceKey).sort();
  }

  /** A provider that is no client of ours registers, or changes. */
  put(init: InstanceInit): Instance {
    const instance = createInstance(init);
    this.#noteInstances(instance.application);
    this.store.put(instance, this.#peers);
    return instance;
  }

  /** It leaves. */
  remove(application: string, host: string, port: number): void {
    this.#noteInstances(application);
    this.store.remove(application, instanceKey({ host, port }), this.#peers);
  }

  /** The same of the interface-level model. */
  putProvider(provider: InterfaceProvider): void {
    this.#noteProviders(provider.service.name);
    this.store.putProvider(provider, this.#peers);
  }

  removeProvider(provider: InterfaceProvider): void {
    this.#noteProviders(provider.service.name);
    this.store.removeProvider(provider, this.#peers);
  }

  /** Somebody writes into the configuration centre; `undefined` removes the entry. */
  configure(group: string, key: string, value: string | undefined): void {
    this.#oldConfiguration.note(`${group} ${key}`, this.store.configuration(group, key));
    this.store.setConfiguration(group, key, value);
  }

  /** An entry that cannot be read; without a reason it goes. */
  garbage(application: string, id: string, reason: string | undefined = "payload is not JSON"): void {
    this.#noteInstances(application);
    this.store.setMalformed(application, id, reason);
  }

  removeGarbage(application: string, id: string): void {
    this.store.setMalformed(application, id, undefined);
  }

  /** Somebody else maps the interface to an application. */
  map(serviceInterface: string, ...applications: readonly string[]): void {
    const old = this.store.mapping(serviceInterface);
    this.#oldMappings.note(serviceInterface, old);
    const names = new Set([...(old.value === undefined ? [] : old.value.split(",")), ...applications]);
    this.store.setMapping(serviceInterface, [...names].join(","), old);
  }

  /** Trouble in the server: watchers of the application are pushed an empty list, newer than all before, which is not true. */
  pushEmpty(application: string): void {
    const { seq } = this.store.instances(application);
    for (const session of this.#sessions) session.pushInstances(application, { seq, instances: [], malformed: [] });
  }

  /** As `pushEmpty`, to those who watch the providers of the interface. */
  pushNoProviders(serviceInterface: string): void {
    const { seq } = this.store.providers(serviceInterface);
    for (const session of this.#sessions)
      session.pushProviders(serviceInterface, { seq, providers: [], malformed: [] });
  }

  /** The next `count` requests of this kind fail without effect. */
  fail(operation: ModelOperation, count: number): void {
    this.#failures.set(operation, count);
  }

  /** All sessions break; after `downMs` it takes connections again, by default with everything forgotten. */
  restart(options: { readonly wipe?: boolean; readonly downMs?: number } = {}): void {
    this.#up = false;
    for (const session of [...this.#sessions]) this.#endSession(session, "the registry restarted");
    if (options.wipe !== false) {
      this.store.wipe();
      this.#oldInstances.clear();
      this.#oldMappings.clear();
      this.#oldProviders.clear();
      this.#oldConfiguration.clear();
    }
    this.clock.setTimeout(() => {
      this.#up = true;
    }, options.downMs ?? 0);
  }

  /** The connections of this client (default: of all) break. What it registered stays for `sessionTimeoutMs`. */
  dropSessions(client?: string): void {
    for (const session of [...this.#sessions]) {
      if (client !== undefined && session.client !== client) continue;
      this.#sessions.delete(session);
      session.end(new Error("connection reset"));
      this.#forgetLater(session);
    }
  }

  /** The connections of this client (default: of all) break for `downMs`, but their sessions live on, as those of ZooKeeper do. */
  dropConnections(client?: string, downMs = 200): void {
    for (const session of this.#sessions) {
      if (client !== undefined && session.client !== client) continue;
      session.suspend(new Error("connection reset"));
      this.clock.setTimeout(() => session.resume(), downMs);
    }
  }

  /** From now on everything takes so much longer on its way. */
  slowDown(ms: number): void {
    this.#slowMs = ms;
  }

  /** The server forgets the client, which notices at its next request or after `detectMs`. */
  expireSessions(client?: string): void {
    for (const session of [...this.#sessions])
      if (client === undefined || session.client === client) this.#expire(session);
  }

  /** Nothing passes between the server and this client, and nobody is told. */
  cutOff(client: string): void {
    this.#cutOff.add(client);
    for (const session of [...this.#sessions]) {
      if (session.client !== client) continue;
      this.clock.setTimeout(() => {
        if (!this.isCutOff(client)) return;
        this.#sessions.delete(session);
        session.end(new Error("no answer to keep-alive"));
      }, this.options.detectMs);
      this.clock.setTimeout(() => {
        if (this.isCutOff(client) || !this.#sessions.has(session)) this.store.removeHolder(session);
      }, this.options.sessionTimeoutMs);
    }
  }

  rejoin(client: string): void {
    this.#cutOff.delete(client);
  }

  isCutOff(client: string): boolean {
    return this.#cutOff.has(client);
  }

  /** @internal */
  connect(client: string): ModelSession {
    this.counters.connects++;
    const session = new ModelSession(this, client);
    this.#sessions.add(session);
    return session;
  }

  /** @internal The client closed it. */
  disconnect(session: ModelSession): void {
    this.#sessions.delete(session);
    this.store.removeHolder(session);
  }

  /** @internal */
  latency(): number {
    const [min, max] = this.options.latencyMs;
    return this.#slowMs + min + (max - min) * this.random.next();
  }

  /** @internal Whether this request fails, and whether it takes effect all the same. */
  drawFailure(operation: ModelOperation): "none" | "before" | "after" {
    const due = this.#failures.get(operation) ?? 0;
    if (due > 0) {
      this.#failures.set(operation, due - 1);
      return "before";
    }
    if (this.options.failureRate === 0 || this.random.next() >= this.options.failureRate) return "none";
    return this.random.next() < 0.5 ? "before" : "after";
  }

  /** @internal Possibly what was true a moment ago. */
  readInstances(application: string): SessionInstances {
    return this.#oldInstances.since(application, this.#readTime()) ?? this.store.instances(application);
  }

  /** @internal */
  readMapping(serviceInterface: string): SessionMapping {
    return this.#oldMappings.since(serviceInterface, this.#readTime()) ?? this.store.mapping(serviceInterface);
  }

  /** @internal */
  readProviders(serviceInterface: string): SessionProviders {
    return this.#oldProviders.since(serviceInterface, this.#readTime()) ?? this.store.providers(serviceInterface);
  }

  /** @internal */
  readConfiguration(group: string, key: string): SessionConfiguration {
    return this.#oldConfiguration.since(`${group} ${key}`, this.#readTime()) ?? this.store.configuration(group, key);
  }

  /** @internal Whether a read of now may show what is no longer true. */
  changedLately(what: "instances" | "mapping" | "providers" | "configuration", name: string): boolean {
    const history = {
      instances: this.#oldInstances,
      mapping: this.#oldMappings,
      providers: this.#oldProviders,
      configuration: this.#oldConfiguration,
    }[what];
    return history.since(name, this.clock.now() - this.options.lateReadMs) !== undefined;
  }

  /** @internal */
  change(application: string, session: ModelSession, fn: () => void): void {
    this.#noteInstances(application);
    this.#alive(session, fn);
  }

  /** @internal */
  changeProviders(serviceInterface: string, session: ModelSession, fn: () => void): void {
    this.#noteProviders(serviceInterface);
    this.#alive(session, fn);
  }

  /** @internal */
  writeMapping(serviceInterface: string, value: string, read: SessionMapping): boolean {
    const old = this.store.mapping(serviceInterface);
    const written = this.store.setMapping(serviceInterface, value, read);
    if (written) this.#oldMappings.note(serviceInterface, old);
    this.counters.mappingWrites++;
    if (!written) this.counters.mappingConflicts++;
    return written;
  }

  #readTime(): number {
    return this.clock.now() - this.options.lateReadMs * this.random.next();
  }

  #alive(session: ModelSession, fn: () => void): void {
    if (this.#sessions.has(session)) fn();
    else throw new Error("the session has expired");
  }

  #noteProviders(serviceInterface: string): void {
    this.#oldProviders.note(serviceInterface, this.store.providers(serviceInterface));
  }

  #noteInstances(application: string): void {
    this.#oldInstances.note(application, this.store.instances(application));
  }

  #expire(session: ModelSession): void {
    this.#sessions.delete(session);
    this.store.removeHolder(session);
    session.expire(this.options.detectMs);
  }

  #endSession(session: ModelSession, why: string): void {
    this.#sessions.delete(session);
    session.end(new Error(why));
    this.#forgetLater(session);
  }

  #forgetLater(session: ModelSession): void {
    this.clock.setTimeout(() => this.store.removeHolder(session), this.options.sessionTimeoutMs);
  }
}
