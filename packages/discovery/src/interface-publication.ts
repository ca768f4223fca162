import type { InterfaceProvider, InterfaceRegistration } from "./interface-registry.js";
import { providerKey, providerOf } from "./provider-url.js";
import { confirmed, type Desired, type Part, Publishing } from "./publishing.js";
import { portOf } from "./service-match.js";

/** One application's port in one registry, by interface: each service is a provider of its own. */
export class InterfacePublication extends Publishing {
  readonly #registrations = new Map<string, InterfaceRegistration>();

  inspect(): unknown {
    return {
      registry: this.registry.id,
      revision: this.publishedRevision,
      providers: Object.fromEntries([...this.#registrations].map(([key, { state }]) => [key, state.value])),
      problems: this.problems(),
    };
  }

  protected async put(desired: Desired, signal: AbortSignal): Promise<void> {
    const { interfaces } = this.registry;
    if (interfaces === undefined) throw new Error(`${this.registry.id} has no interface-level discovery`);
    const providers = new Map<string, InterfaceProvider>();
    for (const service of desired.info.services) {
      const provider = providerOf(desired.instance, service, portOf(desired.instance, service));
      providers.set(providerKey(provider), provider);
    }
    for (const [key, provider] of providers) {
      const old = this.#registrations.get(key);
      if (old === undefined) this.#registrations.set(key, this.follow(interfaces.register(provider)));
      else old.update(provider);
    }
    await Promise.all([...providers.keys()].map((key) => confirmed(this.#registrations.get(key), signal)));
    const gone: Part[] = [];
    for (const [key, registration] of this.#registrations) {
      if (providers.has(key)) continue;
      this.#registrations.delete(key);
      gone.push(registration);
    }
    await this.letGo(gone);
  }

  protected async takeBack(): Promise<void> {
    const all = [...this.#registrations.values()];
    this.#registrations.clear();
    await this.letGo(all);
  }

  protected parts(): readonly (readonly [string, Part])[] {
    return [...this.#registrations].map(([key, registration]) => [`provider ${key}`, registration] as const);
  }
}
