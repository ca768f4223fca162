import { DEFAULT_WEIGHT, MAX_WEIGHT, MetadataKey } from "./metadata-keys.js";

/** One process (or one port of it) of an application, as a registry describes it. Immutable. */
export interface Instance {
  readonly application: string;
  /** An IP address or a host name, without brackets. */
  readonly host: string;
  readonly port: number;
  /** 100 is normal, 0 receives no calls. */
  readonly weight: number;
  /** What the registry believes. An unhealthy instance stays listed; the cluster layer does not pick it. */
  readonly healthy: boolean;
  /** An operator's switch. A disabled instance stays listed; the cluster layer does not pick it. */
  readonly enabled: boolean;
  /** Keys: {@link MetadataKey}. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** What {@link createInstance} needs; the rest has defaults. */
export type InstanceInit = Pick<Instance, "application" | "host" | "port"> & Partial<Instance>;

const NO_METADATA: Readonly<Record<string, string>> = Object.freeze({});

/** Makes a frozen instance: weight 100, healthy, enabled, no metadata unless given. Throws a RangeError on a bad port. */
export function createInstance(init: InstanceInit): Instance {
  if (!Number.isInteger(init.port) || init.port < 1 || init.port > 65_535) {
    throw new RangeError(`port of instance ${init.host} of ${init.application} must be 1..65535, not ${init.port}`);
  }
  if (init.host === "") throw new RangeError(`host of an instance of ${init.application} must not be empty`);
  return Object.freeze({
    application: init.application,
    host: init.host,
    port: init.port,
    weight: clampWeight(init.weight ?? DEFAULT_WEIGHT),
    healthy: init.healthy ?? true,
    enabled: init.enabled ?? true,
    metadata: init.metadata === undefined ? NO_METADATA : Object.freeze({ ...init.metadata }),
  });
}

/** Whole number in 0..10 000; what is not a number becomes the default. */
export function clampWeight(weight: number): number {
  if (!Number.isFinite(weight)) return DEFAULT_WEIGHT;
  return Math.min(MAX_WEIGHT, Math.max(0, Math.round(weight)));
}

/** `host:port`: the identity of an instance within (registry, application). */
export function instanceKey(instance: Pick<Instance, "host" | "port">): string {
  return instance.host.includes(":") ? `[${instance.host}]:${instance.port}` : `${instance.host}:${instance.port}`;
}

/** True when nothing that a consumer reads differs. */
export function sameInstance(a: Instance, b: Instance): boolean {
  if (a === b) return true;
  return (
    a.port === b.port &&
    a.host === b.host &&
    a.weight === b.weight &&
    a.healthy === b.healthy &&
    a.enabled === b.enabled &&
    a.application === b.application &&
    sameRecord(a.metadata, b.metadata)
  );
}

function sameRecord(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  if (a === b) return true;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  for (const key of keys) if (a[key] !== b[key]) return false;
  return true;
}

export function revisionOf(instance: Instance): string {
  return instance.metadata[MetadataKey.revision] ?? "";
}

/** `local` unless the instance says `remote`: what we do not know we ask the instance itself. */
export function storageTypeOf(instance: Instance): "local" | "remote" {
  return instance.metadata[MetadataKey.storageType] === "remote" ? "remote" : "local";
}

/** Empty when the instance has no tag. */
export function tagOf(instance: Instance): string {
  return instance.metadata[MetadataKey.tag] ?? "";
}

/** The owner nonce that Dubhe instances carry; empty for other peers. */
export function ownerOf(instance: Instance): string {
  return instance.metadata[MetadataKey.owner] ?? "";
}

/** Unix milliseconds at which the instance started, or undefined. Values below 10^12 are seconds (dubbo-go writes those). */
export function startTimeOf(instance: Instance): number | undefined {
  const value = Number(instance.metadata[MetadataKey.timestamp]);
  if (!Number.isFinite(value) || value <= 0) return undefined;
  return value > 1e12 ? value : value * 1000;
}

/** A port of an instance and the protocol it speaks. */
export interface ProtocolPort {
  readonly protocol: string;
  readonly port: number;
}

/** The last text that was read and what it says: thousands of instances of an application write the same. */
let lastEndpoints: { readonly text: string | undefined; readonly endpoints: readonly ProtocolPort[] } | undefined;

/** The `dubbo.endpoints` of an instance; entries that make no sense are left out, garbage gives an empty list. */
export function endpointsOf(instance: Instance): readonly ProtocolPort[] {
  const text = instance.metadata[MetadataKey.endpoints];
  if (lastEndpoints === undefined || lastEndpoints.text !== text)
    lastEndpoints = { text, endpoints: Object.freeze(readEndpoints(text)) };
  return lastEndpoints.endpoints;
}

function readEndpoints(text: string | undefined): readonly ProtocolPort[] {
  const parsed = parseJson(text);
  if (!Array.isArray(parsed)) return [];
  const result: ProtocolPort[] = [];
  for (const entry of parsed as unknown[]) {
    if (typeof entry !== "object" || entry === null) continue;
    const { protocol, port } = entry as { protocol?: unknown; port?: unknown };
    const number = parsePort(port);
    if (typeof protocol === "string" && number !== undefined) result.push(Object.freeze({ protocol, port: number }));
  }
  return result;
}

/** Sorted, so that the same ports always give the same bytes. */
export function formatEndpoints(endpoints: readonly ProtocolPort[]): string {
  const sorted = endpoints
    .slice()
    .sort((a, b) => (a.protocol === b.protocol ? a.port - b.port : a.protocol < b.protocol ? -1 : 1));
  return JSON.stringify(sorted.map(({ port, protocol }) => ({ port, protocol })));
}

/** Where the MetadataService of an instance listens, or why that is unknown. */
export type MetadataServiceParams =
  | {
      readonly ok: true;
      readonly protocol: string;
      readonly port: number;
      readonly version: string;
      readonly metadataVersion: string;
    }
  | { readonly ok: false; readonly reason: string };

/**
 * Reads `dubbo.metadata-service.url-params` and `meta-v`. Missing, not JSON, without a port or with one that is no port:
 * a reason, never a throw (D-44). The port may be a string or a number.
 */
export function metadataServiceParamsOf(instance: Instance): MetadataServiceParams {
  const text = instance.metadata[MetadataKey.metadataServiceParams];
  if (text === undefined || text === "")
    return { ok: false, reason: `no ${MetadataKey.metadataServiceParams} in its metadata` };
  const parsed = parseJson(text);
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    return { ok: false, reason: `${MetadataKey.metadataServiceParams} is not a JSON object: ${excerpt(text)}` };
  }
  const params = parsed as { port?: unknown; protocol?: unknown; version?: unknown };
  const port = parsePort(params.port);
  if (port === undefined)
    return { ok: false, reason: `${MetadataKey.metadataServiceParams} names no port: ${excerpt(text)}` };
  if (typeof params.protocol !== "string" || params.protocol === "") {
    return { ok: false, reason: `${MetadataKey.metadataServiceParams} names no protocol: ${excerpt(text)}` };
  }
  return {
    ok: true,
    port,
    protocol: params.protocol,
    version: typeof params.version === "string" ? params.version : "1.0.0",
    metadataVersion: instance.metadata[MetadataKey.metadataVersion] ?? "1.0.0",
  };
}

/**
 * What a provider writes so that every consumer since Dubbo 3.0 finds its MetadataService: version 1.0.0 for those that
 * do not know `meta-v`, which read V1; newer ones see `meta-v: 2.0.0` and call V2 on the same port (dubbo #15641).
 */
export function formatMetadataServiceParams(port: number, release: string): string {
  return JSON.stringify({ port: String(port), protocol: "tri", release, version: "1.0.0" });
}

/** A port from a number or a decimal string; undefined when it is neither or out of range. */
export function parsePort(value: unknown): number | undefined {
  const number =
    typeof value === "number"
      ? value
      : typeof value === "string" && /^\d{1,5}$/.test(value.trim())
        ? Number(value)
        : Number.NaN;
  return Number.isInteger(number) && number >= 1 && number <= 65_535 ? number : undefined;
}

function parseJson(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function excerpt(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
