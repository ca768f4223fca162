import type { DiscoveryContext } from "./discovery-context.js";
import { type InterfaceProvider, type InterfaceRef, refKey } from "./interface-registry.js";
import { type EntryKind, ListTable } from "./list-table.js";
import { ListWatch } from "./list-watch.js";
import { providerKey, sameProvider } from "./provider-url.js";
import type { Registry } from "./registry.js";

const PROVIDERS: EntryKind<InterfaceProvider> = { key: providerKey, same: sameProvider };

/** The one watch of the providers of one interface, group and version in one registry. */
export class InterfaceWatch extends ListWatch<InterfaceProvider> {
  readonly ref: InterfaceRef;

  constructor(context: DiscoveryContext, registry: Registry, ref: InterfaceRef) {
    const { interfaces } = registry;
    if (interfaces === undefined) throw new Error(`${registry.id} has no interface-level discovery`);
    super(context, {
      registry,
      where: `${refKey(ref)} in ${registry.id}`,
      names: { registryId: registry.id, application: "", serviceInterface: ref.service },
      entry: "provider",
      table: new ListTable(context.settings, PROVIDERS),
      watch: (sink) =>
        interfaces.watch(ref, (event) =>
          sink(event.kind === "error" ? event : { ...event, kind: "list", entries: event.providers }),
        ),
    });
    this.ref = ref;
  }

  override inspect(): Readonly<Record<string, unknown>> {
    return { ...this.ref, ...super.inspect() };
  }
}
