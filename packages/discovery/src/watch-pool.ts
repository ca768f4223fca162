import { type Lease, Shared } from "@dubhe/concurrency";
import { AppWatch } from "./app-watch.js";
import type { DiscoveryContext } from "./discovery-context.js";
import { MappingWatch } from "./mapping-watch.js";
import type { Registry } from "./registry.js";

/**
 * The watches at the registries, each shared by all views that need it: one per (registry, application) and one per
 * (registry, interface), whatever the number of views, and never two at once.
 */
export class WatchPool {
  readonly #registries: ReadonlyMap<string, Registry>;
  readonly #apps: Shared<string, AppWatch>;
  readonly #mappings: Shared<string, MappingWatch>;
  readonly #openApps = new Set<AppWatch>();
  readonly #openMappings = new Set<MappingWatch>();

  constructor(context: DiscoveryContext, registries: readonly Registry[]) {
    const { runtime, settings } = context;
    this.#registries = new Map(registries.map((registry) => [registry.id, registry]));
    this.#apps = new Shared(runtime, {
      lingerMs: settings.lingerMs,
      open: async (key) => {
        const [registry, application] = this.#parse(key);
        const watch = new AppWatch(context, registry, application);
        this.#openApps.add(watch);
        return watch;
      },
      close: async (watch) => {
        this.#openApps.delete(watch);
        await watch.close();
      },
    });
    this.#mappings = new Shared(runtime, {
      lingerMs: settings.lingerMs,
      open: async (key) => {
        const [registry, serviceInterface] = this.#parse(key);
        const watch = new MappingWatch(context, registry, serviceInterface);
        this.#openMappings.add(watch);
        return watch;
      },
      close: async (watch) => {
        this.#openMappings.delete(watch);
        await watch.close();
      },
    });
  }

  acquireApp(registry: Registry, application: string, signal: AbortSignal): Promise<Lease<AppWatch>> {
    return this.#apps.acquire(poolKey(registry, application), signal);
  }

  acquireMapping(registry: Registry, serviceInterface: string, signal: AbortSignal): Promise<Lease<MappingWatch>> {
    return this.#mappings.acquire(poolKey(registry, serviceInterface), signal);
  }

  get applicationWatches(): number {
    return this.#apps.size;
  }

  get mappingWatches(): number {
    return this.#mappings.size;
  }

  /** Resolves when the registries have cancelled every watch. */
  async close(): Promise<void> {
    await Promise.all([this.#apps.close(), this.#mappings.close()]);
  }

  inspect(): { readonly applications: readonly unknown[]; readonly mappings: readonly unknown[] } {
    return {
      applications: [...this.#openApps].map((watch) => watch.inspect()),
      mappings: [...this.#openMappings].map((watch) => watch.inspect()),
    };
  }

  #parse(key: string): readonly [Registry, string] {
    const [registryId, name] = JSON.parse(key) as [string, string];
    const registry = this.#registries.get(registryId);
    if (registry === undefined) throw new Error(`no registry ${registryId}`);
    return [registry, name];
  }
}

function poolKey(registry: Registry, name: string): string {
  return JSON.stringify([registry.id, name]);
}
