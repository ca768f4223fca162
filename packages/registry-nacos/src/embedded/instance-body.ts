import { asBoolean, asNumber, asString, asStringMap, type JsonObject } from "../json.js";
import { DEFAULT_CLUSTER, type InstanceBody, type ServiceInfoBody } from "../messages.js";
import type { ServiceView } from "./naming-store.js";

/** An instance as a client sent it, with the defaults of Nacos's `Instance` class for what it left out. */
export function readInstanceBody(object: JsonObject): InstanceBody {
  return {
    ip: asString(object.ip),
    port: asNumber(object.port, 0),
    weight: asNumber(object.weight, 1),
    healthy: asBoolean(object.healthy, true),
    enabled: asBoolean(object.enabled, true),
    ephemeral: asBoolean(object.ephemeral, true),
    clusterName: asString(object.clusterName) || DEFAULT_CLUSTER,
    metadata: asStringMap(object.metadata),
  };
}

/** A service as subscribers get it, in the shape of a Nacos 3.1.0 server. */
export function serviceInfoOf(view: ServiceView, clusters: string, healthyOnly: boolean): ServiceInfoBody {
  const { name, group } = view.service;
  const wanted = clusters.split(",").filter((cluster) => cluster !== "");
  const hosts = view.hosts.filter((host) => (!healthyOnly || host.healthy) && (wanted.length === 0 || wanted.includes(host.clusterName)));
  return {
    name,
    groupName: group,
    clusters,
    cacheMillis: 10_000,
    hosts: hosts.map((host) => ({
      instanceId: `${host.ip}#${host.port}#${host.clusterName}#${group}@@${name}`,
      ip: host.ip,
      port: host.port,
      weight: host.weight,
      healthy: host.healthy,
      enabled: host.enabled,
      ephemeral: host.ephemeral,
      clusterName: host.clusterName,
      serviceName: `${group}@@${name}`,
      metadata: host.metadata,
      instanceHeartBeatInterval: 5_000,
      instanceHeartBeatTimeOut: 15_000,
      ipDeleteTimeout: 30_000,
      instanceIdGenerator: "simple",
    })),
    lastRefTime: view.lastRefTime,
    checksum: "",
    allIps: false,
    reachProtectionThreshold: false,
    valid: true,
  };
}
