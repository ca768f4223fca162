import type { RegistryPreference } from "@dubhe/cluster";
import type { Runtime } from "@dubhe/concurrency";
import { didYouMean, MemoryRegistryServer, memoryRegistry, type Registry, type RegistryUse } from "@dubhe/discovery";
import { etcdId, parseEtcdUrl } from "@dubhe/registry-etcd/config";
import type { HostStarter } from "@dubhe/registry-nacos";
import {
  embeddedId,
  parseEmbeddedUrl,
  parseNacosUrl,
  redactUrl,
  refuseInProduction,
  registryId,
} from "@dubhe/registry-nacos/config";
import { parseZookeeperUrl, zookeeperId } from "@dubhe/registry-zookeeper/config";
import { DeferredRegistry } from "./deferred-registry.js";
import { loadRuleParser } from "./migration-rule.js";
import { keysOf, rejectUnknownKeys } from "./option-keys.js";
import {
  checkRegistryParameters,
  type RegistryParameters,
  splitRegistryUrl,
  withOwnSuggestion,
} from "./registry-parameters.js";

/** A registry and how the App uses it. What the URL says as well may not be said again. */
export interface RegistryOptions extends RegistryParameters {
  readonly url?: string | URL;
  /** Instead of a URL: one that you made yourself. */
  readonly registry?: Registry;
}

/** A registry: a URL, one that you made yourself (your own backend, `modelRegistry` of @dubhe/testing), or either with options. */
export type RegistryInput = string | URL | Registry | RegistryOptions;

/** A registry of an App. */
export interface ConfiguredRegistry {
  readonly use: Required<RegistryUse>;
  readonly preference: RegistryPreference;
  /** All its peers are on this machine, so that is where servers bind and what they advertise. */
  readonly loopback: boolean;
  /** Of the URL; undefined of one that was given as an object. */
  readonly scheme: string | undefined;
  /** Where its client connects, in clear text or over TLS: for those who look whether it can. */
  readonly servers: readonly RegistryServer[];
}

export interface RegistryServer {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

interface Backend {
  readonly id: string;
  readonly loopback: boolean;
  readonly servers: readonly RegistryServer[];
  open(runtime: Runtime): Promise<Registry>;
}

export type Environment = Readonly<Record<string, string | undefined>>;

export interface ConfigureOptions {
  /** A client of the embedded registry serves it where nobody does. Default true; false for those who only look. */
  readonly hosts?: boolean;
}

/** Each checks the whole URL at once and throws what is wrong with it; the package itself is loaded when it is used. */
const backends: Readonly<
  Record<string, (url: string, application: string, env: Environment, hosts: boolean) => Backend>
> = {
  embedded: (url, application, env, hosts) => {
    const config = parseEmbeddedUrl(url, application);
    refuseInProduction(env);
    const open = async (runtime: Runtime) =>
      (await import("@dubhe/registry-nacos")).embeddedRegistry(
        runtime,
        config,
        hosts ? {} : { starter: noHost(config.port) },
      );
    const servers = [{ host: "127.0.0.1", port: config.port, tls: false }];
    return { id: embeddedId(config), loopback: true, servers, open };
  },
  nacos: (url, application) => {
    const config = parseNacosUrl(url, application);
    const open = async (runtime: Runtime) => (await import("@dubhe/registry-nacos")).nacosRegistry(runtime, config);
    const servers = config.servers.map(({ host, grpcPort: port }) => ({ host, port, tls: config.tls !== undefined }));
    return { id: registryId(config), loopback: false, servers, open };
  },
  zookeeper: (url, application) => {
    const config = parseZookeeperUrl(url, application);
    const open = async (runtime: Runtime) =>
      (await import("@dubhe/registry-zookeeper")).zookeeperRegistry(runtime, config);
    const servers = config.servers.map(({ host, port }) => ({ host, port, tls: config.tls !== undefined }));
    return { id: zookeeperId(config), loopback: false, servers, open };
  },
  etcd,
  // dubbo-go's name for it.
  etcdv3: etcd,
  memory: (url) => {
    const name = /^memory:([\w-]*)$/.exec(url)?.[1];
    if (name === undefined)
      throw new TypeError(`"${redactUrl(url)}" is no memory registry; write memory: or memory:some-name.`);
    const server = memoryServer(name);
    return { id: server.id, loopback: true, servers: [], open: async (runtime) => memoryRegistry(runtime, server) };
  },
};

function noHost(port: number): HostStarter {
  const text = `nobody serves it: 127.0.0.1:${port} is not open, so no Dubhe process of this machine runs with it. Start one, or name another registry`;
  return { start: () => Promise.reject(new Error(text)) };
}

function etcd(url: string, application: string): Backend {
  const config = parseEtcdUrl(url, application);
  const open = async (runtime: Runtime) => (await import("@dubhe/registry-etcd")).etcdRegistry(runtime, config);
  const servers = config.endpoints.map(({ host, port }) => ({ host, port, tls: config.tls !== undefined }));
  return { id: etcdId(config), loopback: false, servers, open };
}

const defaultRegistry = "embedded:";

const optionKeys = keysOf<RegistryOptions>({
  url: 1,
  registry: 1,
  type: 1,
  register: 1,
  subscribe: 1,
  applications: 1,
  zone: 1,
  preferred: 1,
  weight: 1,
});

/** What `memory:NAME` means to all Apps of this process: nothing else than the process could hold it. */
const memoryServers = new Map<string, MemoryRegistryServer>();

function memoryServer(name: string): MemoryRegistryServer {
  let server = memoryServers.get(name);
  if (server === undefined) {
    server = new MemoryRegistryServer(name === "" ? undefined : name);
    memoryServers.set(name, server);
  }
  return server;
}

/** Throws a TypeError, or the backend's own error, for what cannot be a registry. */
export function configureRegistries(
  runtime: Runtime,
  input: RegistryInput | readonly RegistryInput[] | undefined,
  application: string,
  env: Environment,
  { hosts = true }: ConfigureOptions = {},
): readonly ConfiguredRegistry[] {
  const inputs =
    input === undefined
      ? [defaultRegistry]
      : Array.isArray(input)
        ? (input as readonly RegistryInput[])
        : [input as RegistryInput];
  if (inputs.length === 0)
    throw new TypeError("the list of registries is empty; leave `registry` out for the embedded one");
  return inputs.map((one) => configure(runtime, one, application, env, hosts));
}

function configure(
  runtime: Runtime,
  input: RegistryInput,
  application: string,
  env: Environment,
  hosts: boolean,
): ConfiguredRegistry {
  if (typeof input === "string" || input instanceof URL)
    return fromUrl(runtime, String(input), {}, application, env, hosts);
  if (isRegistry(input)) return configured(input, {});
  if (typeof input !== "object" || input === null || Object.keys(input).length === 0) {
    throw new TypeError(
      "a registry is a URL such as nacos://127.0.0.1:8848, an object that implements Registry, or { url, … }",
    );
  }
  rejectUnknownKeys("a registry", input, optionKeys);
  const { url, registry, ...parameters } = input;
  checkRegistryParameters(parameters);
  if ((url === undefined) === (registry === undefined))
    throw new TypeError("a registry given as an object has either url or registry");
  if (registry === undefined) return fromUrl(runtime, String(url), parameters, application, env, hosts);
  if (!isRegistry(registry)) throw new TypeError("`registry` of a registry is an object that implements Registry");
  if (parameters.type !== "all" || registry.configuration === undefined) return configured(registry, parameters);
  // Its migration rule may be there before the parser is.
  const open = async (): Promise<Registry> => {
    await loadRuleParser();
    return registry;
  };
  return configured(new DeferredRegistry(runtime, registry.id, open, registry), parameters);
}

function isRegistry(input: unknown): input is Registry {
  const { watch, register } = (input ?? {}) as Partial<Registry>;
  return typeof watch === "function" && typeof register === "function";
}

function fromUrl(
  runtime: Runtime,
  text: string,
  options: RegistryParameters,
  application: string,
  env: Environment,
  hosts: boolean,
): ConfiguredRegistry {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase();
  const known = Object.keys(backends);
  const isKnown = scheme !== undefined && Object.hasOwn(backends, scheme);
  const shown = redactUrl(text);
  const rest = shown.slice(shown.indexOf(":") + 1);
  if (isKnown && scheme !== "memory" && /^[^/?]/.test(rest)) {
    // "zookeeper:2181" is a host of that name, as containers have it.
    const host = scheme === "embedded" ? "127.0.0.1" : scheme;
    const meant = `${scheme}://${/^\d+$/.test(rest) ? `${host}:` : ""}${rest}`;
    throw new TypeError(`"${scheme}:${rest}" is no registry URL; write ${meant}`);
  }
  if (scheme === undefined || (!isKnown && /^[^:/]+:\d+/.test(text))) {
    throw new TypeError(`"${shown}" is no registry URL; write its kind before it, for example nacos://${shown}`);
  }
  if (!isKnown) throw new TypeError(`no registry is named "${scheme}".${didYouMean(scheme, known)}`);
  const { url, parameters } = splitRegistryUrl(text);
  for (const key of Object.keys(options)) {
    if (Object.hasOwn(parameters, key))
      throw new TypeError(`${key} of a registry is given in its URL and beside it; say it once`);
  }
  const all = checkRegistryParameters({ ...parameters, ...options });
  const backend = openable(scheme, url, application, env, hosts);
  const open = async (): Promise<Registry> => {
    if (all.type === "all") await loadRuleParser();
    return await backend.open(runtime);
  };
  const registry = new DeferredRegistry(runtime, backend.id, open);
  const { loopback, servers } = backend;
  return { ...configured(registry, all), loopback, scheme, servers };
}

function openable(scheme: string, url: string, application: string, env: Environment, hosts: boolean): Backend {
  try {
    return (backends[scheme] as (typeof backends)[string])(url, application, env, hosts);
  } catch (error) {
    throw withOwnSuggestion(error, url);
  }
}

function configured(registry: Registry, parameters: RegistryParameters): ConfiguredRegistry {
  const { type = "service", register = true, subscribe = true, applications = [], ...preference } = parameters;
  const use = { registry, type, register, subscribe, applications };
  return { use, preference: { id: registry.id, ...preference }, loopback: false, scheme: undefined, servers: [] };
}
