import { createInstance, type Instance, type MalformedInstance, parsePort, startTimeOf } from "@dubhe/discovery";
import { asBoolean, asNumber, asString, asStringMap, isObject } from "./json.js";
import { DEFAULT_CLUSTER, type InstanceBody } from "./messages.js";
import { weightFromWire, weightToWire } from "./weight.js";

/**
 * A Nacos server hides disabled instances from everybody (tried), so one of ours that is disabled is published as
 * unhealthy and without weight, which keeps every peer from calling it, and with its true weight and health under this
 * key, from which Dubhe reads it back as what it is. Never seen outside of this file.
 */
const DISABLED_KEY = "dubhe.disabled";

export function instanceToWire(instance: Instance): InstanceBody {
  const { host, port, weight, healthy, enabled, metadata } = instance;
  const rest = { ip: host, port, enabled: true, ephemeral: true, clusterName: DEFAULT_CLUSTER };
  if (enabled) return { ...rest, weight: weightToWire(weight), healthy, metadata };
  return { ...rest, weight: 0, healthy: false, metadata: { ...metadata, [DISABLED_KEY]: `${weight},${healthy}` } };
}

/** `DEFAULT_GROUP@@shop` names the application `shop`: some answers repeat the group there. */
export function applicationOf(serviceName: string): string {
  const at = serviceName.indexOf("@@");
  return at < 0 ? serviceName : serviceName.slice(at + 2);
}

/** An entry of a list that is no instance is named, and hides no other. */
export function readHost(host: unknown, application: string, index: number): Instance | MalformedInstance {
  if (!isObject(host)) return { id: `hosts[${index}]`, reason: "it is not an object" };
  const ip = asString(host.ip).trim();
  const id = asString(host.instanceId) || `${ip || "?"}:${asString(host.port, "?")}`;
  if (ip === "") return { id, reason: "it has no ip" };
  const port = parsePort(host.port);
  if (port === undefined) return { id, reason: `its port is ${JSON.stringify(host.port) ?? "missing"}` };
  const { [DISABLED_KEY]: disabled, ...metadata } = asStringMap(host.metadata);
  if (disabled !== undefined) {
    const [weight = "", healthy] = disabled.split(",");
    return createInstance({
      application,
      host: ip,
      port,
      weight: Number(weight),
      healthy: healthy === "true",
      enabled: false,
      metadata,
    });
  }
  return createInstance({
    application,
    host: ip,
    port,
    weight: weightFromWire(asNumber(host.weight, 1)),
    healthy: asBoolean(host.healthy, true),
    enabled: asBoolean(host.enabled, true),
    metadata,
  });
}

export function isMalformed(read: Instance | MalformedInstance): read is MalformedInstance {
  return "reason" in read;
}

/**
 * Two connections may publish the same address: a provider and its frozen predecessor, which the server keeps for some
 * 25 s. One that takes calls is better than one that does not; then the one that says that it started later; the server's
 * order means nothing, and decides only when nothing else does.
 */
export function preferred(first: Instance, second: Instance): Instance {
  if (takesCalls(first) !== takesCalls(second)) return takesCalls(first) ? first : second;
  return (startTimeOf(first) ?? 0) > (startTimeOf(second) ?? 0) ? first : second;
}

function takesCalls(instance: Instance): boolean {
  return instance.healthy && instance.enabled && instance.weight > 0;
}
