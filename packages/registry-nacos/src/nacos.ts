import type { Runtime } from "@dubhe/concurrency";
import type { RpcEnvironment } from "@dubhe/rpc";
import { createRpcEnvironment } from "@dubhe/rpc";
import { type NacosConfig, registryId, tenantOf } from "./config.js";
import type { NacosEventListener } from "./events.js";
import { Login, type PostForm } from "./login.js";
import { NacosRegistry } from "./nacos-registry.js";
import { RpcTransport } from "./rpc-transport.js";
import { NacosSession } from "./session.js";
import type { Transport } from "./transport.js";

/** How the client names itself; servers show it, and some read the version behind the colon. */
export const CLIENT_VERSION = "Dubhe-Node-Client:v0.1.0";

export interface NacosRegistryExtras {
  /** Default: a new one. Share the App's. */
  readonly env?: RpcEnvironment;
  /** Default: sockets. */
  readonly transport?: Transport;
  /** How a login is sent. Default: HTTP. */
  readonly post?: PostForm;
  readonly onEvent?: NacosEventListener;
}

/**
 * A registry on Nacos servers. Connects at once and goes on trying for ever; what is watched and registered before it is
 * connected comes into force then.
 */
export function nacosRegistry(runtime: Runtime, config: NacosConfig, extras: NacosRegistryExtras = {}): NacosRegistry {
  const transport =
    extras.transport ?? new RpcTransport(extras.env ?? createRpcEnvironment(runtime), { tls: config.tls });
  const { username, password = "" } = config;
  const tenant = tenantOf(config.namespace);
  const onEvent = guarded(runtime, extras.onEvent);
  const session = new NacosSession(runtime, {
    transport,
    servers: config.servers,
    login:
      username === undefined ? undefined : new Login(runtime, { username, password }, config.contextPath, extras.post),
    timeoutMs: config.timeoutMs,
    clientVersion: CLIENT_VERSION,
    tenant,
    labels: clientLabels(config.application),
    onEvent,
  });
  return new NacosRegistry(runtime, {
    id: registryId(config),
    namespace: config.namespace,
    group: config.group,
    applicationGroup: config.applicationGroup,
    tenant,
    session,
    onEvent,
  });
}

/**
 * What a server knows of a connection. `module` must be exactly this: a connection of another module has no place in the
 * naming part of a 3.1.0 server, which refuses its registrations and subscriptions; configurations work with any (tried).
 */
export function clientLabels(application: string): Record<string, string> {
  return { source: "sdk", module: "naming", AppName: application || "unknown" };
}

/** A listener that throws is reported and harms nobody. */
export function guarded(runtime: Runtime, onEvent: NacosEventListener | undefined): NacosEventListener | undefined {
  if (onEvent === undefined) return undefined;
  return (event) => {
    try {
      onEvent(event);
    } catch (error) {
      runtime.report(error, "onEvent of a Nacos registry");
    }
  };
}
