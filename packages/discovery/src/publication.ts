import { type Instance, sameInstance } from "./instance.js";
import type { MetadataInfo } from "./metadata-info.js";
import type { MetadataStore } from "./metadata-store.js";
import type { MappingEntry, Registration, RegistrationState, Registry } from "./registry.js";

/** What shall be known of an application in a registry. */
export interface Desired {
  readonly info: MetadataInfo;
  readonly instance: Instance;
  readonly interfaces: readonly string[];
  /** Publish the metadata in the registry too. */
  readonly remote: boolean;
}

/**
 * One application's port in one registry. Runs the order of publication: mapping, metadata, instance; each step is a desired
 * state of the registry, which retries and heals by itself, so here one only waits for confirmation.
 */
export class Publication {
  readonly registry: Registry;
  readonly #store: MetadataStore;
  readonly #changed: () => void;
  readonly #mappings = new Map<string, MappingEntry>();
  /** What is followed for changes of its state, until it is let go. */
  readonly #followed = new Map<MappingEntry | Registration, Disposable>();
  #metadata: { readonly revision: string; readonly entry: MappingEntry } | undefined;
  /** Metadata of earlier revisions: held until the instance has a newer one. */
  readonly #outdated = new Set<MappingEntry>();
  #registration: Registration | undefined;
  #wanted: Desired | undefined;
  /** The newest desire that went all the way. */
  #published: Desired | undefined;
  #waiting: AbortController | undefined;

  constructor(registry: Registry, store: MetadataStore, changed: () => void) {
    this.registry = registry;
    this.#store = store;
    this.#changed = changed;
  }

  /** Notes what is wanted (undefined = nothing); false when that is what was wanted before. */
  wants(desired: Desired | undefined): boolean {
    const old = this.#wanted;
    if (old === desired) return false;
    if (
      old !== undefined &&
      desired !== undefined &&
      old.info.revision === desired.info.revision &&
      sameInstance(old.instance, desired.instance)
    )
      return false;
    this.#wanted = desired;
    return true;
  }

  /** One at a time. Rejects when interrupted, for a newer desire. */
  async publish(desired: Desired): Promise<void> {
    if (desired !== this.#wanted) return; // a newer one is about to run
    const waiting = new AbortController();
    this.#waiting = waiting;
    const { application } = desired.instance;
    for (const name of desired.interfaces) {
      if (!this.#mappings.has(name))
        this.#mappings.set(name, this.#follow(this.registry.mapping.add(name, application)));
    }
    await Promise.all(desired.interfaces.map((name) => confirmed(this.#mappings.get(name), waiting.signal)));
    // Whoever sees the instance may ask for its revision at once.
    this.#store.put(desired.info);
    const report = desired.remote ? this.registry.metadata : undefined;
    const previous = this.#metadata;
    if (report !== undefined && previous?.revision !== desired.info.revision) {
      if (previous !== undefined) this.#outdated.add(previous.entry);
      this.#metadata = { revision: desired.info.revision, entry: this.#follow(report.publish(desired.info)) };
    }
    await confirmed(this.#metadata?.entry, waiting.signal);
    if (this.#registration === undefined) this.#registration = this.#follow(this.registry.register(desired.instance));
    else this.#registration.update(desired.instance);
    await confirmed(this.#registration, waiting.signal);
    await this.#letGoOutdated(desired);
    this.#published = desired;
    this.#changed();
  }

  /** Stops waiting for the confirmation of what is no longer wanted. */
  interrupt(): void {
    this.#waiting?.abort(new DOMException("something newer is wanted", "AbortError"));
  }

  /** The instance first: it is what leads consumers here. */
  async withdraw(): Promise<void> {
    this.#published = undefined;
    const registration = this.#registration;
    this.#registration = undefined;
    if (registration !== undefined) await this.#letGo([registration]);
    const entries = [...this.#mappings.values(), ...this.#outdated];
    if (this.#metadata !== undefined) entries.push(this.#metadata.entry);
    this.#mappings.clear();
    this.#outdated.clear();
    this.#metadata = undefined;
    await this.#letGo(entries);
    this.#changed();
  }

  /** Tells nobody of changes any more. */
  close(): void {
    for (const subscription of this.#followed.values()) subscription[Symbol.dispose]();
    this.#followed.clear();
  }

  get state(): RegistrationState {
    if (this.#wanted === undefined) return this.#registration === undefined ? "confirmed" : "pending";
    const parts = this.#parts();
    if (parts.some((part) => part.state.value === "failed")) return "failed";
    return this.#published === this.#wanted && parts.every((part) => part.state.value === "confirmed")
      ? "confirmed"
      : "pending";
  }

  problems(): readonly string[] {
    const result: string[] = [];
    const tell = (what: string, part: MappingEntry | Registration): void => {
      if (part.state.value === "confirmed") return;
      const why = part.error === undefined ? "not confirmed yet" : part.error.message;
      result.push(`${what} in ${this.registry.id}: ${why}`);
    };
    for (const [name, entry] of this.#mappings) tell(`mapping of ${name}`, entry);
    if (this.#metadata !== undefined) tell(`metadata of revision ${this.#metadata.revision}`, this.#metadata.entry);
    if (this.#registration !== undefined) tell("instance", this.#registration);
    const health = this.registry.health.value;
    if (result.length > 0 && health.state !== "up") {
      result.push(
        `${this.registry.id} is ${health.state}${health.error === undefined ? "" : `: ${health.error.message}`}`,
      );
    }
    return result;
  }

  inspect(): unknown {
    return {
      registry: this.registry.id,
      revision: this.#published?.info.revision ?? null,
      mappings: Object.fromEntries([...this.#mappings].map(([name, entry]) => [name, entry.state.value])),
      instance: this.#registration?.state.value ?? null,
      problems: this.problems(),
    };
  }

  /** Stops the healing of what the newest revision does not have any more. */
  async #letGoOutdated(desired: Desired): Promise<void> {
    const gone = [...this.#outdated];
    this.#outdated.clear();
    for (const [name, entry] of this.#mappings) {
      if (desired.interfaces.includes(name)) continue;
      this.#mappings.delete(name);
      gone.push(entry);
    }
    await this.#letGo(gone);
  }

  async #letGo(parts: readonly (MappingEntry | Registration)[]): Promise<void> {
    await Promise.all(
      parts.map((part) => {
        this.#followed.get(part)?.[Symbol.dispose]();
        this.#followed.delete(part);
        return part[Symbol.asyncDispose]();
      }),
    );
  }

  #parts(): readonly (MappingEntry | Registration)[] {
    const parts: (MappingEntry | Registration)[] = [...this.#mappings.values()];
    if (this.#metadata !== undefined) parts.push(this.#metadata.entry);
    if (this.#registration !== undefined) parts.push(this.#registration);
    return parts;
  }

  #follow<P extends MappingEntry | Registration>(part: P): P {
    this.#followed.set(
      part,
      part.state.subscribe(() => this.#changed()),
    );
    return part;
  }
}

async function confirmed(part: MappingEntry | Registration | undefined, signal: AbortSignal): Promise<void> {
  await part?.state.until((state) => state === "confirmed", signal);
}
