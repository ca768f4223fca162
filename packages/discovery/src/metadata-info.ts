import { createHash } from "node:crypto";
import { parsePort } from "./instance.js";
import { REVISION_NONE } from "./metadata-keys.js";

/** One service that an application exports, as its MetadataInfo tells. Immutable. */
export interface ServiceInfo {
  /** The interface: a protobuf service's full name, or a Java interface. */
  readonly name: string;
  /** Empty when there is none. */
  readonly group: string;
  /** Empty when there is none. */
  readonly version: string;
  /** `tri`, `dubbo`, … */
  readonly protocol: string;
  /** 0 when the provider does not say (dubbo-go's V2 never does): then the instance's endpoints decide. */
  readonly port: number;
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
}

/** What an application exports under one revision. Immutable: a change makes a new one with a new revision. */
export interface MetadataInfo {
  readonly app: string;
  readonly revision: string;
  /** Sorted by name, group, version, protocol. */
  readonly services: readonly ServiceInfo[];
  readonly tag?: string;
  /** Unix milliseconds of the last renewal in a metadata report; only there, and no part of the content. */
  readonly lastUpdatedTime?: number;
}

/**
 * Params that differ between two starts, or two instances, of the same program. With them in the revision every restart
 * makes a new one, and with it a metadata read by every consumer and an entry in every report (D-43, dubbo #8249).
 */
const VOLATILE_PARAMS: ReadonlySet<string> = new Set(["timestamp", "pid"]);

export type ServiceInfoInit = Pick<ServiceInfo, "name"> & Partial<ServiceInfo>;

/** Makes a frozen ServiceInfo: protocol `tri`, path = name, the rest empty unless given. */
export function createServiceInfo(init: ServiceInfoInit): ServiceInfo {
  if (init.name === "") throw new TypeError("a service must have a name");
  return Object.freeze({
    name: init.name,
    group: init.group ?? "",
    version: init.version ?? "",
    protocol: init.protocol ?? "tri",
    port: init.port ?? 0,
    path: init.path ?? init.name,
    params: Object.freeze(stableParams(init.params ?? {})),
  });
}

/**
 * What an application exports, with the revision of exactly that content. Services may come in any order; of two that
 * consumers could not tell apart (same name, group, version, protocol) the later one counts.
 */
export function createMetadataInfo(content: {
  readonly app: string;
  readonly services: readonly ServiceInfoInit[];
  readonly tag?: string | undefined;
}): MetadataInfo {
  const byKey = new Map<string, ServiceInfo>();
  for (const init of content.services) {
    const service = createServiceInfo(init);
    byKey.set(matchKey(service), service);
  }
  const services = [...byKey.values()].sort(compareServices);
  const tag = content.tag === undefined || content.tag === "" ? undefined : content.tag;
  return Object.freeze({
    app: content.app,
    revision: computeRevision(content.app, services, tag),
    services: Object.freeze(services),
    ...(tag === undefined ? undefined : { tag }),
  });
}

/**
 * 32 lower-case hex digits (SHA-256, cut), `0` for no services. Equal content gives an equal value, whatever the order,
 * process or time; any other content another one. It is opaque to consumers, so it need not agree with Go's or Java's;
 * hex because it becomes a Nacos group, a ZooKeeper node name and a part of an etcd key.
 */
export function computeRevision(app: string, services: readonly ServiceInfo[], tag?: string): string {
  if (services.length === 0) return REVISION_NONE;
  // JSON of nested lists: unlike a join, no two contents have the same text.
  const canonical = services
    .slice()
    .sort(compareServices)
    .map((s) => [s.name, s.group, s.version, s.protocol, s.port, s.path, Object.entries(stableParams(s.params))]);
  return createHash("sha256")
    .update(JSON.stringify([app, tag ?? "", canonical]))
    .digest("hex")
    .slice(0, 32);
}

/** `[group/]interface[:version]`; version `0.0.0` means none (dubbo-go's service key). */
export function serviceKey(service: Pick<ServiceInfo, "name" | "group" | "version">): string {
  const version = effectiveVersion(service.version);
  return `${service.group === "" ? "" : `${service.group}/`}${service.name}${version === "" ? "" : `:${version}`}`;
}

/** `serviceKey:protocol`: the key of a service in a MetadataInfo's JSON. Written for peers, never trusted when read. */
export function matchKey(service: Pick<ServiceInfo, "name" | "group" | "version" | "protocol">): string {
  return `${serviceKey(service)}:${service.protocol}`;
}

/** Version `0.0.0` and none are the same to dubbo-go. */
export function effectiveVersion(version: string): string {
  return version === "0.0.0" ? "" : version;
}

/** JSON as dubbo-go and dubbo-java write it. Equal infos give equal bytes. */
export function stringifyMetadataInfo(info: MetadataInfo): string {
  const services: Record<string, unknown> = {};
  for (const service of info.services.slice().sort(compareServices)) {
    services[matchKey(service)] = {
      name: service.name,
      group: service.group,
      version: service.version,
      protocol: service.protocol,
      port: service.port,
      path: service.path,
      params: stableParams(service.params),
    };
  }
  return JSON.stringify({
    app: info.app,
    revision: info.revision,
    services,
    ...(info.tag === undefined ? undefined : { tag: info.tag }),
    ...(info.lastUpdatedTime === undefined ? undefined : { lastUpdatedTime: info.lastUpdatedTime }),
  });
}

export type ParsedMetadataInfo =
  /** `dropped`: what in it could not be used, each with its reason; the rest could. */
  | { readonly ok: true; readonly info: MetadataInfo; readonly dropped: readonly string[] }
  | { readonly ok: false; readonly reason: string };

/**
 * Reads MetadataInfo JSON (text, or what JSON.parse made of it) from any peer: unknown fields, missing ones, nulls, ports
 * that are strings, and single services that are garbage do no harm. Never throws.
 */
export function parseMetadataInfo(input: unknown): ParsedMetadataInfo {
  let value = input;
  if (typeof input === "string") {
    try {
      value = JSON.parse(input);
    } catch {
      return { ok: false, reason: `metadata is not JSON: ${excerpt(input)}` };
    }
  }
  if (!isRecord(value))
    return { ok: false, reason: `metadata is not a JSON object: ${excerpt(String(JSON.stringify(value)))}` };
  const dropped: string[] = [];
  const services: ServiceInfo[] = [];
  if (value.services !== undefined && value.services !== null) {
    if (typeof value.services !== "object")
      return { ok: false, reason: "its services are neither an object nor a list" };
    for (const [key, entry] of Object.entries(value.services)) {
      const service = readService(entry);
      if (typeof service === "string") dropped.push(`service ${JSON.stringify(key)}: ${service}`);
      else services.push(service);
    }
  }
  const tag = text(value.tag);
  const lastUpdatedTime = Number(value.lastUpdatedTime ?? 0);
  const info: MetadataInfo = Object.freeze({
    app: text(value.app),
    revision: text(value.revision),
    services: Object.freeze(services.sort(compareServices)),
    ...(tag === "" ? undefined : { tag }),
    ...(Number.isFinite(lastUpdatedTime) && lastUpdatedTime > 0 ? { lastUpdatedTime } : undefined),
  });
  return { ok: true, info, dropped };
}

function readService(entry: unknown): ServiceInfo | string {
  if (!isRecord(entry)) return "not an object";
  const name = text(entry.name);
  if (name === "") return "it has no name";
  const params: Record<string, string> = {};
  if (isRecord(entry.params)) {
    for (const [key, value] of Object.entries(entry.params)) {
      if (typeof value === "string") params[key] = value;
      else if (typeof value === "number" || typeof value === "boolean") params[key] = String(value);
    }
  }
  return Object.freeze({
    name,
    group: text(entry.group),
    version: text(entry.version),
    protocol: text(entry.protocol),
    // Java's default is -1, dubbo-go leaves 0 out.
    port: parsePort(entry.port) ?? 0,
    path: text(entry.path) || name,
    params: Object.freeze(params),
  });
}

/** Sorted keys, without the volatile ones; the `methods` list sorted too. */
function stableParams(params: Readonly<Record<string, string>>): Record<string, string> {
  const result: Record<string, string> = {};
  for (const key of Object.keys(params).sort()) {
    const value = params[key];
    if (value === undefined || VOLATILE_PARAMS.has(key)) continue;
    result[key] = key === "methods" ? value.split(",").sort().join(",") : value;
  }
  return result;
}

function compareServices(a: ServiceInfo, b: ServiceInfo): number {
  return (
    compare(a.name, b.name) ||
    compare(a.group, b.group) ||
    compare(a.version, b.version) ||
    compare(a.protocol, b.protocol)
  );
}

/** By code unit: the same on every machine, unlike localeCompare. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function excerpt(value: string): string {
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
}
