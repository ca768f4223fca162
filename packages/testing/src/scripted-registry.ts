import { type Runtime, type Watched, WatchedCell } from "@dubhe/concurrency";
import type {
  Instance,
  InstancesEvent,
  InstancesWatch,
  MalformedInstance,
  MappingEntry,
  MappingEvent,
  MetadataReport,
  Registration,
  RegistrationState,
  Registry,
  RegistryHealth,
  ServiceNameMapping,
} from "@dubhe/discovery";

export interface ScriptedRegistryOptions {
  /** Default `scripted`. */
  readonly id?: string;
  readonly metadata?: MetadataReport;
  /** Whether watches can be refreshed. Default false. */
  readonly refreshable?: boolean;
  /** Called before each withdrawal; a test that holds its promise holds the withdrawal. */
  readonly beforeDispose?: () => Promise<void>;
}

/** A wish that the test answers. */
export class ScriptedWish {
  readonly name: string;
  readonly cell: WatchedCell<RegistrationState>;
  error: Error | undefined;
  disposed = false;

  constructor(runtime: Runtime, name: string) {
    this.name = name;
    this.cell = new WatchedCell<RegistrationState>(runtime, "pending");
  }

  confirm(): void {
    this.error = undefined;
    this.cell.set("confirmed");
  }

  fail(error: Error): void {
    this.error = error;
    this.cell.set("failed");
  }
}

/** A registry that says exactly what a test tells it to say, when the test does: for chosen interleavings. */
export class ScriptedRegistry implements Registry {
  readonly id: string;
  readonly mapping: { -readonly [K in keyof ServiceNameMapping]: ServiceNameMapping[K] };
  readonly metadata?: MetadataReport;
  /** What was called, in order: `watch app`, `unwatch app`, `refresh app`, `register host:port revision`, … */
  readonly log: string[] = [];
  /** Confirm what is wanted as soon as it is wanted. */
  autoConfirm = true;
  readonly wishes: ScriptedWish[] = [];
  readonly #runtime: Runtime;
  readonly #options: ScriptedRegistryOptions;
  readonly #health: WatchedCell<RegistryHealth>;
  readonly #sinks = new Map<string, (event: InstancesEvent) => void>();
  readonly #mappingSinks = new Map<string, (event: MappingEvent) => void>();

  constructor(runtime: Runtime, options: ScriptedRegistryOptions = {}) {
    this.#runtime = runtime;
    this.#options = options;
    this.id = options.id ?? "scripted";
    if (options.metadata !== undefined) this.metadata = options.metadata;
    this.#health = new WatchedCell<RegistryHealth>(runtime, { state: "up", since: runtime.clock.wallTime() });
    this.mapping = {
      watch: (serviceInterface, sink) => this.#watchMapping(serviceInterface, sink),
      add: (serviceInterface, application) => this.#entry(`mapping ${serviceInterface} ${application}`),
    };
  }

  get health(): Watched<RegistryHealth> {
    return this.#health;
  }

  watching(application: string): boolean {
    return this.#sinks.has(application);
  }

  watchingMapping(serviceInterface: string): boolean {
    return this.#mappingSinks.has(serviceInterface);
  }

  get watches(): number {
    return this.#sinks.size + this.#mappingSinks.size;
  }

  watch(application: string, sink: (event: InstancesEvent) => void): InstancesWatch {
    if (this.#sinks.has(application)) throw new Error(`${application} is watched already`);
    this.#sinks.set(application, sink);
    this.log.push(`watch ${application}`);
    const dispose = async (): Promise<void> => {
      await this.#options.beforeDispose?.();
      this.#sinks.delete(application);
      this.log.push(`unwatch ${application}`);
    };
    if (this.#options.refreshable !== true) return { [Symbol.asyncDispose]: dispose };
    return { [Symbol.asyncDispose]: dispose, refresh: () => void this.log.push(`refresh ${application}`) };
  }

  /** Delivers a list to the watch of the application; nothing when nobody watches. */
  list(
    application: string,
    instances: readonly Instance[],
    generation: {
      readonly epoch?: number;
      readonly seq?: number;
      readonly malformed?: readonly MalformedInstance[];
    } = {},
  ): void {
    const { epoch = 1, seq = 1, malformed = [] } = generation;
    this.#sinks.get(application)?.({ kind: "instances", epoch, seq, instances, malformed });
  }

  failWatch(application: string, error: Error, epoch = 1): void {
    this.#sinks.get(application)?.({ kind: "error", epoch, error });
  }

  map(
    serviceInterface: string,
    applications: readonly string[],
    generation: { readonly epoch?: number; readonly seq?: number } = {},
  ): void {
    const { epoch = 1, seq = 1 } = generation;
    this.#mappingSinks.get(serviceInterface)?.({ kind: "mapping", epoch, seq, applications });
  }

  failMapping(serviceInterface: string, error: Error, epoch = 1): void {
    this.#mappingSinks.get(serviceInterface)?.({ kind: "error", epoch, error });
  }

  register(instance: Instance): Registration {
    const name = (i: Instance): string => `${i.host}:${i.port} ${i.metadata["dubbo.metadata.revision"] ?? ""}`;
    const wish = this.#wish(`register ${name(instance)}`);
    return {
      state: wish.cell,
      get error() {
        return wish.error;
      },
      update: (next) => {
        this.log.push(`update ${name(next)}`);
        wish.cell.set("pending");
        if (this.autoConfirm) wish.confirm();
      },
      [Symbol.asyncDispose]: () => this.#disposeWish(wish, `unregister ${instance.host}:${instance.port}`),
    };
  }

  inspect(): unknown {
    return { id: this.id, watches: this.watches };
  }

  async close(): Promise<void> {
    this.#health.set({ state: "closed", since: this.#runtime.clock.wallTime() });
    this.#sinks.clear();
    this.#mappingSinks.clear();
  }

  #watchMapping(serviceInterface: string, sink: (event: MappingEvent) => void): AsyncDisposable {
    if (this.#mappingSinks.has(serviceInterface)) throw new Error(`${serviceInterface} is watched already`);
    this.#mappingSinks.set(serviceInterface, sink);
    this.log.push(`watch-mapping ${serviceInterface}`);
    return {
      [Symbol.asyncDispose]: async () => {
        await this.#options.beforeDispose?.();
        this.#mappingSinks.delete(serviceInterface);
        this.log.push(`unwatch-mapping ${serviceInterface}`);
      },
    };
  }

  #entry(name: string): MappingEntry {
    const wish = this.#wish(name);
    return {
      state: wish.cell,
      get error() {
        return wish.error;
      },
      [Symbol.asyncDispose]: () => this.#disposeWish(wish, `drop ${name}`),
    };
  }

  #wish(name: string): ScriptedWish {
    const wish = new ScriptedWish(this.#runtime, name);
    this.wishes.push(wish);
    this.log.push(name);
    if (this.autoConfirm) wish.confirm();
    return wish;
  }

  async #disposeWish(wish: ScriptedWish, what: string): Promise<void> {
    if (wish.disposed) return;
    wish.disposed = true;
    await this.#options.beforeDispose?.();
    this.log.push(what);
  }
}
