import {
  createInstance,
  DEFAULT_WEIGHT,
  type Instance,
  instanceKey,
  type MalformedInstance,
  parsePort,
} from "@dubhe/discovery";
import { toError } from "./errors.js";

/** dubbo-java casts the payload to this class. */
const PAYLOAD_CLASS = "org.apache.dubbo.registry.zookeeper.ZookeeperInstance";

/** Curator has no place for these; other peers ignore the last two. dubbo-java reads `weight` there. */
const PayloadKey = { weight: "weight", healthy: "dubhe.healthy", enabled: "dubhe.enabled" } as const;

/**
 * An instance as dubbo-java writes it: the JSON of Curator's service discovery, fields in its order.
 * `registeredAt` is Unix milliseconds.
 */
export function encodeInstance(instance: Instance, registeredAt: number): Buffer {
  const id = instanceKey(instance);
  const metadata = {
    ...instance.metadata,
    ...(instance.weight === DEFAULT_WEIGHT ? {} : { [PayloadKey.weight]: String(instance.weight) }),
    ...(instance.healthy ? {} : { [PayloadKey.healthy]: "false" }),
    ...(instance.enabled ? {} : { [PayloadKey.enabled]: "false" }),
  };
  const body = {
    name: instance.application,
    id,
    address: instance.host,
    port: instance.port,
    sslPort: null,
    payload: { "@class": PAYLOAD_CLASS, id, name: instance.application, metadata },
    registrationTimeUTC: registeredAt,
    serviceType: "DYNAMIC",
    uriSpec: null,
  };
  return Buffer.from(JSON.stringify(body));
}

/** What a node says, be it dubbo-go's, dubbo-java's or ours; a reason when it is no instance. Never throws. */
export function decodeInstance(application: string, name: string, data: Buffer): Instance | MalformedInstance {
  try {
    return decode(application, name, data);
  } catch (error) {
    // JSON of any depth can be parsed, and not be written again.
    return { id: name, reason: `${toError(error).message}: ${excerpt(data)}` };
  }
}

function decode(application: string, name: string, data: Buffer): Instance | MalformedInstance {
  const malformed = (reason: string): MalformedInstance => ({ id: name, reason });
  let body: unknown;
  try {
    body = JSON.parse(data.toString("utf8"));
  } catch {
    return malformed(`not JSON: ${excerpt(data)}`);
  }
  if (!isRecord(body)) return malformed(`not a JSON object: ${excerpt(data)}`);
  const { address, port, payload } = body;
  const host = typeof address === "string" ? address.trim().replace(/^\[(.*)\]$/, "$1") : "";
  if (host === "") return malformed("it has no address");
  const number = parsePort(port);
  if (number === undefined) return malformed(`its port is ${shown(port)}`);
  if (!isRecord(payload)) return malformed("its payload is no object");
  const raw = isRecord(payload.metadata) ? payload.metadata : {};
  const metadata: Record<string, string> = {};
  for (const [key, value] of Object.entries(raw)) {
    if (value !== null && value !== undefined)
      set(metadata, key, typeof value === "string" ? value : JSON.stringify(value));
  }
  // dubbo-go's tag stands beside the payload.
  if (typeof body.tag === "string" && body.tag !== "" && metadata["dubbo.tag"] === undefined)
    metadata["dubbo.tag"] = body.tag;
  const {
    [PayloadKey.weight]: weight,
    [PayloadKey.healthy]: healthy,
    [PayloadKey.enabled]: enabled,
    ...rest
  } = metadata;
  return createInstance({
    application,
    host,
    port: number,
    weight: weight === undefined || weight === "" ? DEFAULT_WEIGHT : Number(weight),
    healthy: healthy !== "false",
    enabled: enabled !== "false" && body.enabled !== false,
    metadata: rest,
  });
}

export function isMalformed(value: Instance | MalformedInstance): value is MalformedInstance {
  return "reason" in value;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `__proto__` is a key as any other. */
function set(record: Record<string, string>, key: string, value: string): void {
  Object.defineProperty(record, key, { value, enumerable: true, writable: true, configurable: true });
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "missing";
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function excerpt(data: Buffer): string {
  const text = data.toString("utf8", 0, 80);
  return JSON.stringify(data.length > 80 ? `${text}…` : text);
}
