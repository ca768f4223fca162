import type { ConnectionOptions, ServerTlsOptions } from "@dubhe/http2";
import type { RpcServerOptions, ServiceOptions as RpcServiceOptions } from "@dubhe/rpc";
import { parseHostPort } from "./advertised-address.js";
import { keysOf, rejectUnknownKeys } from "./option-keys.js";

/** All optional. */
export interface ServerOptions extends RpcServerOptions {
  /**
   * `host:port`, `:port` or `host`. Default: all addresses (with the embedded registry 127.0.0.1), port 50051, or any free
   * one when that is taken. Port 0: any free one. A port that is named and taken is an error.
   */
  readonly listen?: string;
  /**
   * What consumers are told: `host`, `host:port` or `:port`. What it leaves out comes from `DUBBO_IP_TO_REGISTRY` and
   * `DUBBO_PORT_TO_REGISTRY`, else from the address that the server is bound to; bound to all, it is 127.0.0.1 with the
   * embedded registry and otherwise the first IPv4 address of an interface that is not internal.
   */
  readonly advertise?: string;
  readonly tls?: ServerTlsOptions;
  readonly http2?: ConnectionOptions;
  /**
   * `confirmed` (default): `start` resolves when every registry has confirmed, and rejects after 10 s without, having
   * taken everything back. `background`: `start` resolves when the port is open, and registration goes on by itself.
   */
  readonly registration?: "confirmed" | "background";
  /** Share of the calls relative to other instances, 0 to 10 000. Default 100. */
  readonly weight?: number;
  /** `dubbo.tag` of the instance. */
  readonly tag?: string;
  /** Further metadata of the instance. */
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface ServiceOptions extends RpcServiceOptions {
  /** Further params of the service, as Dubbo's URLs have them. */
  readonly params?: Readonly<Record<string, string>>;
  /** Weight of this service where consumers look at it (dubbo-java, dubbo-go). Default: the server's. */
  readonly weight?: number;
}

const serverKeys = keysOf<ServerOptions>({
  listen: 1,
  advertise: 1,
  tls: 1,
  http2: 1,
  registration: 1,
  weight: 1,
  tag: 1,
  metadata: 1,
  interceptors: 1,
  maxReceiveBytes: 1,
  maxTimeoutMs: 1,
  compression: 1,
  compressMinBytes: 1,
  onHandlerError: 1,
});

const serviceKeys = keysOf<ServiceOptions>({ group: 1, version: 1, interceptors: 1, params: 1, weight: 1 });

/** Throws a TypeError that names what is wrong. */
export function checkServerOptions(options: ServerOptions): void {
  rejectUnknownKeys("createServer", options, serverKeys);
  const { weight, registration } = options;
  checkWeight(weight);
  if (options.listen !== undefined) parseHostPort(options.listen, "listen");
  if (options.advertise !== undefined) parseHostPort(options.advertise, "advertise");
  if (registration !== undefined && registration !== "confirmed" && registration !== "background") {
    throw new TypeError(`registration is "confirmed" or "background", not "${String(registration)}"`);
  }
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
