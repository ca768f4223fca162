import type { MetadataInfo } from "./metadata-info.js";
import type { MetadataKeeper } from "./metadata-keeper.js";
import type { MetadataStore } from "./metadata-store.js";
import { confirmed, type Desired, type Part, Publishing } from "./publishing.js";
import type { MappingEntry, MetadataReport, Registration, Registry } from "./registry.js";

/** How the metadata that an application keeps in reports is renewed. */
export interface Renewal {
  /** Unix milliseconds. */
  now(): number;
  keep(registry: Registry, report: MetadataReport, renew: () => void): MetadataKeeper;
}

/** One application's port in one registry, by application. The order of publication is mapping, metadata, instance. */
export class Publication extends Publishing {
  readonly #store: MetadataStore;
  readonly #mappings = new Map<string, MappingEntry>();
  #metadata: { readonly info: MetadataInfo; readonly entry: MappingEntry } | undefined;
  /** Metadata of earlier revisions: held until the instance has a newer one. */
  readonly #outdated = new Set<MappingEntry>();
  #registration: Registration | undefined;
  /** Keeps the metadata in the report young, once there is some. */
  #keeper: MetadataKeeper | undefined;
  readonly #renewal: Renewal | undefined;

  /** `renewal`: absent, then metadata is published once and without a time. */
  constructor(registry: Registry, store: MetadataStore, changed: () => void, renewal?: Renewal) {
    super(registry, changed);
    this.#store = store;
    this.#renewal = renewal;
  }

  override close(): void {
    this.#keeper?.close();
    super.close();
  }

  inspect(): unknown {
    return {
      registry: this.registry.id,
      revision: this.publishedRevision,
      mappings: Object.fromEntries([...this.#mappings].map(([name, entry]) => [name, entry.state.value])),
      instance: this.#registration?.state.value ?? null,
      problems: this.problems(),
    };
  }

  protected async put(desired: Desired, signal: AbortSignal): Promise<void> {
    const { application } = desired.instance;
    for (const name of desired.interfaces) {
      if (!this.#mappings.has(name))
        this.#mappings.set(name, this.follow(this.registry.mapping.add(name, application)));
    }
    await Promise.all(desired.interfaces.map((name) => confirmed(this.#mappings.get(name), signal)));
    // Whoever sees the instance may ask for its revision at once.
    this.#store.put(desired.info);
    const report = desired.remote ? this.registry.metadata : undefined;
    const previous = this.#metadata;
    if (report !== undefined && previous?.info.revision !== desired.info.revision) {
      if (previous !== undefined) this.#outdated.add(previous.entry);
      const entry = this.follow(report.publish(this.#dated(desired.info)));
      this.#metadata = { info: desired.info, entry };
      this.#keeper ??= this.#renewal?.keep(this.registry, report, () => this.#renew(report));
    }
    await confirmed(this.#metadata?.entry, signal);
    if (this.#registration === undefined) this.#registration = this.follow(this.registry.register(desired.instance));
    else this.#registration.update(desired.instance);
    await confirmed(this.#registration, signal);
    await this.#letGoOutdated(desired);
  }

  /** The instance first: it is what leads consumers here. */
  protected async takeBack(): Promise<void> {
    this.#keeper?.close();
    this.#keeper = undefined;
    const registration = this.#registration;
    this.#registration = undefined;
    if (registration !== undefined) await this.letGo([registration]);
    const entries = [...this.#mappings.values(), ...this.#outdated];
    if (this.#metadata !== undefined) entries.push(this.#metadata.entry);
    this.#mappings.clear();
    this.#outdated.clear();
    this.#metadata = undefined;
    await this.letGo(entries);
  }

  protected parts(): readonly (readonly [string, Part])[] {
    const parts: [string, Part][] = [];
    for (const [name, entry] of this.#mappings) parts.push([`mapping of ${name}`, entry]);
    if (this.#metadata !== undefined)
      parts.push([`metadata of revision ${this.#metadata.info.revision}`, this.#metadata.entry]);
    if (this.#registration !== undefined) parts.push(["instance", this.#registration]);
    return parts;
  }

  /** Only what is renewed has a time: without one nobody collects it. */
  #dated(info: MetadataInfo): MetadataInfo {
    return this.#renewal === undefined ? info : { ...info, lastUpdatedTime: this.#renewal.now() };
  }

  #renew(report: MetadataReport): void {
    const old = this.#metadata;
    if (old === undefined) return;
    // The new wish first: with the last one of an entry its healing would end.
    this.#metadata = { info: old.info, entry: this.follow(report.publish(this.#dated(old.info))) };
    void this.letGo([old.entry]).catch(() => undefined);
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
    await this.letGo(gone);
  }
}
