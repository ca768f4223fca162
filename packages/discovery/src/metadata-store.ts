import type { Clock } from "@dubhe/concurrency";
import type { MetadataInfo } from "./metadata-info.js";

/** Revisions that stay answerable whatever their age; Java's default. */
const KEPT_REVISIONS = 16;
/** Younger ones stay too: consumers may still be on their way to ask for them. */
const KEPT_MS = 60_000;
const MAX_REVISIONS = 1024;

/**
 * The provider's own metadata, by revision. A consumer asks for the revision it read in the registry, which may be an older
 * one by the time it asks: dubbo-go answers nil then (D-36). The last 16 revisions, and all of the last minute, stay.
 */
export class MetadataStore {
  readonly #clock: Clock;
  /** In the order of their last `put`. */
  readonly #byRevision = new Map<string, { readonly info: MetadataInfo; readonly at: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Before the instance with this revision is published. Again = newest again. */
  put(info: MetadataInfo): void {
    const now = this.#clock.now();
    this.#byRevision.delete(info.revision);
    this.#byRevision.set(info.revision, { info, at: now });
    for (const [revision, { at }] of this.#byRevision) {
      const size = this.#byRevision.size;
      if (size <= KEPT_REVISIONS || (now - at < KEPT_MS && size <= MAX_REVISIONS)) break;
      this.#byRevision.delete(revision);
    }
  }

  get(revision: string): MetadataInfo | undefined {
    return this.#byRevision.get(revision)?.info;
  }

  /** Oldest first. */
  get revisions(): readonly string[] {
    return [...this.#byRevision.keys()];
  }
}
