import type { Runtime, Watched } from "@dubhe/concurrency";
import type {
  ConfigurationCenter,
  Instance,
  InstancesEvent,
  InstancesWatch,
  MetadataReport,
  Registration,
  Registry,
  RegistryHealth,
  RegistryNames,
  ServiceNameMapping,
} from "@dubhe/discovery";
import { ConfigKeeper } from "./config-keeper.js";
import { ConfigListeners } from "./config-listeners.js";
import { ConfigService } from "./config-service.js";
import { isInterfaceService } from "./dubbo-names.js";
import type { NacosEventListener } from "./events.js";
import { applicationOf } from "./instance-codec.js";
import { asArray, asNumber, asString, type JsonObject } from "./json.js";
import { NacosMapping } from "./mapping.js";
import { RequestType } from "./messages.js";
import { NacosMetadataReport } from "./metadata-report.js";
import { NacosConfiguration } from "./nacos-configuration.js";
import { NacosInterfaces } from "./nacos-interfaces.js";
import { providerIdentity, providerToWire } from "./provider-codec.js";
import { Registrations } from "./registrations.js";
import { HealthObserver } from "./registry-health.js";
import { retried } from "./retried.js";
import type { NacosSession } from "./session.js";
import { type NamingScope, Subscriptions } from "./subscriptions.js";

export interface NacosRegistryOptions extends NamingScope {
  readonly id: string;
  /** Of the configurations: "" for the namespace `public`. */
  readonly tenant: string;
  readonly session: NacosSession;
  readonly onEvent?: NacosEventListener | undefined;
  /** How often references with wildcards are looked up, ms. Default 5000. */
  readonly lookupMs?: number;
  /** Further lists of names. */
  readonly names?: Partial<RegistryNames>;
  /** Further state for `inspect()`. */
  inspect?(): object;
  /** After the session has ended. */
  closed?(): Promise<void>;
}

/** Of the whole close; what is not withdrawn by then is forgotten with the connection. */
const CLOSE_BOUND_MS = 3_000;
/** Names a request; a server answers 20 000 of them in one, but messages stay small. */
const LIST_PAGE = 1_000;

/**
 * The Registry contract over one Nacos session. Here the parts meet; each keeps its own desired state and puts it on the
 * server again in every new session: watches first, then registrations, then configurations.
 */
export class NacosRegistry implements Registry {
  readonly id: string;
  readonly mapping: ServiceNameMapping;
  readonly metadata: MetadataReport;
  readonly interfaces: NacosInterfaces;
  readonly configuration: ConfigurationCenter;
  readonly names: RegistryNames;
  readonly #runtime: Runtime;
  readonly #options: NacosRegistryOptions;
  readonly #subscriptions: Subscriptions;
  readonly #registrations: Registrations;
  readonly #providers: Registrations;
  readonly #listeners: ConfigListeners;
  readonly #keeper: ConfigKeeper;
  readonly #health: HealthObserver;
  #closing: Promise<void> | undefined;

  constructor(runtime: Runtime, options: NacosRegistryOptions) {
    const { session, namespace, group, applicationGroup = group, onEvent } = options;
    const scope = { namespace, group, applicationGroup };
    this.id = options.id;
    this.#runtime = runtime;
    this.#options = options;
    this.#health = new HealthObserver(runtime);
    // The order of the observers is the order of the redo.
    this.#subscriptions = new Subscriptions(runtime, session, scope, onEvent);
    this.#registrations = new Registrations(runtime, session, scope, onEvent);
    this.#providers = new Registrations(runtime, session, scope, onEvent, {
      identity: providerIdentity,
      toWire: providerToWire,
    });
    const list = (signal: AbortSignal): Promise<readonly string[]> => this.#services(group, signal);
    this.interfaces = new NacosInterfaces(
      runtime,
      session,
      this.#subscriptions,
      this.#providers,
      list,
      options.lookupMs,
    );
    const configs = new ConfigService(session, options.tenant);
    this.#listeners = new ConfigListeners(runtime, session, configs, onEvent);
    this.#keeper = new ConfigKeeper(runtime, session, configs, this.#listeners, onEvent);
    this.mapping = new NacosMapping(this.#listeners, this.#keeper);
    this.metadata = new NacosMetadataReport(runtime, session, configs, this.#keeper);
    this.configuration = new NacosConfiguration(this.#listeners);
    this.names = { applications: (signal) => this.applications(signal), ...options.names };
    session.addObserver(this.#health);
    session.start();
  }

  get health(): Watched<RegistryHealth> {
    return this.#health.health;
  }

  watch(application: string, sink: (event: InstancesEvent) => void): InstancesWatch {
    return this.#subscriptions.watch(application, sink);
  }

  register(instance: Instance): Registration {
    return this.#registrations.register(instance);
  }

  /** Names of the services in our namespace and group, interface-level ones (`providers:…`) left out. */
  async applications(signal?: AbortSignal): Promise<readonly string[]> {
    const { group, applicationGroup = group } = this.#options;
    return (await this.#services(applicationGroup, signal)).filter((name) => !isInterfaceService(name));
  }

  async #services(group: string, signal?: AbortSignal): Promise<readonly string[]> {
    const { session, namespace } = this.#options;
    const names = new Set<string>();
    await session.ready(signal);
    for (let pageNo = 1; ; pageNo++) {
      const service = { module: "naming", namespace, groupName: group, serviceName: "" };
      const body = { ...service, pageNo, pageSize: LIST_PAGE, selector: "" };
      const request = (): Promise<JsonObject> => session.request(RequestType.serviceList, body, signal);
      const answer = await retried(this.#runtime, request, signal);
      const page = asArray(answer.serviceNames).map((name) => asString(name));
      for (const name of page) names.add(applicationOf(name));
      if (page.length === 0 || pageNo * LIST_PAGE >= asNumber(answer.count, 0)) return [...names];
    }
  }

  inspect(): unknown {
    const { session, namespace, group, applicationGroup = group } = this.#options;
    return {
      id: this.id,
      namespace,
      group,
      applicationGroup,
      session: describeState(session),
      subscriptions: this.#subscriptions.inspect(),
      registrations: this.#registrations.inspect(),
      interfaces: this.interfaces.inspect(),
      providers: this.#providers.inspect(),
      listeners: this.#listeners.inspect(),
      kept: this.#keeper.inspect(),
      ...this.#options.inspect?.(),
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([this.#registrations.close(CLOSE_BOUND_MS), this.#providers.close(CLOSE_BOUND_MS)]);
    await Promise.all([
      this.interfaces.close(),
      this.#keeper.close(),
      this.#listeners.close(),
      this.#subscriptions.close(),
    ]);
    await this.#options.session.close();
    await this.#options.closed?.();
    this.#health.close();
  }
}

function describeState(session: NacosSession): object {
  const { value } = session.state;
  const counters = { ...session.counters };
  if (value.kind === "waiting") return { ...value, error: value.error.message, counters };
  if (value.kind === "connecting") return { ...value, lastError: value.lastError?.message, counters };
  return { ...value, counters };
}
