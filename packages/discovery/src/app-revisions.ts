import type { DiscoveryContext } from "./discovery-context.js";
import { type Instance, revisionOf } from "./instance.js";
import type { InstanceChange, InstanceTable } from "./instance-table.js";
import { REVISION_NONE, REVISION_UNKNOWN } from "./metadata-keys.js";
import type { ApplicationMetadata, RevisionState, RevisionWish } from "./metadata-resolver.js";
import type { Registry } from "./registry.js";

interface Revision {
  /** `host:port` of the instances that have it now. */
  readonly instances: Set<string>;
  wish: RevisionWish | undefined;
  counted: RevisionState["kind"];
}

/** Whether a revision names metadata that can be asked for. */
export function isResolvable(revision: string): boolean {
  return revision !== "" && revision !== REVISION_NONE && revision !== REVISION_UNKNOWN;
}

/**
 * The revisions that the instances of one application have now: each is wanted from the resolver as long as some instance
 * has it, and asked of an instance of the newest list (D-37: never of one that has gone).
 */
export class AppRevisions {
  readonly #metadata: ApplicationMetadata;
  readonly #table: InstanceTable;
  readonly #changed: (revision: string) => void;
  readonly #revisions = new Map<string, Revision>();
  readonly #ofInstance = new Map<string, string>();
  readonly #counts: Record<RevisionState["kind"], number> = { pending: 0, failed: 0, resolved: 0 };

  constructor(
    context: DiscoveryContext,
    registry: Registry,
    application: string,
    table: InstanceTable,
    changed: (revision: string) => void,
  ) {
    this.#metadata = context.resolver.application(registry, application);
    this.#table = table;
    this.#changed = changed;
  }

  /** How many revisions are in which state. */
  get counts(): Readonly<Record<RevisionState["kind"], number>> {
    return this.#counts;
  }

  /** Undefined for a revision that no instance has, or that names no metadata. */
  state(revision: string): RevisionState | undefined {
    return this.#revisions.get(revision)?.wish?.state;
  }

  /** By `Clock.now()`: when a failed one is tried again. */
  retryAt(revision: string): number | undefined {
    return this.#revisions.get(revision)?.wish?.retryAt;
  }

  instances(revision: string): ReadonlySet<string> {
    return this.#revisions.get(revision)?.instances ?? new Set();
  }

  *entries(): IterableIterator<readonly [revision: string, state: RevisionState, instances: number]> {
    for (const [revision, { wish, instances }] of this.#revisions)
      if (wish !== undefined) yield [revision, wish.state, instances.size];
  }

  /** Follows what has been applied to the table. */
  update(change: InstanceChange): void {
    const touched = new Set<string>();
    change.upserted.forEach((instance, index) => {
      this.#assign(change.upsertedKeys[index] as string, instance, touched);
    });
    for (const key of change.removed) this.#leave(key);
    for (const revision of touched) this.#revisions.get(revision)?.wish?.candidatesChanged();
  }

  close(): void {
    this.#metadata.close();
    this.#revisions.clear();
    this.#ofInstance.clear();
  }

  #assign(key: string, instance: Instance, touched: Set<string>): void {
    const name = revisionOf(instance);
    const old = this.#ofInstance.get(key);
    if (old === name) return;
    if (old !== undefined) this.#leave(key);
    if (!isResolvable(name)) return;
    this.#ofInstance.set(key, name);
    const known = this.#revisions.get(name);
    if (known !== undefined) {
      known.instances.add(key);
      touched.add(name);
      return;
    }
    this.#begin(name, key);
  }

  #begin(name: string, firstInstance: string): void {
    const revision: Revision = { instances: new Set([firstInstance]), wish: undefined, counted: "pending" };
    this.#revisions.set(name, revision);
    this.#counts.pending++;
    revision.wish = this.#metadata.want({
      revision: name,
      // A first revision is what somebody waits for; later ones come with a roll-out, to everyone at the same moment.
      spread: this.#counts.resolved > 0,
      candidates: () => this.#candidates(revision),
      changed: () => {
        this.#count(revision);
        this.#changed(name);
      },
    });
    this.#count(revision);
  }

  #leave(key: string): void {
    const name = this.#ofInstance.get(key);
    if (name === undefined) return;
    this.#ofInstance.delete(key);
    const revision = this.#revisions.get(name);
    if (revision === undefined) return;
    revision.instances.delete(key);
    if (revision.instances.size > 0) return;
    this.#revisions.delete(name);
    this.#counts[revision.counted]--;
    revision.wish?.[Symbol.dispose]();
  }

  #count(revision: Revision): void {
    const kind = revision.wish?.state.kind ?? "pending";
    this.#counts[revision.counted]--;
    this.#counts[kind]++;
    revision.counted = kind;
  }

  #candidates(revision: Revision): readonly Instance[] {
    const usable: Instance[] = [];
    const others: Instance[] = [];
    for (const key of revision.instances) {
      const instance = this.#table.get(key);
      if (instance !== undefined) (instance.healthy && instance.enabled ? usable : others).push(instance);
    }
    return usable.length > 0 ? usable : others;
  }
}
