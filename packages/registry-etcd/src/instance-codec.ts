import {
  createInstance,
  DEFAULT_WEIGHT,
  type Instance,
  instanceKey,
  type MalformedInstance,
  MetadataKey,
  parsePort,
  tagOf,
} from "@dubhe/discovery";

/** dubbo-go writes a weight of 0 for "not set", so that of an instance which shall get no calls stands here. Not seen outside. */
const ZERO_WEIGHT_KEY = "dubhe.weight";

/** As dubbo-go marshals its DefaultServiceInstance; `ServiceMetadata` is filled by its readers, from the metadata service. */
export function formatInstance(instance: Instance): string {
  const { application, host, port, weight, healthy, enabled, metadata } = instance;
  return JSON.stringify({
    ID: instanceKey(instance),
    ServiceName: application,
    Host: host,
    Port: port,
    Weight: weight,
    Enable: enabled,
    Healthy: healthy,
    Metadata: weight === 0 ? { ...metadata, [ZERO_WEIGHT_KEY]: "0" } : metadata,
    ServiceMetadata: null,
    Address: "",
    GroupName: "",
    Tag: tagOf(instance),
  });
}

/** Reads an entry of `/services/<application>/`; `id` is the rest of its key. Never throws. */
export function readInstance(application: string, id: string, text: string): Instance | MalformedInstance {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { id, reason: `not JSON: ${excerpt(text)}` };
  }
  if (!isRecord(value)) return { id, reason: `not a JSON object: ${excerpt(text)}` };
  const { Host: host, Port: rawPort } = value;
  if (typeof host !== "string" || host === "") return { id, reason: `it has no Host: ${excerpt(text)}` };
  const port = parsePort(rawPort);
  if (port === undefined) return { id, reason: `its Port is ${shown(rawPort)}` };
  // An entry that says another address than its key would let one address have two entries.
  if (id !== instanceKey({ host, port }) && id !== `${host}:${port}`)
    return { id, reason: `it says that it is ${host}:${port}` };
  const metadata = stringMap(value.Metadata);
  const weight = weightOf(value.Weight, metadata[ZERO_WEIGHT_KEY]);
  delete metadata[ZERO_WEIGHT_KEY];
  if (typeof value.Tag === "string" && value.Tag !== "") metadata[MetadataKey.tag] ??= value.Tag;
  return createInstance({
    application,
    host,
    port,
    weight,
    healthy: value.Healthy !== false,
    enabled: value.Enable !== false,
    metadata,
  });
}

export function isInstance(entry: Instance | MalformedInstance): entry is Instance {
  return "port" in entry;
}

function weightOf(weight: unknown, ours: string | undefined): number {
  if (typeof weight === "number" && weight > 0) return weight;
  return ours === "0" ? 0 : DEFAULT_WEIGHT;
}

function stringMap(value: unknown): Record<string, string> {
  const result: Record<string, string> = {};
  if (!isRecord(value)) return result;
  for (const [key, entry] of Object.entries(value)) {
    if (typeof entry === "string") setOwn(result, key, entry);
    else if (typeof entry === "number" || typeof entry === "boolean") setOwn(result, key, String(entry));
  }
  return result;
}

/** `__proto__` is a key as any other. */
function setOwn(target: Record<string, string>, key: string, value: string): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** JSON of any depth can be parsed, and not be written again. */
function shown(value: unknown): string {
  if (value === undefined) return "missing";
  return typeof value === "object" && value !== null ? "no number" : excerpt(String(value)).slice(1, -1);
}

function excerpt(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
