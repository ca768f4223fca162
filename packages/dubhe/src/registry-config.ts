import type { Runtime } from "@dubhe/concurrency";
import { didYouMean, MemoryRegistryServer, memoryRegistry, type Registry } from "@dubhe/discovery";
import {
  embeddedId,
  parseEmbeddedUrl,
  parseNacosUrl,
  refuseInProduction,
  registryId,
} from "@dubhe/registry-nacos/config";
import { DeferredRegistry } from "./deferred-registry.js";

/** A registry: a URL, or one that you made yourself (your own backend, `modelRegistry` of @dubhe/testing). */
export type RegistryInput = string | URL | Registry;

/** A registry of an App. */
export interface ConfiguredRegistry {
  readonly registry: Registry;
  /** All its peers are on this machine, so that is where servers bind and what they advertise. */
  readonly loopback: boolean;
}

interface Backend {
  readonly id: string;
  readonly loopback: boolean;
  open(runtime: Runtime): Promise<Registry>;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Each checks the whole URL at once and throws what is wrong with it; the package itself is loaded when it is used. */
const backends: Readonly<Record<string, (url: string, application: string, env: Environment) => Backend>> = {
  embedded: (url, application, env) => {
    const config = parseEmbeddedUrl(url, application);
    refuseInProduction(env);
    const open = async (runtime: Runtime) => (await import("@dubhe/registry-nacos")).embeddedRegistry(runtime, config);
    return { id: embeddedId(config), loopback: true, open };
  },
  nacos: (url, application) => {
    const config = parseNacosUrl(url, application);
    const open = async (runtime: Runtime) => (await import("@dubhe/registry-nacos")).nacosRegistry(runtime, config);
    return { id: registryId(config), loopback: false, open };
  },
  memory: (url) => {
    const name = /^memory:([\w-]*)$/.exec(url)?.[1];
    if (name === undefined) throw new TypeError(`"${url}" is no memory registry; write memory: or memory:some-name.`);
    const server = memoryServer(name);
    return { id: server.id, loopback: true, open: async (runtime) => memoryRegistry(runtime, server) };
  },
};

const defaultRegistry = "embedded:";

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
): readonly ConfiguredRegistry[] {
  const inputs =
    input === undefined
      ? [defaultRegistry]
      : Array.isArray(input)
        ? (input as readonly RegistryInput[])
        : [input as RegistryInput];
  if (inputs.length === 0)
    throw new TypeError("the list of registries is empty; leave `registry` out for the embedded one");
  return inputs.map((one) => configure(runtime, one, application, env));
}

function configure(runtime: Runtime, input: RegistryInput, application: string, env: Environment): ConfiguredRegistry {
  if (typeof input !== "string" && !(input instanceof URL)) {
    if (typeof input?.watch !== "function" || typeof input.register !== "function") {
      throw new TypeError("a registry is a URL such as nacos://127.0.0.1:8848, or an object that implements Registry");
    }
    return { registry: input, loopback: false };
  }
  const url = String(input);
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  const known = Object.keys(backends);
  if (scheme === undefined || /^[^:/]+:\d+/.test(url)) {
    throw new TypeError(`"${url}" is no registry URL; write its kind before it, for example nacos://${url}`);
  }
  if (!Object.hasOwn(backends, scheme))
    throw new TypeError(`no registry is named "${scheme}".${didYouMean(scheme, known)}`);
  const backend = (backends[scheme] as (typeof backends)[string])(url, application, env);
  return {
    registry: new DeferredRegistry(runtime, backend.id, () => backend.open(runtime)),
    loopback: backend.loopback,
  };
}
