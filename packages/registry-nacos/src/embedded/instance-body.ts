import { asArray, asBoolean, asNumber, asObject, asString, asStringMap, type JsonObject } from "../json.js";
import { DEFAULT_CLUSTER, type InstanceBody, type ServiceInfoBody } from "../messages.js";
import type { ServiceName, ServiceView } from "./naming-store.js";

/** An instance as the host keeps it. */
export interface HostInstance extends InstanceBody {
  /** As the client named it, or made of what the client sent. */
  readonly instanceId: string;
}

/** An instance as a client sent it, with the defaults of a Nacos 3.1.0 server for what it left out. */
export function readHostInstance(object: JsonObject, service: ServiceName): HostInstance {
  const ip = asString(object.ip);
  const port = asNumber(object.port, 0);
  // The id shows the cluster as it was sent, and a missing one in Java's way.
  const cluster =
    object.clusterName === undefined || object.clusterName === null ? "null" : asString(object.clusterName);
  const serviceName = asString(object.serviceName) || `${service.group}@@${service.name}`;
  return {
    instanceId: asString(object.instanceId) || `${ip}#${port}#${cluster}#${serviceName}`,
    ip,
    port,
    weight: asNumber(object.weight, 1),
    healthy: asBoolean(object.healthy, true),
    enabled: asBoolean(object.enabled, true),
    // Whatever it says: persistent ones have a request of their own.
    ephemeral: true,
    clusterName: asString(object.clusterName) || DEFAULT_CLUSTER,
    metadata: asStringMap(object.metadata),
  };
}

/** Instances from a mirror, which wrote them with all their fields. */
export function readHostInstances(value: unknown, service: ServiceName): readonly HostInstance[] {
  return asArray(value).map((item) => readHostInstance(asObject(item), service));
}

/** Heart beats are a thing of Nacos 1, but clients still read the fields; metadata of these names sets them. */
const BEATS: Readonly<Record<string, { readonly key: string; readonly defaultMs: number }>> = {
  instanceHeartBeatInterval: { key: "preserved.heart.beat.interval", defaultMs: 5_000 },
  instanceHeartBeatTimeOut: { key: "preserved.heart.beat.timeout", defaultMs: 15_000 },
  ipDeleteTimeout: { key: "preserved.ip.delete.timeout", defaultMs: 30_000 },
};

function beatsOf(metadata: Readonly<Record<string, string>>): Record<string, number> {
  const beats: Record<string, number> = {};
  for (const [field, { key, defaultMs }] of Object.entries(BEATS)) {
    const text = metadata[key] ?? "";
    beats[field] = /^\d+$/.test(text) ? Number(text) : defaultMs;
  }
  return beats;
}

/** What the server checks of an instance that comes alone, beyond its parameters. */
export function beatProblem(metadata: Readonly<Record<string, string>>): string | undefined {
  const {
    instanceHeartBeatInterval: interval = 0,
    instanceHeartBeatTimeOut: timeout = 0,
    ipDeleteTimeout: deletion = 0,
  } = beatsOf(metadata);
  if (timeout >= interval && deletion >= interval) return undefined;
  return "Instance 'heart beat interval' must less than 'heart beat timeout' and 'ip delete timeout'.";
}

/** A service as subscribers get it, in the shape of a Nacos 3.1.0 server. `clusters`: only of these; "" = of all. */
export function serviceInfoOf(view: ServiceView, clusters: string, healthyOnly: boolean): ServiceInfoBody {
  const { name, group } = view.service;
  const wanted = clusters.split(",").filter((cluster) => cluster !== "");
  const hosts = view.hosts.filter(
    (host) => (!healthyOnly || host.healthy) && (wanted.length === 0 || wanted.includes(host.clusterName)),
  );
  return {
    name,
    groupName: group,
    clusters,
    cacheMillis: 10_000,
    hosts: hosts.map((host) => {
      const generator =
        Object.keys(host.metadata).length === 0 ? "simple" : host.metadata["preserved.instance.id.generator"];
      return {
        ...host,
        serviceName: `${group}@@${name}`,
        ...beatsOf(host.metadata),
        ...(generator === undefined ? {} : { instanceIdGenerator: generator }),
      };
    }),
    lastRefTime: view.lastRefTime,
    checksum: "",
    allIps: false,
    reachProtectionThreshold: false,
    valid: true,
  };
}
