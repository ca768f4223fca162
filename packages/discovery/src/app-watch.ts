import { AppRevisions } from "./app-revisions.js";
import type { DiscoveryContext } from "./discovery-context.js";
import type { Instance } from "./instance.js";
import { type InstanceChange, InstanceTable } from "./instance-table.js";
import { type ListObserver, ListWatch } from "./list-watch.js";
import type { Registry } from "./registry.js";

/** One view's interest in an application. */
export interface AppObserver extends ListObserver<Instance> {
  /** What is known of this revision changed. */
  revisionChanged(revision: string): void;
}

/** The one watch of one application in one registry, and of what its instances offer. */
export class AppWatch extends ListWatch<Instance, AppObserver> {
  readonly application: string;
  readonly revisions: AppRevisions;

  constructor(context: DiscoveryContext, registry: Registry, application: string) {
    const table = new InstanceTable(context.settings);
    super(context, {
      registry,
      where: `${application} in ${registry.id}`,
      names: { registryId: registry.id, application },
      entry: "instance",
      table,
      watch: (sink) =>
        registry.watch(application, (event) =>
          sink(event.kind === "error" ? event : { ...event, kind: "list", entries: event.instances }),
        ),
    });
    this.application = application;
    this.revisions = new AppRevisions(context, registry, application, table, (revision) =>
      this.#revisionChanged(revision),
    );
  }

  override async close(): Promise<void> {
    this.revisions.close();
    await super.close();
  }

  override inspect(): Readonly<Record<string, unknown>> {
    return { application: this.application, ...super.inspect(), revisions: { ...this.revisions.counts } };
  }

  protected override applied(change: InstanceChange): void {
    this.revisions.update(change);
  }

  #revisionChanged(revision: string): void {
    if (this.closed) return;
    for (const observer of this.observers) observer.revisionChanged(revision);
    for (const observer of this.observers) observer.listChanged();
  }
}
