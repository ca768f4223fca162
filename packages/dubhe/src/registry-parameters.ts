import { checkApplicationName, nearest, type RegistryType } from "@dubhe/discovery";

/** How an App uses one of its registries; the same for every kind of registry. */
export interface RegistryParameters {
  /** Dubbo's model: `service` (applications and instances), `interface` (an entry for each service), `all` (both). Default `service`. */
  readonly type?: RegistryType;
  /** Publish there what this App provides. Default true. */
  readonly register?: boolean;
  /** Look there for providers. Default true. */
  readonly subscribe?: boolean;
  /** Where the providers behind it are, for an App that names its own `zone`. */
  readonly zone?: string;
  /** Its providers are called as long as one of them can be. Default false. */
  readonly preferred?: boolean;
  /** Applications to look in for every service, beside those that the mapping names: dubbo-java's `subscribed-services`. */
  readonly applications?: readonly string[];
  /**
   * Its share of the calls relative to other registries, 0 to 10 000; 0 = only when no other has anybody, unless it is preferred or in the
   * App's zone, which count first. Default: by endpoints.
   */
  readonly weight?: number;
}

const types: readonly string[] = ["service", "interface", "all"] satisfies readonly RegistryType[];

/** As URLs write them. `registry-type` is dubbo-go's name, `subscribed-services` dubbo-java's. */
const ownParameters: readonly string[] = [
  "registry-type",
  "register",
  "subscribe",
  "subscribed-services",
  "zone",
  "preferred",
  "weight",
];

/** A URL without what is ours, which no backend knows, and that. */
export interface SplitUrl {
  readonly url: string;
  readonly parameters: RegistryParameters;
}

/** Throws a TypeError for a value that makes no sense, and for a parameter that is given twice. It never quotes the rest of the URL. */
export function splitRegistryUrl(text: string): SplitUrl {
  const at = text.indexOf("?");
  if (at < 0) return { url: text, parameters: {} };
  const hash = text.indexOf("#", at);
  const end = hash < 0 ? text.length : hash;
  const kept: string[] = [];
  const found = new Map<string, string>();
  for (const pair of text.slice(at + 1, end).split("&")) {
    const [entry] = new URLSearchParams(pair);
    const [key, value] = entry ?? ["", ""];
    if (!ownParameters.includes(key)) {
      if (pair !== "") kept.push(pair);
    } else if (found.has(key)) {
      throw new TypeError(`parameter "${key}" of a registry URL is given twice`);
    } else {
      found.set(key, value);
    }
  }
  const query = kept.length === 0 ? "" : `?${kept.join("&")}`;
  return { url: text.slice(0, at) + query + text.slice(end), parameters: parametersIn(found) };
}

function parametersIn(found: ReadonlyMap<string, string>): RegistryParameters {
  const type = found.get("registry-type");
  const register = flag(found, "register");
  const subscribe = flag(found, "subscribe");
  const applications = found.get("subscribed-services");
  const zone = found.get("zone");
  const preferred = flag(found, "preferred");
  const weight = found.get("weight");
  return checkRegistryParameters(
    {
      ...(type === undefined ? undefined : { type: type as RegistryType }),
      ...(register === undefined ? undefined : { register }),
      ...(subscribe === undefined ? undefined : { subscribe }),
      ...(applications === undefined
        ? undefined
        : { applications: applications.split(",").map((name) => name.trim()) }),
      ...(zone === undefined ? undefined : { zone }),
      ...(preferred === undefined ? undefined : { preferred }),
      ...(weight === undefined ? undefined : { weight: /^\d+$/.test(weight) ? Number(weight) : Number.NaN }),
    },
    "registry-type",
  );
}

/** Throws a TypeError; `typeKey` is what the user calls `type`. */
export function checkRegistryParameters(parameters: RegistryParameters, typeKey = "type"): RegistryParameters {
  const { type, register, subscribe, applications, zone, preferred, weight } = parameters;
  if (type !== undefined && !types.includes(type))
    throw new TypeError(`${typeKey} of a registry is service, interface or all, not "${String(type)}".`);
  for (const [key, value] of Object.entries({ register, subscribe, preferred })) {
    if (value !== undefined && typeof value !== "boolean")
      throw new TypeError(`${key} of a registry is true or false, not "${String(value)}"`);
  }
  if (applications !== undefined) {
    if (!Array.isArray(applications)) throw new TypeError("applications of a registry is a list of their names");
    for (const application of applications) checkApplicationName(application);
  }
  if (zone !== undefined && (typeof zone !== "string" || zone === ""))
    throw new TypeError("zone of a registry is a name, such as hangzhou; leave it out for none");
  if (weight !== undefined && !(Number.isInteger(weight) && weight >= 0 && weight <= 10_000))
    throw new TypeError("weight of a registry is a whole number from 0 to 10000");
  if (register === false && subscribe === false)
    throw new TypeError("a registry with register=false and subscribe=false is of no use; leave it out");
  return parameters;
}

function flag(found: ReadonlyMap<string, string>, key: string): boolean | undefined {
  const value = found.get(key);
  if (value === undefined) return undefined;
  if (value !== "" && value !== "true" && value !== "false")
    throw new TypeError(`${key} of a registry is true or false, not "${value}"`);
  return value !== "false";
}

/**
 * A backend knows its own parameters only: where one of ours is nearer to what was misspelt (`regster=false`), its message
 * gets ours for a suggestion. Returns `error` itself when there is nothing to improve.
 */
export function withOwnSuggestion(error: unknown, url: string): unknown {
  if (!(error instanceof Error)) return error;
  for (const key of new URLSearchParams(/\?([^#]*)/.exec(url)?.[1] ?? "").keys()) {
    if (!error.message.includes(`"${key}"`)) continue;
    const theirs = /Did you mean "([^"]+)"/.exec(error.message)?.[1];
    const near = nearest(key, theirs === undefined ? ownParameters : [theirs, ...ownParameters]);
    if (near === undefined || near === theirs) continue;
    const what = error.message.replace(/ (?:Did you mean|Known:).*$/s, "");
    return new TypeError(`${what} Did you mean "${near}"?`, { cause: error });
  }
  return error;
}
