import { offAbort, onAbort, type Timer } from "@dubhe/concurrency";
import {
  type Instance,
  instanceKey,
  type RegistrySession,
  type SessionInstances,
  type SessionMapping,
} from "@dubhe/discovery";
import type { ModelOperation, ModelRegistryServer } from "./model-registry-server.js";

/** One connection of a client to the model server: every request and push takes its random time on the way. */
export class ModelSession implements RegistrySession {
  readonly client: string;
  readonly #server: ModelRegistryServer;
  readonly #watches = new Map<string, Disposable>();
  readonly #reading = new Map<string, number>();
  readonly #broken: AbortController = new AbortController();
  #onEnd: ((reason: Error) => void) | undefined;
  #expired = false;
  #detectTimer: Timer | undefined;

  constructor(server: ModelRegistryServer, client: string) {
    this.#server = server;
    this.client = client;
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
        this.#server.instancesChangedLately(application),
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
        this.#server.mappingChangedLately(serviceInterface),
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
    (this.#watches.get(`instances ${application}`) as Watch<SessionInstances> | undefined)?.push(list);
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
      const fail = (): void => {
        end();
        reject((signal.aborted ? signal : broken).reason);
      };
      const end = (): void => {
        timer?.cancel();
        offAbort(signal, fail);
        offAbort(broken, fail);
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
      if (signal.aborted || broken.aborted) fail();
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
    const watch = new Watch(this.#server, this.client, listen, read, push);
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

/** Merges the changes of `pushMergeMs` into one push, whose way takes a random time. */
class Watch<T> implements Disposable {
  readonly #server: ModelRegistryServer;
  readonly #client: string;
  readonly #read: () => T;
  readonly #deliver: (value: T) => void;
  readonly #subscription: Disposable;
  #disposed = false;
  #merging: Timer | undefined;

  constructor(
    server: ModelRegistryServer,
    client: string,
    listen: (listener: () => void) => Disposable,
    read: () => T,
    deliver: (value: T) => void,
  ) {
    this.#server = server;
    this.#client = client;
    this.#read = read;
    this.#deliver = deliver;
    this.#subscription = listen(() => this.changed());
  }

  changed(): void {
    this.#merging ??= this.#server.clock.setTimeout(() => {
      this.#merging = undefined;
      this.push(this.#read());
    }, this.#server.options.pushMergeMs);
  }

  push(value: T): void {
    if (this.#disposed) return;
    const server = this.#server;
    server.counters.pushes++;
    server.clock.setTimeout(() => {
      if (!this.#disposed && !server.isCutOff(this.#client)) this.#deliver(value);
    }, server.latency());
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#merging?.cancel();
    this.#subscription[Symbol.dispose]();
  }
}
