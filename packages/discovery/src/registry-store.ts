import { type Instance, instanceKey, ownerOf, sameInstance } from "./instance.js";
import type { MalformedInstance } from "./registry.js";
import type { SessionInstances, SessionMapping } from "./registry-driver.js";

/** Names the one who put an instance: it goes when its holder goes. */
export type Holder = object;

interface Application {
  seq: number;
  readonly instances: Map<string, { readonly instance: Instance; readonly holder: Holder }>;
  readonly malformed: Map<string, MalformedInstance>;
}

/**
 * The data of a registry server, in memory, and who is told when it changes. Synchronous; time, sessions and trouble are for
 * those who put something around it.
 */
export class RegistryStore {
  readonly #applications = new Map<string, Application>();
  readonly #mappings = new Map<string, SessionMapping>();
  readonly #metadata = new Map<string, string>();
  readonly #instanceListeners = new Map<string, Set<() => void>>();
  readonly #mappingListeners = new Map<string, Set<() => void>>();
  /** Survives `wipe`, as a server's clock does. */
  #seq = 0;

  get applications(): readonly string[] {
    return [...this.#applications.keys()];
  }

  instances(application: string): SessionInstances {
    const entry = this.#applications.get(application);
    if (entry === undefined) return { seq: this.#seq, instances: [], malformed: [] };
    return {
      seq: entry.seq,
      instances: [...entry.instances.values()].map(({ instance }) => instance),
      malformed: [...entry.malformed.values()],
    };
  }

  /**
   * Puts or replaces. What another holder left there is replaced when it carries the same owner nonce or none; a foreign one
   * stays, and this throws: it is replaced when it has gone.
   */
  put(instance: Instance, holder: Holder): void {
    const key = instanceKey(instance);
    const application = this.#application(instance.application);
    const old = application.instances.get(key);
    if (old !== undefined && old.holder !== holder) {
      const owner = ownerOf(old.instance);
      if (owner !== "" && owner !== ownerOf(instance))
        throw new Error(`${key} of ${instance.application} is held by another owner, ${owner}`);
    }
    if (old !== undefined && old.holder === holder && sameInstance(old.instance, instance)) return;
    application.instances.set(key, { instance, holder });
    this.#instancesChanged(instance.application, application);
  }

  /** A no-op unless `holder` holds it. */
  remove(application: string, key: string, holder: Holder): void {
    const entry = this.#applications.get(application);
    if (entry === undefined || entry.instances.get(key)?.holder !== holder) return;
    entry.instances.delete(key);
    this.#instancesChanged(application, entry);
  }

  /** Removes what `holder` holds now; what somebody has taken over stays. */
  removeHolder(holder: Holder): void {
    for (const [name, application] of this.#applications) {
      let changed = false;
      for (const [key, entry] of application.instances) {
        if (entry.holder !== holder) continue;
        application.instances.delete(key);
        changed = true;
      }
      if (changed) this.#instancesChanged(name, application);
    }
  }

  /** An entry that is no instance; `undefined` removes it. */
  setMalformed(application: string, id: string, reason: string | undefined): void {
    const entry = this.#application(application);
    if (reason === undefined) entry.malformed.delete(id);
    else entry.malformed.set(id, { id, reason });
    this.#instancesChanged(application, entry);
  }

  mapping(serviceInterface: string): SessionMapping {
    return this.#mappings.get(serviceInterface) ?? { seq: 0, value: undefined };
  }

  /** Compare-and-set by `seq`. */
  setMapping(serviceInterface: string, value: string, expected: SessionMapping): boolean {
    if (this.mapping(serviceInterface).seq !== expected.seq) return false;
    this.#mappings.set(serviceInterface, { seq: ++this.#seq, value });
    tell(this.#mappingListeners.get(serviceInterface));
    return true;
  }

  metadata(application: string, revision: string): string | undefined {
    return this.#metadata.get(JSON.stringify([application, revision]));
  }

  setMetadata(application: string, revision: string, value: string): void {
    this.#metadata.set(JSON.stringify([application, revision]), value);
  }

  /** How many entries of metadata there are. */
  get metadataSize(): number {
    return this.#metadata.size;
  }

  /** Forgets everything, as a server without a disk does when it restarts; tells nobody. */
  wipe(): void {
    this.#applications.clear();
    this.#mappings.clear();
    this.#metadata.clear();
  }

  /** `listener` is called synchronously after each change. */
  onInstances(application: string, listener: () => void): Disposable {
    return listen(this.#instanceListeners, application, listener);
  }

  onMapping(serviceInterface: string, listener: () => void): Disposable {
    return listen(this.#mappingListeners, serviceInterface, listener);
  }

  #application(name: string): Application {
    let application = this.#applications.get(name);
    if (application === undefined) {
      application = { seq: ++this.#seq, instances: new Map(), malformed: new Map() };
      this.#applications.set(name, application);
    }
    return application;
  }

  #instancesChanged(name: string, application: Application): void {
    application.seq = ++this.#seq;
    tell(this.#instanceListeners.get(name));
  }
}

function listen(listeners: Map<string, Set<() => void>>, key: string, listener: () => void): Disposable {
  const entry = (): void => listener();
  let set = listeners.get(key);
  if (set === undefined) {
    set = new Set();
    listeners.set(key, set);
  }
  const own = set;
  own.add(entry);
  return {
    [Symbol.dispose]: () => {
      own.delete(entry);
      if (own.size === 0 && listeners.get(key) === own) listeners.delete(key);
    },
  };
}

function tell(listeners: ReadonlySet<() => void> | undefined): void {
  if (listeners !== undefined) for (const listener of [...listeners]) listener();
}
