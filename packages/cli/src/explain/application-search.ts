import {
  findService,
  type Instance,
  instanceKey,
  type MetadataInfo,
  nearest,
  REVISION_NONE,
  REVISION_UNKNOWN,
  revisionOf,
  type ServiceRef,
  serviceKey,
  storageTypeOf,
} from "@dubhe/discovery";
import type { ConfiguredRegistry } from "dubhe/tools";
import type { ProbeResult, ProbeTarget } from "../probe/probe-result.js";
import type { Session } from "../session.js";
import { type Candidate, exclusionOf, instanceWord, someOf } from "./candidates.js";
import type { Findings } from "./explanation.js";
import { mismatch } from "./mismatch.js";

/** So many instances are asked for the metadata of a revision before it counts as unreadable. */
const maxSources = 3;

/** The way of application-level discovery through one registry: mapping, instances, metadata, service. */
export class ApplicationSearch {
  readonly #session: Session;
  readonly #registry: ConfiguredRegistry;
  readonly #ref: ServiceRef;
  readonly #findings: Findings;
  readonly #probe: (target: ProbeTarget) => Promise<ProbeResult>;

  constructor(
    session: Session,
    registry: ConfiguredRegistry,
    ref: ServiceRef,
    findings: Findings,
    probe: (target: ProbeTarget) => Promise<ProbeResult>,
  ) {
    this.#session = session;
    this.#registry = registry;
    this.#ref = ref;
    this.#findings = findings;
    this.#probe = probe;
  }

  get #id(): string {
    return this.#registry.use.registry.id;
  }

  async run(): Promise<readonly Candidate[]> {
    const applications = await this.#applications();
    const found: Candidate[] = [];
    for (const application of applications) found.push(...(await this.#inApplication(application)));
    return found;
  }

  async #applications(): Promise<readonly string[]> {
    const { service, providedBy } = this.#ref;
    if (providedBy !== undefined) {
      this.#findings.ok("mapping", `not consulted: the consumer looks in ${providedBy.join(", ")}`);
      return providedBy;
    }
    const applications = await this.#session.mapping(this.#registry, service);
    const { applications: always } = this.#registry.use;
    if (applications.length > 0)
      this.#findings.ok("mapping", `${service} is mapped to ${applications.join(", ")} in ${this.#id}`);
    if (always.length > 0)
      this.#findings.ok("mapping", `the consumer looks in ${always.join(", ")} in any case (subscribed-services)`);
    if (applications.length + always.length > 0) return [...new Set([...applications, ...always])];
    this.#findings.wrong(
      "mapping",
      `no mapping: no application says in ${this.#id} that it provides ${service}${(await this.#byInterface()) || (await this.#similar(service))}`,
    );
    return [];
  }

  /** Providers of Dubbo 2's model, which a consumer with registry-type=service does not see. */
  async #byInterface(): Promise<string> {
    if (this.#registry.use.type !== "service") return "";
    const list = await this.#session.providers(this.#registry, this.#ref).catch(() => undefined);
    this.#session.signal.throwIfAborted();
    const count = list?.providers.length ?? 0;
    return count === 0
      ? ""
      : `, but ${count === 1 ? "1 provider registers" : `${count} providers register`} the interface itself: give the registry registry-type=all`;
  }

  /** What it may have been meant to be. */
  async #similar(service: string): Promise<string> {
    const known = await this.#session.interfaces(this.#registry).catch(() => undefined);
    if (known === undefined) return "";
    const { group } = this.#ref;
    if (known.includes(group)) return `; ${group} has one: group/interface is asked for, not interface/method`;
    const similar = nearest(service, known);
    if (similar !== undefined) return `; nearest that has one: ${similar}`;
    return known.length === 0 ? "; nothing is mapped there at all" : `; mapped there: ${listed(known)}`;
  }

  async #inApplication(application: string): Promise<readonly Candidate[]> {
    const { instances, malformed } = await this.#session.someInstances(this.#registry, application);
    for (const { id, reason } of malformed.slice(0, 3))
      this.#findings.note("instances", `${application}: ${id} cannot be read: ${reason}`);
    if (instances.length === 0) {
      const names = this.#ref.providedBy === undefined ? "mapping names" : "the consumer looks in";
      const unreadable = malformed.length === 0 ? "" : ` that can be read (${malformed.length} cannot)`;
      this.#findings.wrong(
        "instances",
        `${names} ${application}, which has no instances in ${this.#id}${unreadable}: it is not running, or registers elsewhere`,
      );
      return [];
    }
    const excluded = instances.filter((instance) => exclusionOf(instance) !== undefined);
    const but = excluded.length === 0 ? "" : `, ${excluded.length} of them not to be called (${reasons(excluded)})`;
    this.#findings.ok(
      "instances",
      `${application} has ${instanceWord(instances.length)} in ${this.#id}: ${someOf(instances)}${but}`,
    );
    const found: Candidate[] = [];
    for (const [revision, members] of byRevision(instances))
      found.push(...(await this.#inRevision(application, revision, members)));
    return found;
  }

  async #inRevision(
    application: string,
    revision: string,
    instances: readonly Instance[],
  ): Promise<readonly Candidate[]> {
    const who = someOf(instances);
    if (revision === "" || revision === REVISION_NONE || revision === REVISION_UNKNOWN) {
      const why =
        revision === ""
          ? "has no revision: it is no Dubbo 3 instance, or it registers interfaces only (registry-type=interface)"
          : `has revision "${revision}": it exports nothing`;
      this.#findings.wrong("metadata", `${application} at ${who} ${why}`);
      return [];
    }
    const name = `revision ${shortened(revision)} of ${application}`;
    const read = await this.#metadata(application, revision, instances);
    if ("failures" in read) {
      this.#findings.wrong("metadata", `metadata of ${name} is unreadable: ${read.failures.join("; ")}`);
      return [];
    }
    const { info, from } = read;
    const count = info.services.length === 1 ? "1 service" : `${info.services.length} services`;
    this.#findings.ok("metadata", `metadata of ${name} read from ${from}: ${count}`);
    const service = findService(info, this.#ref);
    if (service === undefined) {
      this.#findings.wrong("service", mismatch(this.#ref, info.services, name));
      return [];
    }
    this.#findings.ok("service", `${name} offers ${serviceKey(service)} over ${service.protocol}`);
    return instances.map((instance) => ({ registryId: this.#id, instance, service }));
  }

  /** From where the instances say it is; from the other place if that fails. */
  async #metadata(
    application: string,
    revision: string,
    instances: readonly Instance[],
  ): Promise<{ readonly info: MetadataInfo; readonly from: string } | { readonly failures: readonly string[] }> {
    const failures: string[] = [];
    const attempt = async (from: string, read: () => Promise<MetadataInfo | undefined>) => {
      try {
        const info = await read();
        if (info === undefined) failures.push(`${from} has none`);
        // Consumers do not take it either.
        else if (info.revision !== "" && info.revision !== revision)
          failures.push(`${from} has revision ${shortened(info.revision)} instead`);
        else return { info, from };
      } catch (error) {
        this.#session.signal.throwIfAborted();
        failures.push(await this.#why(error as Error));
      }
      return undefined;
    };
    const report = () =>
      attempt(this.#id, () =>
        this.#session.within(
          async (signal) => await this.#registry.use.registry.metadata?.fetch(application, revision, signal),
        ),
      );
    const remote = instances.some((instance) => storageTypeOf(instance) === "remote");
    if (remote) {
      const read = await report();
      if (read !== undefined) return read;
    }
    for (const instance of instances.slice(0, maxSources)) {
      const read = await attempt(instanceKey(instance), () =>
        this.#session.within((signal) => this.#session.fetchMetadata(instance, revision, signal)),
      );
      if (read !== undefined) return read;
    }
    if (!remote) {
      const told = failures.length;
      const read = await report();
      if (read !== undefined) return read;
      // Nobody said that it would be there.
      failures.length = told;
    }
    return { failures: [...new Set(failures)] };
  }

  /** Where an instance cannot even be connected to, the probe of the last step says more clearly why. */
  async #why({ message }: Error): Promise<string> {
    const address = /^\[unavailable\] cannot connect to (\S+):(\d+): /.exec(message);
    const plain = message.replace(/^\[unavailable\] /, "").replace(/, retry in \d+ m?s$/, "");
    if (address === null) return plain;
    const [, host = "", port] = address;
    const probed = await this.#probe({ host: host.replace(/^\[|\]$/g, ""), port: Number(port) });
    return probed.ok || probed.problem === "not-http2" ? plain : probed.text;
  }
}

function byRevision(instances: readonly Instance[]): ReadonlyMap<string, readonly Instance[]> {
  const result = new Map<string, Instance[]>();
  for (const instance of instances) {
    const revision = revisionOf(instance);
    const members = result.get(revision);
    if (members === undefined) result.set(revision, [instance]);
    else members.push(instance);
  }
  return result;
}

function reasons(instances: readonly Instance[]): string {
  return [...new Set(instances.map((instance) => exclusionOf(instance) ?? ""))].join(", ");
}

function shortened(revision: string): string {
  return revision.length > 12 ? `${revision.slice(0, 12)}…` : revision;
}

function listed(names: readonly string[]): string {
  const some = names.toSorted().slice(0, 5).join(", ");
  return names.length > 5 ? `${some} and ${names.length - 5} more` : some;
}
