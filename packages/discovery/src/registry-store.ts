import { type Instance, instanceKey, ownerOf, sameInstance } from "./instance.js";
import type { InterfaceProvider } from "./interface-registry.js";
import { providerKey, sameProvider } from "./provider-url.js";
import type { SessionConfiguration, SessionInstances, SessionMapping, SessionProviders } from "./registry-driver.js";
import { HeldTable, type Holder, type Sequence, ValueTable } from "./store-tables.js";

export type { Holder } from "./store-tables.js";

/**
 * The data of a registry server, in memory, and who is told when it changes. Synchronous; time, sessions and trouble are for
 * those who put something around it.
 */
export class RegistryStore {
  readonly #metadata = new Map<string, string>();
  readonly #instances: HeldTable<Instance>;
  readonly #providers: HeldTable<InterfaceProvider>;
  readonly #mappings: ValueTable;
  readonly #configuration: ValueTable;

  constructor() {
    let newest = 0;
    const sequence: Sequence = {
      next: () => ++newest,
      get newest() {
        return newest;
      },
    };
    this.#instances = new HeldTable<Instance>(sequence, {
      same: sameInstance,
      owner: ownerOf,
      describe: (instance) => `${instanceKey(instance)} of ${instance.application}`,
    });
    this.#providers = new HeldTable<InterfaceProvider>(sequence, {
      same: sameProvider,
      owner: (provider) => ownerOf(provider.instance),
      describe: providerKey,
    });
    this.#mappings = new ValueTable(sequence);
    this.#configuration = new ValueTable(sequence);
  }

  get applications(): readonly string[] {
    return this.#instances.names;
  }

  instances(application: string): SessionInstances {
    const { seq, values, malformed } = this.#instances.list(application);
    return { seq, instances: values, malformed };
  }

  /**
   * Puts or replaces. What another holder left there is replaced when it carries the same owner nonce or none; a foreign one
   * stays, and this throws: it is replaced when it has gone.
   */
  put(instance: Instance, holder: Holder): void {
    this.#instances.put(instance.application, instanceKey(instance), instance, holder);
  }

  /** A no-op unless `holder` holds it. */
  remove(application: string, key: string, holder: Holder): void {
    this.#instances.remove(application, key, holder);
  }

  /** How many instances and providers there are. */
  get heldEntries(): number {
    return this.#instances.size + this.#providers.size;
  }

  /** Removes what `holder` holds now; what somebody has taken over stays. */
  removeHolder(holder: Holder): void {
    this.#instances.removeHolder(holder);
    this.#providers.removeHolder(holder);
  }

  /** An entry that is no instance; `undefined` removes it. */
  setMalformed(application: string, id: string, reason: string | undefined): void {
    this.#instances.setMalformed(application, id, reason);
  }

  /** All providers of the interface, whatever group and version. */
  providers(serviceInterface: string): SessionProviders {
    const { seq, values, malformed } = this.#providers.list(serviceInterface);
    return { seq, providers: values, malformed };
  }

  /** As `put`. */
  putProvider(provider: InterfaceProvider, holder: Holder): void {
    this.#providers.put(provider.service.name, providerKey(provider), provider, holder);
  }

  /** A no-op unless `holder` holds it. */
  removeProvider(provider: InterfaceProvider, holder: Holder): void {
    this.#providers.remove(provider.service.name, providerKey(provider), holder);
  }

  setMalformedProvider(serviceInterface: string, id: string, reason: string | undefined): void {
    this.#providers.setMalformed(serviceInterface, id, reason);
  }

  mapping(serviceInterface: string): SessionMapping {
    return this.#mappings.get(serviceInterface);
  }

  get mappedInterfaces(): readonly string[] {
    return this.#mappings.names;
  }

  /** Compare-and-set by `seq`. */
  setMapping(serviceInterface: string, value: string, expected: SessionMapping): boolean {
    if (this.mapping(serviceInterface).seq !== expected.seq) return false;
    this.#mappings.set(serviceInterface, value);
    return true;
  }

  configuration(group: string, key: string): SessionConfiguration {
    return this.#configuration.get(configurationName(group, key));
  }

  /** `undefined` removes it. */
  setConfiguration(group: string, key: string, value: string | undefined): void {
    this.#configuration.set(configurationName(group, key), value);
  }

  metadata(application: string, revision: string): string | undefined {
    return this.#metadata.get(JSON.stringify([application, revision]));
  }

  setMetadata(application: string, revision: string, value: string): void {
    this.#metadata.set(JSON.stringify([application, revision]), value);
  }

  removeMetadata(application: string, revision: string): void {
    this.#metadata.delete(JSON.stringify([application, revision]));
  }

  /** The revisions that are kept for an application. */
  metadataRevisions(application: string): readonly string[] {
    return [...this.#metadata.keys()]
      .map((key) => JSON.parse(key) as [string, string])
      .filter(([name]) => name === application)
      .map(([, revision]) => revision);
  }

  /** How many entries of metadata there are. */
  get metadataSize(): number {
    return this.#metadata.size;
  }

  /** Forgets everything, as a server without a disk does when it restarts; tells nobody. */
  wipe(): void {
    this.#instances.wipe();
    this.#providers.wipe();
    this.#mappings.wipe();
    this.#configuration.wipe();
    this.#metadata.clear();
  }

  /** `listener` is called synchronously after each change. */
  onInstances(application: string, listener: () => void): Disposable {
    return this.#instances.listeners.add(application, listener);
  }

  onProviders(serviceInterface: string, listener: () => void): Disposable {
    return this.#providers.listeners.add(serviceInterface, listener);
  }

  onMapping(serviceInterface: string, listener: () => void): Disposable {
    return this.#mappings.listeners.add(serviceInterface, listener);
  }

  onConfiguration(group: string, key: string, listener: () => void): Disposable {
    return this.#configuration.listeners.add(configurationName(group, key), listener);
  }
}

function configurationName(group: string, key: string): string {
  return JSON.stringify([group, key]);
}
