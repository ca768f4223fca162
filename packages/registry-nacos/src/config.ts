import { readFileSync } from "node:fs";
import { didYouMean, parsePort } from "@dubhe/discovery";
import type { EndpointTarget } from "@dubhe/rpc";
import { NacosConfigError } from "./errors.js";
import { DEFAULT_GROUP, DEFAULT_NAMESPACE } from "./messages.js";
import { firstParamProblem } from "./param-rules.js";
import { GRPC_PORT_OFFSET, httpAddress, type ServerAddress } from "./transport.js";
import { parseHost, parseRegistryUrl, type RegistryUrl, redactUrl } from "./url.js";

/** As for `tls.connect` of node:tls. `{}` verifies against the system's authorities; `servername` defaults to the host. */
export type NacosTlsOptions = NonNullable<EndpointTarget["tls"]> & { readonly servername?: string };

/** Where a Nacos registry is and how to use it. Frozen; made by {@link parseNacosUrl} or {@link nacosConfig}. */
export interface NacosConfig {
  /** At least one. They are tried in random order. */
  readonly servers: readonly ServerAddress[];
  /** Id of the namespace, not its name. `public` is the default one. */
  readonly namespace: string;
  /** Group of the services. Mapping and metadata have groups of their own. */
  readonly group: string;
  /** Group of the applications, where that is another one than that of the interfaces. */
  readonly applicationGroup: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Path of the HTTP API, for logins. */
  readonly contextPath: string;
  /** TLS on the gRPC port; undefined = plain text. Logins stay on plain HTTP, as the server's HTTP port does. */
  readonly tls: NacosTlsOptions | undefined;
  /** Of one request to the server, ms. */
  readonly timeoutMs: number;
  /** How this application names itself to the server. */
  readonly application: string;
}

/** What {@link nacosConfig} takes: `servers` as `host:port` texts or objects; the rest has defaults. */
export interface NacosConfigInit {
  readonly servers: readonly (string | (Pick<ServerAddress, "host"> & Partial<ServerAddress>))[];
  readonly namespace?: string | undefined;
  readonly group?: string | undefined;
  /** Default: `group`. */
  readonly applicationGroup?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly contextPath?: string | undefined;
  readonly tls?: NacosTlsOptions | boolean | undefined;
  /** 1 to 600 000; default 3000. */
  readonly timeoutMs?: number | undefined;
  readonly application?: string | undefined;
}

const DEFAULT_HTTP_PORT = 8_848;
const DEFAULT_TIMEOUT_MS = 3_000;
const MAX_TIMEOUT_MS = 600_000;

const TLS_PARAMETERS: readonly string[] = ["tls-ca", "tls-cert", "tls-key", "tls-servername", "tls-verify"];

const PARAMETERS: readonly string[] = [
  "namespace",
  "group",
  "nacos.group",
  "use-default-group",
  "username",
  "password",
  "backup",
  "grpc-port",
  "context-path",
  "timeout",
  "tls",
  ...TLS_PARAMETERS,
];

/**
 * `nacos://user:password@h1:8848,h2:8848?namespace=dev&group=DEFAULT_GROUP`.
 *
 * | parameter | meaning | default |
 * | --- | --- | --- |
 * | `namespace` | id of the namespace | `public` |
 * | `group` | group of the services | `DEFAULT_GROUP` |
 * | `nacos.group` | group of the applications alone; interfaces stay in `group` (dubbo-java) | `group` |
 * | `use-default-group` | `true`: the same as `nacos.group=DEFAULT_GROUP` (dubbo-java) | `false` |
 * | `username`, `password` | login, instead of the user info | none |
 * | `backup` | further servers, as Dubbo writes them: `h2:8848,h3:8848` | none |
 * | `grpc-port` | port of the gRPC API, where it is not the HTTP port + 1000 | |
 * | `context-path` | of the HTTP API (also as the URL's path) | `/nacos` |
 * | `timeout` | of one request, ms, 1 to 600000 | 3000 |
 * | `tls` | `true`: the gRPC port speaks TLS | `false` |
 * | `tls-ca`, `tls-cert`, `tls-key` | PEM files; each turns `tls` on; certificate and key only together | |
 * | `tls-servername`, `tls-verify` | expected name; `false` accepts any certificate | the host; `true` |
 *
 * @throws NacosConfigError that names what is wrong, with a suggestion for a misspelt parameter; never with a password.
 */
export function parseNacosUrl(text: string, application = ""): NacosConfig {
  const url = parseRegistryUrl(text, PARAMETERS);
  if (url.scheme !== "nacos")
    throw new NacosConfigError(`${redactUrl(text)}: the scheme must be nacos, not ${url.scheme}`);
  if (url.hosts.length === 0)
    throw new NacosConfigError(`${redactUrl(text)}: no host; write nacos://127.0.0.1:${DEFAULT_HTTP_PORT}`);
  const get = (name: string): string | undefined => url.parameters.get(name);
  const grpcPort = port(get("grpc-port"), "grpc-port", text);
  const backup = (get("backup") ?? "").split(",").filter((host) => host !== "");
  const hosts = [...url.hosts, ...backup.map((host) => parseHost(host, text))];
  const timeout = get("timeout");
  if (timeout !== undefined && !isTimeout(/^\d+$/.test(timeout) ? Number(timeout) : Number.NaN))
    throw new NacosConfigError(
      `${redactUrl(text)}: timeout must be a number of ms from 1 to ${MAX_TIMEOUT_MS}, not "${timeout}"`,
    );
  return nacosConfig({
    servers: hosts.map((host) => ({
      host: host.host,
      ...(host.port === undefined ? {} : { httpPort: host.port }),
      ...(grpcPort === undefined ? {} : { grpcPort }),
    })),
    namespace: get("namespace"),
    group: get("group"),
    applicationGroup:
      boolean(get("use-default-group"), "use-default-group", text) === true ? DEFAULT_GROUP : get("nacos.group"),
    username: url.username ?? get("username"),
    password: url.password ?? get("password"),
    contextPath: get("context-path") ?? (url.path === "" ? undefined : url.path),
    timeoutMs: timeout === undefined ? undefined : Number(timeout),
    tls: readTls(url, text),
    application,
  });
}

/** @throws NacosConfigError for what is wrong or unknown. */
export function nacosConfig(init: NacosConfigInit): NacosConfig {
  for (const key of Object.keys(init)) {
    if (!(INIT_KEYS as readonly string[]).includes(key))
      throw new NacosConfigError(`unknown option "${key}" of a Nacos registry.${didYouMean(key, INIT_KEYS)}`);
  }
  if (init.servers.length === 0) throw new NacosConfigError("a Nacos registry needs at least one server");
  const namespace = init.namespace || DEFAULT_NAMESPACE;
  const group = init.group || DEFAULT_GROUP;
  const applicationGroup = init.applicationGroup || group;
  const problem = firstParamProblem([
    ["namespaceId/tenant", namespace],
    ["group", group],
    ["group", applicationGroup],
  ]);
  if (problem !== undefined) throw new NacosConfigError(problem);
  if ((init.username ?? "") === "" && (init.password ?? "") !== "")
    throw new NacosConfigError("a password for Nacos needs a user name");
  const timeoutMs = init.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  if (!isTimeout(timeoutMs))
    throw new NacosConfigError(`timeoutMs must be from 1 to ${MAX_TIMEOUT_MS}, not ${timeoutMs}`);
  const path = (init.contextPath ?? "/nacos").replace(/\/+$/, "");
  return Object.freeze({
    servers: Object.freeze(init.servers.map(serverAddress)),
    namespace,
    group,
    applicationGroup,
    username: init.username || undefined,
    password: init.password,
    contextPath: path === "" || path.startsWith("/") ? path : `/${path}`,
    tls: init.tls === true ? {} : init.tls === false ? undefined : init.tls,
    timeoutMs,
    application: init.application ?? "",
  });
}

const INIT_KEYS: readonly (keyof NacosConfigInit)[] = [
  "servers",
  "namespace",
  "group",
  "applicationGroup",
  "username",
  "password",
  "contextPath",
  "tls",
  "timeoutMs",
  "application",
];

/** The same for every spelling of the same cluster, and without secrets. */
export function registryId(
  config: Pick<NacosConfig, "servers" | "namespace" | "group"> & Partial<Pick<NacosConfig, "applicationGroup">>,
): string {
  const servers = config.servers.map(httpAddress).sort();
  const { namespace, group, applicationGroup = group } = config;
  const groups = applicationGroup === group ? group : `${group}+${applicationGroup}`;
  return `nacos://${servers.join(",")}/${namespace}/${groups}`;
}

/** Configurations call the default namespace "", naming calls it "public". */
export function tenantOf(namespace: string): string {
  return namespace === DEFAULT_NAMESPACE ? "" : namespace;
}

function serverAddress(server: NacosConfigInit["servers"][number]): ServerAddress {
  const given = typeof server === "string" ? parseHost(server, server) : server;
  const httpPort =
    ("httpPort" in given ? given.httpPort : "port" in given ? given.port : undefined) ?? DEFAULT_HTTP_PORT;
  const grpcPort = ("grpcPort" in given ? given.grpcPort : undefined) ?? httpPort + GRPC_PORT_OFFSET;
  if (grpcPort > 65_535)
    throw new NacosConfigError(
      `the gRPC port of ${given.host}:${httpPort} would be ${grpcPort}; name it with grpc-port`,
    );
  return Object.freeze({ host: given.host, httpPort, grpcPort });
}

function isTimeout(ms: number): boolean {
  return Number.isInteger(ms) && ms >= 1 && ms <= MAX_TIMEOUT_MS;
}

function port(value: string | undefined, name: string, url: string): number | undefined {
  if (value === undefined) return undefined;
  const parsed = parsePort(value);
  if (parsed === undefined) throw new NacosConfigError(`${redactUrl(url)}: ${name} must be 1..65535, not "${value}"`);
  return parsed;
}

function readTls(url: RegistryUrl, text: string): NacosTlsOptions | undefined {
  const get = (name: string): string | undefined => url.parameters.get(name);
  const flag = boolean(get("tls"), "tls", text);
  const files = { ca: get("tls-ca"), cert: get("tls-cert"), key: get("tls-key") };
  const servername = get("tls-servername");
  const verify = boolean(get("tls-verify"), "tls-verify", text);
  const used = flag ?? Object.values(files).some((file) => file !== undefined);
  const wrong = (what: string): NacosConfigError => new NacosConfigError(`${redactUrl(text)}: ${what}`);
  if (!used) {
    // Whoever says how TLS is to be must not get plain text.
    const idle = TLS_PARAMETERS.filter((name) => get(name) !== undefined);
    if (idle.length > 0) throw wrong(`${idle.join(" and ")} without TLS; write tls=true as well`);
    return undefined;
  }
  if ((files.cert === undefined) !== (files.key === undefined))
    throw wrong("tls-cert and tls-key belong together: the certificate of this client and its key");
  return {
    ...(files.ca === undefined ? {} : { ca: readPem(files.ca, text) }),
    ...(files.cert === undefined ? {} : { cert: readPem(files.cert, text) }),
    ...(files.key === undefined ? {} : { key: readPem(files.key, text) }),
    ...(servername === undefined ? {} : { servername }),
    ...(verify === false ? { rejectUnauthorized: false } : {}),
  };
}

function readPem(file: string, url: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new NacosConfigError(`${redactUrl(url)}: cannot read ${file}`, { cause });
  }
}

function boolean(value: string | undefined, name: string, url: string): boolean | undefined {
  if (value === undefined) return undefined;
  if (value === "true" || value === "") return true;
  if (value === "false") return false;
  throw new NacosConfigError(`${redactUrl(url)}: ${name} must be true or false, not "${value}"`);
}
