import { offAbort, onAbort, type Timer } from "@dubhe/concurrency";
import {
  type ConfigurationSession,
  type Instance,
  type InterfaceSession,
  instanceKey,
  type RegistrySession,
  refKey,
  type SessionInstances,
  type SessionMapping,
  type SessionProviders,
} from "@dubhe/discovery";
import type { ModelOperation, ModelRegistryServer } from "./model-registry-server.js";
import { ModelWatch } from "./model-registry-watch.js";

/** One connection of a client to the model server: every request and push takes its random time on the way. */
export class ModelSession implements RegistrySession {
  readonly client: string;
  readonly interfaces: InterfaceSession;
  readonly configuration: ConfigurationSession;
  readonly #server: ModelRegistryServer;
  readonly #watches = new Map<string, Disposable>();
  readonly #reading = new Map<string, number>();
  readonly #broken: AbortController = new AbortController();
  #onEnd: ((reason: Error) => void) | undefined;
  #onSuspend: ((reason: Error | undefined) => void) | undefined;
  /** Fires when the connection of now breaks; the session may live on. */
  #connection: AbortController = new AbortController();
  #suspended: Error | undefined;
  #expired = false;
  #detectTimer: Timer | undefined;

  constructor(server: ModelRegistryServer, client: string) {
    this.#server = server;
    this.client = client;
    this.interfaces = this.#makeInterfaces();
    this.configuration = this.#makeConfiguration();
  }

  get watches(): number {
    return this.#watches.size;
  }

  watchesInstances(application: string): boolean {
    return this.#watches.has(`instances ${application}`);
  }

  watchesMapping(serviceInterface: string): boolean {
    return this.#watches.has(`mapping ${serviceInterface}`);
  }

  watchesProviders(serviceInterface: string): boolean {
    for (const key of this.#watches.keys()) if (key.startsWith(`providers ${serviceInterface} `)) return true;
    return false;
  }

  /** The connection breaks. */
  end(reason: Error): void {
    if (this.#broken.signal.aborted) return;
    this.#detectTimer?.cancel();
    this.#unwatchAll();
    this.#broken.abort(reason);
    this.#server.clock.nextTurn(() => this.#onEnd?.(reason));
  }

  /** The server has forgotten it. */
  expire(detectMs: number): void {
    this.#expired = true;
    this.#unwatchAll();
    this.#detectTimer = this.#server.clock.setTimeout(() => this.end(new Error("the session has expired")), detectMs);
  }

  onEnd(listener: (reason: Error) => void): void {
    this.#onEnd = listener;
  }

  onSuspend(listener: (reason: Error | undefined) => void): void {
    this.#onSuspend = listener;
  }

  get suspended(): boolean {
    return this.#suspended !== undefined;
  }

  /** The connection breaks, the session stays. */
  suspend(reason: Error): void {
    if (this.#suspended !== undefined || this.#broken.signal.aborted) return;
    this.#suspended = reason;
    this.#connection.abort(reason);
    this.#tellSuspended(reason);
  }

  /** There is a connection again. */
  resume(): void {
    if (this.#suspended === undefined || this.#broken.signal.aborted) return;
    this.#suspended = undefined;
    this.#connection = new AbortController();
    this.#tellSuspended(undefined);
  }

  #tellSuspended(reason: Error | undefined): void {
    this.#server.clock.nextTurn(() => {
      if (!this.#broken.signal.aborted && this.#suspended === reason) this.#onSuspend?.(reason);
    });
  }

  register(instance: Instance, signal: AbortSignal): Promise<void> {
    const server = this.#server;
    return this.#request("register", signal, () =>
      server.change(instance.application, this, () => server.store.put(instance, this)),
    );
  }

  deregister(instance: Instance, signal: AbortSignal): Promise<void> {
    const server = this.#server;
    return this.#request("deregister", signal, () =>
      server.change(instance.application, this, () =>
        server.store.remove(instance.application, instanceKey(instance), this),
      ),
    );
  }

  watchInstances(application: string, push: (list: SessionInstances) => void, signal: AbortSignal): Promise<void> {
    const { counters, store } = this.#server;
    counters.instanceWatches++;
    return this.#request("watch-instances", signal, () =>
      this.#watch(
        `instances ${application}`,
        (listener) => store.onInstances(application, listener),
        () => store.instances(application),
        push,
        this.#server.changedLately("instances", application),
      ),
    );
  }

  unwatchInstances(application: string, signal: AbortSignal): Promise<void> {
    return this.#request("watch-instances", signal, () => this.#unwatch(`instances ${application}`));
  }

  async readInstances(application: string, signal: AbortSignal): Promise<SessionInstances> {
    const { counters } = this.#server;
    const concurrent = (this.#reading.get(application) ?? 0) + 1;
    this.#reading.set(application, concurrent);
    counters.concurrentReads = Math.max(counters.concurrentReads, concurrent);
    counters.instanceReads++;
    try {
      return await this.#request("read-instances", signal, () => this.#server.readInstances(application));
    } finally {
      this.#reading.set(application, (this.#reading.get(application) ?? 1) - 1);
    }
  }

  watchMapping(serviceInterface: string, push: (mapping: SessionMapping) => void, signal: AbortSignal): Promise<void> {
    const { counters, store } = this.#server;
    counters.mappingWatches++;
    return this.#request("watch-mapping", signal, () =>
      this.#watch(
        `mapping ${serviceInterface}`,
        (listener) => store.onMapping(serviceInterface, listener),
        () => store.mapping(serviceInterface),
        push,
        this.#server.changedLately("mapping", serviceInterface),
      ),
    );
  }

  unwatchMapping(serviceInterface: string, signal: AbortSignal): Promise<void> {
    return this.#request("watch-mapping", signal, () => this.#unwatch(`mapping ${serviceInterface}`));
  }

  readMapping(serviceInterface: string, signal: AbortSignal): Promise<SessionMapping> {
    this.#server.counters.mappingReads++;
    return this.#request("read-mapping", signal, () => this.#server.readMapping(serviceInterface));
  }

  writeMapping(serviceInterface: string, value: string, read: SessionMapping, signal: AbortSignal): Promise<boolean> {
    return this.#request("write-mapping", signal, () => this.#server.writeMapping(serviceInterface, value, read));
  }

  readMetadata(application: string, revision: string, signal: AbortSignal): Promise<string | undefined> {
    return this.#request("read-metadata", signal, () => this.#server.store.metadata(application, revision));
  }

  writeMetadata(application: string, revision: string, value: string, signal: AbortSignal): Promise<void> {
    this.#server.counters.metadataWrites++;
    return this.#request("write-metadata", signal, () => this.#server.store.setMetadata(application, revision, value));
  }

  listMetadata(application: string, signal: AbortSignal): Promise<readonly string[]> {
    return this.#request("list-metadata", signal, () => this.#server.store.metadataRevisions(application));
  }

  removeMetadata(application: string, revision: string, signal: AbortSignal): Promise<void> {
    this.#server.counters.metadataRemovals++;
    return this.#request("remove-metadata", signal, () => this.#server.store.removeMetadata(application, revision));
  }

  listApplications(signal: AbortSignal): Promise<readonly string[]> {
    return this.#request("list-names", signal, () => this.#server.store.applications);
  }

  listInterfaces(signal: AbortSignal): Promise<readonly string[]> {
    return this.#request("list-names", signal, () => this.#server.store.mappedInterfaces);
  }

  close(): Promise<void> {
    this.#onEnd = undefined;
    this.#detectTimer?.cancel();
    this.#unwatchAll();
    if (!this.#server.isCutOff(this.client)) this.#server.disconnect(this);
    this.#broken.abort(new Error("the session is closed"));
    return Promise.resolve();
  }

  /** Reaches the client after a while, if it still watches. */
  pushInstances(application: string, list: SessionInstances): void {
    (this.#watches.get(`instances ${application}`) as ModelWatch<SessionInstances> | undefined)?.push(list);
  }

  pushProviders(serviceInterface: string, list: SessionProviders): void {
    for (const [key, watch] of this.#watches) {
      if (key.startsWith(`providers ${serviceInterface} `)) (watch as ModelWatch<SessionProviders>).push(list);
    }
  }

  #makeInterfaces(): InterfaceSession {
    const server = this.#server;
    return {
      register: (provider, signal) =>
        this.#request("register-provider", signal, () =>
          server.changeProviders(provider.service.name, this, () => server.store.putProvider(provider, this)),
        ),
      deregister: (provider, signal) =>
        this.#request("deregister-provider", signal, () =>
          server.changeProviders(provider.service.name, this, () => server.store.removeProvider(provider, this)),
        ),
      watch: (ref, push, signal) => {
        server.counters.providerWatches++;
        return this.#request("watch-providers", signal, () =>
          this.#watch(
            `providers ${ref.service} ${refKey(ref)}`,
            (listener) => server.store.onProviders(ref.service, listener),
            () => server.store.providers(ref.service),
            push,
            server.changedLately("providers", ref.service),
          ),
        );
      },
      unwatch: (ref, signal) =>
        this.#request("watch-providers", signal, () => this.#unwatch(`providers ${ref.service} ${refKey(ref)}`)),
      read: (ref, signal) => {
        server.counters.providerReads++;
        return this.#request("read-providers", signal, () => server.readProviders(ref.service));
      },
    };
  }

  #makeConfiguration(): ConfigurationSession {
    const server = this.#server;
    return {
      watch: (group, key, push, signal) =>
        this.#request("watch-configuration", signal, () =>
          this.#watch(
            `configuration ${group} ${key}`,
            (listener) => server.store.onConfiguration(group, key, listener),
            () => server.store.configuration(group, key),
            push,
            server.changedLately("configuration", `${group} ${key}`),
          ),
        ),
      unwatch: (group, key, signal) =>
        this.#request("watch-configuration", signal, () => this.#unwatch(`configuration ${group} ${key}`)),
      read: (group, key, signal) =>
        this.#request("read-configuration", signal, () => server.readConfiguration(group, key)),
    };
  }

  async #request<T>(operation: ModelOperation, signal: AbortSignal, fn: () => T): Promise<T> {
    const server = this.#server;
    server.counters.requests++;
    await this.#travel(signal);
    if (this.#expired) {
      this.end(new Error("the session has expired"));
      throw new Error("the session has expired");
    }
    const failure = server.drawFailure(operation);
    if (failure === "before") server.counters.failed++;
    if (failure === "before") throw new Error(`the registry failed to ${operation}`);
    const result = fn();
    await this.#travel(signal);
    if (failure === "after") server.counters.failed++;
    if (failure === "after") throw new Error(`the registry failed to answer ${operation}`);
    return result;
  }

  /** One way; for ever when cut off. */
  #travel(signal: AbortSignal): Promise<void> {
    const server = this.#server;
    return new Promise((resolve, reject) => {
      const broken = this.#broken.signal;
      const connection = this.#connection.signal;
      const fail = (): void => {
        end();
        reject([signal, broken, connection].find((one) => one.aborted)?.reason);
      };
      const end = (): void => {
        timer?.cancel();
        offAbort(signal, fail);
        offAbort(broken, fail);
        offAbort(connection, fail);
      };
      const timer = server.isCutOff(this.client)
        ? undefined
        : server.clock.setTimeout(() => {
            if (server.isCutOff(this.client)) return; // lost on the way
            end();
            resolve();
          }, server.latency());
      onAbort(signal, fail);
      onAbort(broken, fail);
      onAbort(connection, fail);
      if (signal.aborted || broken.aborted || connection.aborted) fail();
    });
  }

  #watch<T>(
    key: string,
    listen: (listener: () => void) => Disposable,
    read: () => T,
    push: (value: T) => void,
    lately: boolean,
  ): void {
    this.#unwatch(key);
    const watch = new ModelWatch(this.#server, this, listen, read, push);
    this.#watches.set(key, watch);
    // What a late read does not show yet is pushed when it becomes visible.
    if (lately) watch.changed();
  }

  #unwatch(key: string): void {
    this.#watches.get(key)?.[Symbol.dispose]();
    this.#watches.delete(key);
  }

  #unwatchAll(): void {
    for (const key of [...this.#watches.keys()]) this.#unwatch(key);
  }
}
