import { revisionOf, tagOf } from "@dubhe/discovery";
import type { ConfiguredRegistry } from "dubhe/tools";
import {
  applicationsOf,
  type CatalogApplication,
  type CatalogService,
  describeInstance,
  servicesOf,
} from "./catalog.js";
import { exclusionOf } from "./explain/candidates.js";
import { kindArgument } from "./kind-argument.js";
import type { CommandLine } from "./options.js";
import { Session } from "./session.js";
import { jsonText, marked, type Terminal, table } from "./terminal.js";
import { UsageError } from "./usage.js";

export async function runList(line: CommandLine, terminal: Terminal): Promise<number> {
  const { kind, names } = kindArgument(line.positionals, "ls");
  await using session = new Session(line.common, terminal, "ls");
  const { json } = line.common;
  const errors: { readonly registry: string; readonly error: string }[] = [];
  const applications: CatalogApplication[] = [];
  const services: CatalogService[] = [];
  for (const registry of session.registries) {
    try {
      if (kind === "services") services.push(...(await listServices(session, registry, names, terminal)));
      else applications.push(...(await applicationsOf(session, registry, names)));
    } catch (error) {
      session.signal.throwIfAborted();
      if (error instanceof UsageError) throw error;
      const { id } = registry.use.registry;
      const { message } = error as Error;
      errors.push({ registry: id, error: message });
      terminal.err(marked(terminal, "wrong", `${id}: ${message}`));
    }
  }
  const several = session.registries.length > 1;
  const put = (found: object): void => terminal.out(jsonText({ ...found, errors }, 2));
  const silent = errors.length === session.registries.length;
  if (kind === "services") {
    if (json) put({ services });
    else if (!silent) print(terminal, several, ["SERVICE", "APPLICATIONS"], services.map(serviceRow));
  } else if (kind === "applications") {
    if (json) put({ applications: applications.map(describeApplication) });
    else if (!silent)
      print(terminal, several, ["APPLICATION", "INSTANCES", "REVISIONS"], applications.map(applicationRow));
  } else {
    const instances = applications.flatMap(({ instances: own, registry }) =>
      own.map((instance) => ({
        ...describeInstance(instance),
        tag: tagOf(instance),
        metadata: instance.metadata,
        registry,
      })),
    );
    if (json) put({ instances });
    else if (!silent)
      print(terminal, several, ["INSTANCE", "APPLICATION", "WEIGHT", "STATE", "REVISION"], instanceRows(applications));
  }
  return errors.length > 0 ? 1 : 0;
}

async function listServices(
  session: Session,
  registry: ConfiguredRegistry,
  names: readonly string[],
  terminal: Terminal,
): Promise<readonly CatalogService[]> {
  const { services, fromMetadata } = await servicesOf(session, registry, names);
  if (fromMetadata) {
    const { id } = registry.use.registry;
    terminal.err(
      marked(terminal, "note", `${id} cannot list its mappings: these are the services in its applications' metadata`),
    );
  }
  return services;
}

/** The last cell of a row is the registry, which is shown when there are several. */
function print(
  terminal: Terminal,
  several: boolean,
  heading: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  if (rows.length === 0) return terminal.err(marked(terminal, "note", "nothing there"));
  table(terminal, several ? [[...heading, "REGISTRY"], ...rows] : [heading, ...rows.map((row) => row.slice(0, -1))]);
}

function serviceRow({ service, applications, registry }: CatalogService): readonly string[] {
  return [service, applications.join(", "), registry];
}

function applicationRow({ application, instances, malformed, registry }: CatalogApplication): readonly string[] {
  const unreadable = malformed === 0 ? "" : ` (${malformed} more cannot be read)`;
  return [application, `${instances.length}${unreadable}`, String(revisionsIn(instances).length), registry];
}

function instanceRows(applications: readonly CatalogApplication[]): readonly (readonly string[])[] {
  return applications.flatMap(({ instances, registry }) =>
    instances.map((instance) => {
      const { address, application, weight, revision } = describeInstance(instance);
      const state = exclusionOf(instance) ?? "ok";
      return [String(address), String(application), String(weight), state, String(revision), registry];
    }),
  );
}

function describeApplication({ application, instances, malformed, registry }: CatalogApplication): unknown {
  return { application, instances: instances.length, malformed, revisions: revisionsIn(instances), registry };
}

function revisionsIn(instances: CatalogApplication["instances"]): readonly string[] {
  return [...new Set(instances.map(revisionOf))].sort();
}
