import { type Runtime, type Watched, WatchedCell } from "@dubhe/concurrency";
import type {
  ConfigurationCenter,
  ConfigurationEvent,
  Instance,
  InstancesEvent,
  InstancesWatch,
  InterfaceProvider,
  InterfaceRegistration,
  InterfaceRegistry,
  MappingEntry,
  MappingEvent,
  MetadataInfo,
  MetadataReport,
  Registration,
  RegistrationState,
  Registry,
  RegistryHealth,
  RegistryNames,
  ServiceNameMapping,
} from "@dubhe/discovery";

/**
 * A registry whose package is still being loaded: `createApp` is synchronous, `import()` is not. What is wanted before
 * the package is there is handed over when it is. Loading starts at the first use, so an App that only makes direct
 * clients loads nothing.
 *
 *     idle ─▶ loading ─▶ loaded ─▶ closed
 *                └──▶ failed          the package cannot be loaded: every watch gets the error, health is down
 */
export class DeferredRegistry implements Registry {
  readonly id: string;
  readonly mapping: ServiceNameMapping;
  readonly #runtime: Runtime;
  readonly #load: () => Promise<Registry>;
  readonly #given: Registry | undefined;
  readonly #health: WatchedCell<RegistryHealth>;
  #loading: Promise<Registry> | undefined;
  #loaded: Registry | undefined;
  #closing: Promise<void> | undefined;

  /** `given`: what `load` resolves to, if that is there already. It is closed even if nobody used it. */
  constructor(runtime: Runtime, id: string, load: () => Promise<Registry>, given?: Registry) {
    this.id = id;
    this.#runtime = runtime;
    this.#load = load;
    this.#given = given;
    this.#health = new WatchedCell<RegistryHealth>(runtime, { state: "connecting", since: runtime.clock.wallTime() });
    this.mapping = {
      watch: (serviceInterface, sink) =>
        this.#handle(
          (registry) => registry.mapping.watch(serviceInterface, sink),
          (error) => sink({ kind: "error", epoch: 0, error } satisfies MappingEvent),
        ),
      add: (serviceInterface, application) =>
        new DeferredEntry(this.#runtime, this.#ready(), (r) => r.mapping.add(serviceInterface, application)),
    };
  }

  /** Whether a backend has this and the following is only known once it is loaded. */
  get metadata(): MetadataReport {
    return {
      fetch: async (application, revision, signal) =>
        (await this.#ready()).metadata?.fetch(application, revision, signal),
      publish: (info: MetadataInfo): MappingEntry => {
        return new DeferredEntry(this.#runtime, this.#ready(), (registry) =>
          this.#part(registry.metadata, 'keeps no metadata; use metadata type "local"').publish(info),
        );
      },
      revisions: async (application, signal) =>
        (await (await this.#ready()).metadata?.revisions?.(application, signal)) ?? [],
      remove: async (application, revision, signal) =>
        (await this.#ready()).metadata?.remove?.(application, revision, signal),
    };
  }

  get interfaces(): InterfaceRegistry {
    const of = (registry: Registry): InterfaceRegistry =>
      this.#part(registry.interfaces, "has no interface-level discovery; use registry-type=service");
    return {
      watch: (ref, sink) =>
        this.#handle(
          (registry) => of(registry).watch(ref, sink),
          (error) => sink({ kind: "error", epoch: 0, error }),
        ),
      register: (provider) =>
        new DeferredRegistration<InterfaceProvider, InterfaceRegistration>(
          this.#runtime,
          this.#ready(),
          provider,
          (registry, newest) => of(registry).register(newest),
        ),
    };
  }

  /** One that is no configuration centre has no entries. */
  get configuration(): ConfigurationCenter {
    return {
      watch: (group, key, sink) =>
        this.#handle(
          (registry) => registry.configuration?.watch(group, key, sink) ?? this.#noEntry(sink),
          (error) => sink({ kind: "error", epoch: 0, error }),
        ),
    };
  }

  get names(): RegistryNames {
    const of = async (): Promise<RegistryNames> => this.#part((await this.#ready()).names, "cannot list what it holds");
    return {
      applications: async (signal) => (await of()).applications(signal),
      interfaces: async (signal) => {
        const names = await of();
        if (names.interfaces === undefined) throw new Error(`registry ${this.id} cannot list its mappings`);
        return names.interfaces(signal);
      },
    };
  }

  get health(): Watched<RegistryHealth> {
    return this.#health;
  }

  watch(application: string, sink: (event: InstancesEvent) => void): InstancesWatch {
    return this.#handle(
      (registry) => registry.watch(application, sink),
      (error) => sink({ kind: "error", epoch: 0, error }),
    );
  }

  register(instance: Instance): Registration {
    return new DeferredRegistration<Instance, Registration>(
      this.#runtime,
      this.#ready(),
      instance,
      (registry, newest) => registry.register(newest),
    );
  }

  inspect(): unknown {
    return this.#loaded?.inspect() ?? { id: this.id, state: this.#health.value.state };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    // What never loaded has nothing to close, and everyone who waited for it was told why.
    const registry = this.#loading === undefined ? this.#given : await this.#loading.catch(() => this.#given);
    try {
      await registry?.close();
    } finally {
      this.#health.set({ state: "closed", since: this.#runtime.clock.wallTime() });
      this.#health.close();
    }
  }

  #part<P>(part: P | undefined, lacks: string): P {
    if (part === undefined) throw new Error(`registry ${this.id} ${lacks}`);
    return part;
  }

  #noEntry(sink: (event: ConfigurationEvent) => void): AsyncDisposable {
    sink({ kind: "configuration", epoch: 0, seq: 0, value: undefined });
    return { [Symbol.asyncDispose]: () => Promise.resolve() };
  }

  #ready(): Promise<Registry> {
    if (this.#closing !== undefined) return Promise.reject(new Error(`registry ${this.id} is closed`));
    this.#loading ??= this.#runtime.detached(() => this.#open());
    return this.#loading;
  }

  async #open(): Promise<Registry> {
    try {
      const registry = await this.#load();
      this.#loaded = registry;
      registry.health.subscribe((health) => {
        if (!this.#health.closed) this.#health.set(health);
      });
      return registry;
    } catch (cause) {
      const error = cause instanceof Error ? cause : new Error(String(cause));
      this.#health.set({ state: "down", since: this.#runtime.clock.wallTime(), error });
      throw error;
    }
  }

  #handle(
    arm: (registry: Registry) => InstancesWatch | AsyncDisposable,
    failed: (error: Error) => void,
  ): InstancesWatch {
    let handle: InstancesWatch | AsyncDisposable | undefined;
    let disposed = false;
    // The registry itself may refuse, too, by throwing.
    const armed = this.#ready()
      .then((registry) => {
        if (!disposed) handle = arm(registry);
      })
      .catch((error: unknown) => {
        if (!disposed) failed(error instanceof Error ? error : new Error(String(error)));
      })
      .catch((error: unknown) => this.#runtime.report(error, `watch of registry ${this.id}`));
    return {
      refresh: () => {
        if (handle !== undefined && "refresh" in handle) handle.refresh?.();
      },
      [Symbol.asyncDispose]: async () => {
        disposed = true;
        await armed;
        await handle?.[Symbol.asyncDispose]();
      },
    };
  }
}

/** A mapping entry, metadata entry or registration that is handed over when the registry is there. */
class DeferredEntry<E extends MappingEntry> implements MappingEntry {
  readonly state: WatchedCell<RegistrationState>;
  protected entry: E | undefined;
  protected disposed = false;
  #error: Error | undefined;
  readonly #handedOver: Promise<void>;

  constructor(runtime: Runtime, ready: Promise<Registry>, make: (registry: Registry) => E) {
    this.state = new WatchedCell<RegistrationState>(runtime, "pending");
    this.#handedOver = ready
      .then((registry) => {
        if (this.disposed) return;
        // In one turn, lest an update come between.
        const entry = make(registry);
        this.entry = entry;
        entry.state.subscribe((state) => this.state.set(state));
      })
      .catch((error: unknown) => {
        this.#error = error instanceof Error ? error : new Error(String(error));
        this.state.set("failed");
      });
  }

  get error(): Error | undefined {
    return this.entry?.error ?? this.#error;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.disposed = true;
    await this.#handedOver;
    await this.entry?.[Symbol.asyncDispose]();
    this.state.close();
  }
}

class DeferredRegistration<V, E extends MappingEntry & { update(value: V): void }> extends DeferredEntry<E> {
  #newest: V;

  constructor(runtime: Runtime, ready: Promise<Registry>, value: V, register: (registry: Registry, newest: V) => E) {
    super(runtime, ready, (registry) => register(registry, this.#newest));
    this.#newest = value;
  }

  update(value: V): void {
    this.#newest = value;
    this.entry?.update(value);
  }
}
