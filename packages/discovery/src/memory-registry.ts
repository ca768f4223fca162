import { ClosedError, type Runtime } from "@dubhe/concurrency";
import type { Instance } from "./instance.js";
import { instanceKey } from "./instance.js";
import { refKey } from "./interface-registry.js";
import type { Registry } from "./registry.js";
import type {
  ConfigurationSession,
  InterfaceSession,
  RegistryDriver,
  RegistrySession,
  SessionInstances,
  SessionMapping,
} from "./registry-driver.js";
import { RegistryStore } from "./registry-store.js";
import { SessionRegistry, type SessionRegistryOptions } from "./session-registry.js";

/** A registry inside this process: for tests, and for programs whose parts find each other without a network. */
export class MemoryRegistryServer {
  readonly store: RegistryStore = new RegistryStore();
  readonly #name: string;

  /** Servers with different names are different clusters. */
  constructor(name = "default") {
    this.#name = name;
  }

  /** See `Registry.id`. */
  get id(): string {
    return `memory:${this.#name}`;
  }
}

/** A client of `server`, with a session of its own. */
export function memoryRegistry(
  runtime: Runtime,
  server: MemoryRegistryServer,
  options?: SessionRegistryOptions,
): Registry {
  const driver: RegistryDriver = {
    id: server.id,
    features: { interfaces: true, configuration: true, listMetadata: true, names: true },
    connect: () => Promise.resolve(new MemorySession(runtime, server.store)),
  };
  return new SessionRegistry(runtime, driver, options);
}

/** Never lost: it ends when it is closed. Pushes come in the next turn, several changes of a turn in one. */
class MemorySession implements RegistrySession {
  readonly interfaces: InterfaceSession;
  readonly configuration: ConfigurationSession;
  readonly #runtime: Runtime;
  readonly #store: RegistryStore;
  readonly #watches = new Map<string, Disposable>();
  #closed = false;

  constructor(runtime: Runtime, store: RegistryStore) {
    this.#runtime = runtime;
    this.#store = store;
    this.interfaces = {
      register: async (provider) => this.#open().putProvider(provider, this),
      deregister: async (provider) => this.#open().removeProvider(provider, this),
      watch: async (ref, push) =>
        this.#watch(
          `providers ${refKey(ref)}`,
          (listener) => this.#open().onProviders(ref.service, listener),
          () => push(store.providers(ref.service)),
        ),
      unwatch: async (ref) => this.#unwatch(`providers ${refKey(ref)}`),
      read: async (ref) => this.#open().providers(ref.service),
    };
    this.configuration = {
      watch: async (group, key, push) =>
        this.#watch(
          `configuration ${group} ${key}`,
          (listener) => this.#open().onConfiguration(group, key, listener),
          () => push(store.configuration(group, key)),
        ),
      unwatch: async (group, key) => this.#unwatch(`configuration ${group} ${key}`),
      read: async (group, key) => this.#open().configuration(group, key),
    };
  }

  onEnd(): void {}

  async register(instance: Instance): Promise<void> {
    this.#open().put(instance, this);
  }

  async deregister(instance: Instance): Promise<void> {
    this.#open().remove(instance.application, instanceKey(instance), this);
  }

  async watchInstances(application: string, push: (list: SessionInstances) => void): Promise<void> {
    const store = this.#open();
    this.#watch(
      `instances ${application}`,
      (listener) => store.onInstances(application, listener),
      () => push(store.instances(application)),
    );
  }

  async unwatchInstances(application: string): Promise<void> {
    this.#unwatch(`instances ${application}`);
  }

  async readInstances(application: string): Promise<SessionInstances> {
    return this.#open().instances(application);
  }

  async watchMapping(serviceInterface: string, push: (mapping: SessionMapping) => void): Promise<void> {
    const store = this.#open();
    this.#watch(
      `mapping ${serviceInterface}`,
      (listener) => store.onMapping(serviceInterface, listener),
      () => push(store.mapping(serviceInterface)),
    );
  }

  async unwatchMapping(serviceInterface: string): Promise<void> {
    this.#unwatch(`mapping ${serviceInterface}`);
  }

  async readMapping(serviceInterface: string): Promise<SessionMapping> {
    return this.#open().mapping(serviceInterface);
  }

  async writeMapping(serviceInterface: string, value: string, read: SessionMapping): Promise<boolean> {
    return this.#open().setMapping(serviceInterface, value, read);
  }

  async readMetadata(application: string, revision: string): Promise<string | undefined> {
    return this.#open().metadata(application, revision);
  }

  async writeMetadata(application: string, revision: string, value: string): Promise<void> {
    this.#open().setMetadata(application, revision, value);
  }

  async listMetadata(application: string): Promise<readonly string[]> {
    return this.#open().metadataRevisions(application);
  }

  async listApplications(): Promise<readonly string[]> {
    return this.#open().applications;
  }

  async listInterfaces(): Promise<readonly string[]> {
    return this.#open().mappedInterfaces;
  }

  async removeMetadata(application: string, revision: string): Promise<void> {
    this.#open().removeMetadata(application, revision);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const key of [...this.#watches.keys()]) this.#unwatch(key);
    this.#store.removeHolder(this);
  }

  #open(): RegistryStore {
    if (this.#closed) throw new ClosedError("the session with the memory registry");
    return this.#store;
  }

  #watch(key: string, listen: (listener: () => void) => Disposable, push: () => void): void {
    this.#unwatch(key);
    let pending = false;
    const subscription = listen(() => {
      if (pending) return;
      pending = true;
      this.#runtime.clock.nextTurn(() => {
        pending = false;
        if (this.#watches.get(key) === subscription) push();
      });
    });
    this.#watches.set(key, subscription);
  }

  #unwatch(key: string): void {
    this.#watches.get(key)?.[Symbol.dispose]();
    this.#watches.delete(key);
  }
}
