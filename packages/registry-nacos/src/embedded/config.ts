import { NacosConfigError } from "../errors.js";
import { DEFAULT_GROUP, DEFAULT_NAMESPACE } from "../messages.js";
import { firstParamProblem } from "../param-rules.js";
import { GRPC_PORT_OFFSET } from "../transport.js";
import { parseRegistryUrl } from "../url.js";

/** The embedded registry of this machine. */
export interface EmbeddedConfig {
  /** Bound on 127.0.0.1, and spoken to there: the gRPC port itself. Peers write it as `nacos://127.0.0.1:(port - 1000)`. */
  readonly port: number;
  /** Separates projects on one machine. */
  readonly namespace: string;
  readonly group: string;
  readonly application: string;
}

/** Where Nacos clients look for gRPC by default: their HTTP port 8848 plus 1000. */
export const EMBEDDED_PORT = 9_848;

const PARAMETERS: readonly string[] = ["namespace", "group"];

/**
 * `embedded:`, `embedded://127.0.0.1:PORT`, each with `?namespace=` and `?group=`. PORT is the port that is bound, by
 * default 9848.
 * @throws NacosConfigError that names what is wrong.
 */
export function parseEmbeddedUrl(text: string, application = ""): EmbeddedConfig {
  const url = parseRegistryUrl(text, PARAMETERS);
  if (url.scheme !== "embedded") throw new NacosConfigError(`${text}: the scheme must be embedded, not ${url.scheme}`);
  if (url.hosts.length > 1 || url.path !== "" || url.username !== undefined) {
    throw new NacosConfigError(`${text}: write embedded: or embedded://127.0.0.1:PORT`);
  }
  const { host, port } = url.hosts[0] ?? { host: LOOPBACK, port: undefined };
  if (host !== LOOPBACK && host !== "localhost") {
    throw new NacosConfigError(
      `${text}: the embedded registry serves this machine only, on ${LOOPBACK}; beyond it, run Nacos and write nacos://${host}:8848`,
    );
  }
  return embeddedConfig({
    application,
    ...(port === undefined ? {} : { port }),
    ...pick(url.parameters, "namespace"),
    ...pick(url.parameters, "group"),
  });
}

/** @throws NacosConfigError. */
export function embeddedConfig(init: Partial<EmbeddedConfig> = {}): EmbeddedConfig {
  const config = {
    port: init.port ?? EMBEDDED_PORT,
    namespace: init.namespace || DEFAULT_NAMESPACE,
    group: init.group || DEFAULT_GROUP,
    application: init.application ?? "",
  };
  const problem = firstParamProblem([
    ["namespaceId/tenant", config.namespace],
    ["group", config.group],
  ]);
  if (problem !== undefined) throw new NacosConfigError(problem);
  if (!Number.isInteger(config.port) || config.port < 1 || config.port > 65_535) {
    throw new NacosConfigError(`port of the embedded registry must be 1..65535, not ${config.port}`);
  }
  return Object.freeze(config);
}

export const LOOPBACK = "127.0.0.1";

/** The URL under which Nacos clients reach what listens for gRPC at `port`. */
export function nacosUrlOf(port: number): string {
  return port > GRPC_PORT_OFFSET
    ? `nacos://${LOOPBACK}:${port - GRPC_PORT_OFFSET}`
    : `nacos://${LOOPBACK}?grpc-port=${port}`;
}

export function embeddedId(config: EmbeddedConfig): string {
  return `embedded://${LOOPBACK}:${config.port}/${config.namespace}/${config.group}`;
}

/**
 * A development registry in memory must never carry production: there, a missing registry URL is an error.
 * @throws NacosConfigError
 */
export function refuseInProduction(environment: Readonly<Record<string, string | undefined>>): void {
  const why =
    environment.NODE_ENV === "production"
      ? "NODE_ENV is production"
      : environment.KUBERNETES_SERVICE_HOST !== undefined
        ? "this is a Kubernetes pod"
        : undefined;
  if (why === undefined) return;
  throw new NacosConfigError(
    `the embedded registry is for development: it lives in memory, on one machine, and ${why}. Name a registry, as nacos://HOST:8848`,
  );
}

function pick(parameters: ReadonlyMap<string, string>, name: "namespace" | "group"): Partial<EmbeddedConfig> {
  const value = parameters.get(name);
  return value === undefined ? {} : { [name]: value };
}
