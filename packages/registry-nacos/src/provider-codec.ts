import {
  createInstance,
  DEFAULT_WEIGHT,
  type Instance,
  type InterfaceProvider,
  instanceKey,
  type MalformedInstance,
  paramsOfProvider,
  providerFromParams,
} from "@dubhe/discovery";
import { interfaceServiceName } from "./dubbo-names.js";
import { instanceToWire } from "./instance-codec.js";
import type { InstanceBody } from "./messages.js";
import { MAX_METADATA_LENGTH, metadataLength } from "./param-rules.js";

/** What says in the metadata of an instance what the URL of a provider says outside of its parameters. */
const PLACED: ReadonlySet<string> = new Set(["protocol", "path", "category", "nacos.category"]);

/** The provider as an instance of the service that stands for its interface. */
export function providerToInstance(provider: InterfaceProvider): Instance {
  const { instance, service } = provider;
  const { host, port, weight, healthy, enabled } = instance;
  const { enabled: _, ...params } = paramsOfProvider(provider);
  const metadata: Record<string, string> = {
    ...params,
    category: "providers",
    protocol: service.protocol,
    path: service.path,
  };
  // Nobody needs the methods to call them, and a server refuses metadata that is too long.
  if (metadataLength(metadata) > MAX_METADATA_LENGTH) delete metadata.methods;
  return createInstance({
    application: interfaceServiceName({ ...service, service: service.name }),
    host,
    port,
    weight,
    healthy,
    enabled,
    metadata,
  });
}

/**
 * Peers keep the weight in the metadata, and leave Nacos's own at 1, with which an operator can overrule it; ours too.
 */
export function providerToWire(instance: Instance): InstanceBody {
  const wire = instanceToWire(instance);
  return wire.weight > 0 ? { ...wire, weight: 1 } : wire;
}

/** An address may have a provider for each protocol. */
export function providerIdentity(instance: Instance): string {
  return `${instance.metadata.protocol ?? ""}@${instanceKey(instance)}`;
}

/** Reads what a service that stands for an interface lists. */
export function instanceToProvider(instance: Instance): InterfaceProvider | MalformedInstance {
  const { host, port, metadata, healthy, enabled, weight } = instance;
  const params: Record<string, string> = {};
  for (const [key, value] of Object.entries(metadata)) if (!PLACED.has(key)) params[key] = value;
  const { protocol = "", path } = metadata;
  const parsed = providerFromParams({ protocol, host, port, path, params });
  if (!parsed.ok) return { id: instanceKey(instance), reason: parsed.reason };
  const { provider } = parsed;
  return {
    service: provider.service,
    instance: createInstance({
      ...provider.instance,
      weight: weight === DEFAULT_WEIGHT ? provider.instance.weight : weight,
      healthy,
      enabled: enabled && provider.instance.enabled,
    }),
  };
}
