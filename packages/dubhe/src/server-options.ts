import type { ConnectionOptions, ListenerOptions } from "@dubhe/http2";
import type {
  Http1Options,
  ReflectionOptions,
  RpcServerOptions,
  ServiceOptions as RpcServiceOptions,
} from "@dubhe/rpc";
import { parseHostPort } from "./advertised-address.js";
import { checkMetadata, type MetadataType } from "./app-options.js";
import { checkHttp2Keys } from "./http2-options.js";
import { keysOf, rejectUnknownKeys } from "./option-keys.js";
import { checkServerTls, type ServerTls } from "./server-tls.js";
import { unixPath } from "./target.js";

/** All optional. */
export interface ServerOptions extends RpcServerOptions {
  /**
   * `host:port`, `:port` or `host`. Default: all addresses (with the embedded registry 127.0.0.1), port 50051, or any free
   * one when that is taken. Port 0: any free one. A port that is named and taken is an error.
   *
   * Or `unix:/path/of.sock`: a Unix socket. It is in no registry, and its file goes when the server closes; one that a killed
   * process left is replaced.
   */
  readonly listen?: string;
  /** Permissions of the Unix socket, such as 0o660: who may write may connect. Default: by the umask, mostly the owner alone. */
  readonly socketMode?: number;
  /** SO_REUSEPORT: further processes may listen on the same port, and the kernel spreads connections. Node 22.12, 23.1 and later. */
  readonly reusePort?: boolean;
  /**
   * What consumers are told: `host`, `host:port` or `:port`. What it leaves out comes from `DUBBO_IP_TO_REGISTRY` and
   * `DUBBO_PORT_TO_REGISTRY`, else from the address that the server is bound to; bound to all, it is 127.0.0.1 with the
   * embedded registry and otherwise the first IPv4 address of an interface that is not internal.
   */
  readonly advertise?: string;
  /** Serve TLS alone. `certFile` and `keyFile` are read again while it runs, every 10 s. */
  readonly tls?: ServerTls;
  readonly http2?: ConnectionOptions & Pick<ListenerOptions, "maxConnections" | "maxHandshakes">;
  /**
   * `confirmed` (default): `start` resolves when every registry has confirmed; of several, when one has and the others are down
   * or take 3 s longer, which is reported as a warning, and registering goes on. It rejects after 10 s without any, having taken
   * everything back. `background`: `start` resolves when the port is open, and registering goes on by itself.
   */
  readonly registration?: "confirmed" | "background";
  /** Share of the calls relative to other instances, 0 to 10 000. Default 100. */
  readonly weight?: number;
  /** `dubbo.tag` of the instance. */
  readonly tag?: string;
  /** Further metadata of the instance. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Default: the App's. */
  readonly metadataType?: MetadataType;
  /** Default: the App's. */
  readonly environment?: string;
  /** Serve `grpc.health.v1.Health`: see `Server.health`. Default true. */
  readonly health?: boolean;
  /**
   * Serve `grpc.reflection.v1` and `v1alpha`, by which grpcurl and other tools find the services and their types. Default
   * true; `{ files }` names further files to tell of, such as those of types within `Any`.
   */
  readonly reflection?: boolean | ReflectionOptions;
}

export interface ServiceOptions extends RpcServiceOptions {
  /** Further params of the service, as Dubbo's URLs have them. */
  readonly params?: Readonly<Record<string, string>>;
  /** Weight of this service where consumers look at it (dubbo-java, dubbo-go). Default: the server's. */
  readonly weight?: number;
}

const serverKeys = keysOf<ServerOptions>({
  listen: 1,
  socketMode: 1,
  reusePort: 1,
  advertise: 1,
  tls: 1,
  http2: 1,
  registration: 1,
  weight: 1,
  tag: 1,
  metadata: 1,
  metadataType: 1,
  environment: 1,
  health: 1,
  reflection: 1,
  interceptors: 1,
  maxReceiveBytes: 1,
  maxTimeoutMs: 1,
  compression: 1,
  compressMinBytes: 1,
  maxUnfinishedBytes: 1,
  typeRegistry: 1,
  http1: 1,
  onHandlerError: 1,
});

const listenerKeys = keysOf<Pick<ListenerOptions, "maxConnections" | "maxHandshakes">>({
  maxConnections: 1,
  maxHandshakes: 1,
});

const http1Keys = keysOf<Http1Options>({
  headersTimeoutMs: 1,
  idleTimeoutMs: 1,
  bodyTimeoutMs: 1,
  maxHeaderBytes: 1,
  maxRequests: 1,
  maxPipelined: 1,
});

const reflectionKeys = keysOf<ReflectionOptions>({ files: 1 });

const serviceKeys = keysOf<ServiceOptions>({ group: 1, version: 1, interceptors: 1, params: 1, weight: 1 });

/** Throws a TypeError that names what is wrong. */
export function checkServerOptions(options: ServerOptions): void {
  rejectUnknownKeys("createServer", options, serverKeys);
  checkHttp2Keys("createServer", options.http2, listenerKeys);
  const { weight, registration, health, reflection, http1 } = options;
  if (typeof http1 === "object" && http1 !== null) rejectUnknownKeys("createServer's http1", http1, http1Keys);
  else if (http1 !== undefined && typeof http1 !== "boolean")
    throw new TypeError(`http1 is true, false or an object of its limits, not ${String(http1)}`);
  if (health !== undefined && typeof health !== "boolean")
    throw new TypeError(`health is true or false, not ${String(health)}`);
  if (typeof reflection === "object" && reflection !== null)
    rejectUnknownKeys("createServer's reflection", reflection, reflectionKeys);
  else if (reflection !== undefined && typeof reflection !== "boolean")
    throw new TypeError(`reflection is true, false or { files }, not ${String(reflection)}`);
  checkWeight(weight);
  checkMetadata(options);
  if (options.listen !== undefined) parseListen(options.listen);
  if (options.tls !== undefined) checkServerTls(options.tls);
  if (options.socketMode !== undefined && !(options.socketMode >= 0 && options.socketMode <= 0o777))
    throw new TypeError(`socketMode is the permissions of a file, such as 0o660, not ${options.socketMode}`);
  if (options.advertise !== undefined) parseHostPort(options.advertise, "advertise");
  if (registration !== undefined && registration !== "confirmed" && registration !== "background") {
    throw new TypeError(`registration is "confirmed" or "background", not "${String(registration)}"`);
  }
}

/** Throws a TypeError that says what to write. */
export function parseListen(
  text: string,
): { readonly path: string } | { readonly host: string; readonly port: number | undefined } {
  return text.startsWith("unix:") ? { path: unixPath(text) } : parseHostPort(text, "listen");
}

export function checkServiceOptions(options: ServiceOptions): void {
  rejectUnknownKeys("server.add", options, serviceKeys);
  checkWeight(options.weight);
}

function checkWeight(weight: number | undefined): void {
  if (weight === undefined) return;
  if (!Number.isInteger(weight) || weight < 0 || weight > 10_000)
    throw new TypeError(`a weight is a whole number from 0 to 10000, not ${weight}`);
}
