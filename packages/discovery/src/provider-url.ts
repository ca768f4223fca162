import { createInstance, type Instance, instanceKey, parsePort, sameInstance } from "./instance.js";
import type { InterfaceProvider, InterfaceRef } from "./interface-registry.js";
import { createServiceInfo, type ServiceInfo, serviceKey } from "./metadata-info.js";
import { DEFAULT_WEIGHT, MetadataKey } from "./metadata-keys.js";

/*
 * Provider URLs, the entries of the interface-level model: `tri://10.0.0.1:20000/com.Foo?application=shop&interface=com.Foo&…`.
 * Registries hold them percent-encoded once, as a whole; the parameters inside are not encoded again (dubbo-go, dubbo-java).
 */

export type ParsedProviderUrl =
  | { readonly ok: true; readonly provider: InterfaceProvider }
  | { readonly ok: false; readonly reason: string };

/** A provider URL taken apart, as registries that keep its parts (Nacos) have it. */
export interface ProviderParts {
  readonly protocol: string;
  readonly host: string;
  readonly port: number;
  /** With or without a leading slash. Default: the interface. */
  readonly path?: string | undefined;
  readonly params: Readonly<Record<string, string>>;
}

/** What a URL says about the process; everything else in it is about the service. */
const INSTANCE_PARAMS: readonly string[] = [
  MetadataKey.timestamp,
  MetadataKey.tag,
  MetadataKey.environment,
  MetadataKey.owner,
];

/** What has a place of its own in the provider, or would only say again what everybody knows. */
const PLACED_PARAMS: ReadonlySet<string> = new Set([
  ...INSTANCE_PARAMS,
  "application",
  "interface",
  "group",
  "version",
  "weight",
  "enabled",
  "disabled",
  "side",
  "anyhost",
  "dynamic",
  "category",
  "pid",
]);

/** The name of a provider of dubbo-go in `release`; it writes `weight=0` for "not set". */
const GO_RELEASE = "dubbo-golang";

/**
 * Reads the URL of a provider, encoded as registries hold it or decoded. Never throws: what is no provider URL gives a reason.
 */
export function parseProviderUrl(text: string): ParsedProviderUrl {
  const url = text.includes("://") ? text : decode(text);
  if (url === undefined) return { ok: false, reason: `not percent-encoded as it should be: ${excerpt(text)}` };
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(?:[^@/?]*@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(url);
  if (match === null) return { ok: false, reason: `not a URL: ${excerpt(url)}` };
  const [, protocol = "", authority = "", path = "", query = ""] = match;
  const colon = authority.lastIndexOf(":");
  const port = parsePort(authority.slice(colon + 1));
  if (colon <= 0 || port === undefined) return { ok: false, reason: `no host and port in ${excerpt(url)}` };
  const host = authority.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  return providerFromParams({ protocol, host, port, path, params: parseQuery(query) });
}

/** As {@link parseProviderUrl}, from the parts. */
export function providerFromParams({ protocol, host, port, path = "", params }: ProviderParts): ParsedProviderUrl {
  if (protocol === "" || NOT_PROVIDERS.has(protocol)) {
    return { ok: false, reason: `a ${JSON.stringify(protocol)} URL is no provider` };
  }
  // dubbo-go writes `$` of inner classes as %24 within the path.
  const plainPath = path.replace(/^\/+/, "").replaceAll("%24", "$");
  const name = params.interface || plainPath;
  if (name === "") return { ok: false, reason: "it names no interface" };
  if (host === "" || parsePort(port) === undefined)
    return { ok: false, reason: `it has no usable address: ${host}:${port}` };
  const metadata: Record<string, string> = {};
  for (const key of INSTANCE_PARAMS) if (params[key]) metadata[key] = params[key];
  const serviceParams: Record<string, string> = {};
  for (const [key, value] of Object.entries(params))
    if (value !== "" && !PLACED_PARAMS.has(key)) serviceParams[key] = value;
  return {
    ok: true,
    provider: {
      instance: createInstance({
        application: params.application ?? "",
        host,
        port,
        weight: weightOf(params),
        enabled: params.enabled !== "false" && params.disabled !== "true",
        metadata,
      }),
      service: createServiceInfo({
        name,
        group: params.group ?? "",
        version: params.version ?? "",
        protocol,
        path: plainPath || name,
        params: serviceParams,
      }),
    },
  };
}

const NOT_PROVIDERS: ReadonlySet<string> = new Set(["consumer", "empty", "override", "route", "condition", "script"]);

/** Decoded, parameters sorted, empty ones left out: as dubbo-go writes it. Equal providers give equal text. */
export function formatProviderUrl(provider: InterfaceProvider): string {
  const { instance, service } = provider;
  const path = service.path.replaceAll("$", "%24");
  return `${service.protocol}://${instanceKey(instance)}/${path}?${formatQuery(paramsOfProvider(provider))}`;
}

/** The parameters of {@link formatProviderUrl}, sorted. Protocol, address and path are not among them. */
export function paramsOfProvider({ instance, service }: InterfaceProvider): Readonly<Record<string, string>> {
  const params: Record<string, string> = {
    ...service.params,
    anyhost: "true",
    application: instance.application,
    dynamic: "true",
    group: service.group,
    interface: service.name,
    side: "provider",
    version: service.version,
    ...(instance.weight === DEFAULT_WEIGHT ? undefined : { weight: String(instance.weight) }),
    ...(instance.enabled ? undefined : { enabled: "false" }),
  };
  for (const key of INSTANCE_PARAMS) params[key] = instance.metadata[key] ?? "";
  return sortedParams(params);
}

/** What a consumer writes where registries list consumers, for people and consoles: `consumer://host/interface?…`. */
export function consumerUrl(
  ref: InterfaceRef & { readonly protocol?: string },
  consumer: { readonly application: string; readonly host: string; readonly timestamp: string },
): string {
  const params = sortedParams({
    application: consumer.application,
    category: "consumers",
    group: ref.group,
    interface: ref.service,
    protocol: ref.protocol ?? "",
    side: "consumer",
    timestamp: consumer.timestamp,
    version: ref.version,
  });
  const host = consumer.host.includes(":") ? `[${consumer.host}]` : consumer.host;
  return `consumer://${host}/${ref.service.replaceAll("$", "%24")}?${formatQuery(params)}`;
}

/** As registries hold it: one path element, escaped as Go's QueryEscape and Java's URLEncoder do (a space is `+`). */
export function encodeProviderUrl(url: string): string {
  return encodeURIComponent(url)
    .replaceAll("%20", "+")
    .replace(/[!'()]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Identity of a provider in a registry: one service over one protocol at one address. */
export function providerKey({ instance, service }: InterfaceProvider): string {
  return `${serviceKey(service)}:${service.protocol}@${instanceKey(instance)}`;
}

/** True when nothing that a registry keeps of it differs. */
export function sameProvider(a: InterfaceProvider, b: InterfaceProvider): boolean {
  return sameInstance(a.instance, b.instance) && sameService(a.service, b.service);
}

/** True when nothing differs. */
export function sameService(a: ServiceInfo, b: ServiceInfo): boolean {
  if (a === b) return true;
  const keys = Object.keys(a.params);
  return (
    a.name === b.name &&
    a.group === b.group &&
    a.version === b.version &&
    a.protocol === b.protocol &&
    a.port === b.port &&
    a.path === b.path &&
    keys.length === Object.keys(b.params).length &&
    keys.every((key) => a.params[key] === b.params[key])
  );
}

/** The provider of one service of an instance, at the port where that service listens. */
export function providerOf(instance: Instance, service: ServiceInfo, port: number): InterfaceProvider {
  const metadata: Record<string, string> = {};
  for (const key of INSTANCE_PARAMS) {
    const value = instance.metadata[key];
    if (value !== undefined) metadata[key] = value;
  }
  // The address stands in the URL; a port in the service would say it a second time.
  return {
    instance: createInstance({ ...instance, port, metadata }),
    service: service.port === 0 ? service : createServiceInfo({ ...service, port: 0 }),
  };
}

/** What params say of the weight; the default when nothing. dubbo-go writes 0 for that too. */
export function weightOf(params: Readonly<Record<string, string>>): number {
  const weight = Number(params.weight ?? Number.NaN);
  if (params.weight === "" || !Number.isFinite(weight)) return DEFAULT_WEIGHT;
  return weight === 0 && params.release?.startsWith(GO_RELEASE) === true ? DEFAULT_WEIGHT : weight;
}

function parseQuery(query: string): Record<string, string> {
  const params: Record<string, string> = {};
  for (const pair of query.split("&")) {
    const equals = pair.indexOf("=");
    if (equals > 0) params[pair.slice(0, equals)] = pair.slice(equals + 1).replaceAll("%26", "&");
  }
  return params;
}

function formatQuery(params: Readonly<Record<string, string>>): string {
  // An ampersand in a value would end it, since peers decode the whole once and then split.
  return Object.entries(params)
    .map(([key, value]) => `${key}=${value.replaceAll("&", "%26")}`)
    .join("&");
}

function sortedParams(params: Readonly<Record<string, string>>): Record<string, string> {
  const result: Record<string, string> = {};
  for (const key of Object.keys(params).sort()) {
    const value = params[key];
    if (value !== undefined && value !== "") result[key] = value;
  }
  return result;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return undefined;
  }
}

function excerpt(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
