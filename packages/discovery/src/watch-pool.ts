import { type Lease, Shared } from "@dubhe/concurrency";
import { AppWatch } from "./app-watch.js";
import type { DiscoveryContext } from "./discovery-context.js";
import type { InterfaceRef } from "./interface-registry.js";
import { InterfaceWatch } from "./interface-watch.js";
import { MappingWatch } from "./mapping-watch.js";
import type { Registry } from "./registry.js";

/**
 * The watches at the registries, each shared by all views that need it: one per (registry, application), one per (registry,
 * mapped interface) and one per (registry, interface, group, version) of the other model, whatever the number of views, and
 * never two at once.
 */
export class WatchPool {
  readonly #registries: ReadonlyMap<string, Registry>;
  readonly #apps: Pooled<AppWatch>;
  readonly #mappings: Pooled<MappingWatch>;
  readonly #interfaces: Pooled<InterfaceWatch>;

  constructor(context: DiscoveryContext, registries: readonly Registry[]) {
    this.#registries = new Map(registries.map((registry) => [registry.id, registry]));
    this.#apps = new Pooled(
      context,
      (registryId, [application = ""]) => new AppWatch(context, this.#registry(registryId), application),
    );
    this.#mappings = new Pooled(
      context,
      (registryId, [serviceInterface = ""]) => new MappingWatch(context, this.#registry(registryId), serviceInterface),
    );
    this.#interfaces = new Pooled(
      context,
      (registryId, [service = "", group = "", version = ""]) =>
        new InterfaceWatch(context, this.#registry(registryId), { service, group, version }),
    );
  }

  acquireApp(registry: Registry, application: string, signal: AbortSignal): Promise<Lease<AppWatch>> {
    return this.#apps.acquire(registry, [application], signal);
  }

  acquireMapping(registry: Registry, serviceInterface: string, signal: AbortSignal): Promise<Lease<MappingWatch>> {
    return this.#mappings.acquire(registry, [serviceInterface], signal);
  }

  acquireInterface(registry: Registry, ref: InterfaceRef, signal: AbortSignal): Promise<Lease<InterfaceWatch>> {
    return this.#interfaces.acquire(registry, [ref.service, ref.group, ref.version], signal);
  }

  get applicationWatches(): number {
    return this.#apps.size;
  }

  get mappingWatches(): number {
    return this.#mappings.size;
  }

  get interfaceWatches(): number {
    return this.#interfaces.size;
  }

  /** The applications that are watched now. */
  *openApplications(): IterableIterator<AppWatch> {
    yield* this.#apps.open;
  }

  /** Resolves when the registries have cancelled every watch. */
  async close(): Promise<void> {
    await Promise.all([this.#apps.close(), this.#mappings.close(), this.#interfaces.close()]);
  }

  inspect(): {
    readonly applications: readonly unknown[];
    readonly mappings: readonly unknown[];
    readonly interfaces: readonly unknown[];
  } {
    return {
      applications: [...this.#apps.open].map((watch) => watch.inspect()),
      mappings: [...this.#mappings.open].map((watch) => watch.inspect()),
      interfaces: [...this.#interfaces.open].map((watch) => watch.inspect()),
    };
  }

  #registry(id: string): Registry {
    const registry = this.#registries.get(id);
    if (registry === undefined) throw new Error(`no registry ${id}`);
    return registry;
  }
}

/** The watches of one kind. */
class Pooled<W extends { close(): Promise<void> }> {
  readonly open: Set<W> = new Set();
  readonly #shared: Shared<string, W>;

  constructor({ runtime, settings }: DiscoveryContext, create: (registryId: string, names: readonly string[]) => W) {
    this.#shared = new Shared(runtime, {
      lingerMs: settings.lingerMs,
      open: async (key) => {
        const [registryId = "", ...names] = JSON.parse(key) as string[];
        const watch = create(registryId, names);
        this.open.add(watch);
        return watch;
      },
      close: async (watch) => {
        this.open.delete(watch);
        await watch.close();
      },
    });
  }

  get size(): number {
    return this.#shared.size;
  }

  acquire(registry: Registry, names: readonly string[], signal: AbortSignal): Promise<Lease<W>> {
    return this.#shared.acquire(JSON.stringify([registry.id, ...names]), signal);
  }

  close(): Promise<void> {
    return this.#shared.close();
  }
}
