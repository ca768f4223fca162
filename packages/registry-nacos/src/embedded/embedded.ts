import type { Runtime } from "@dubhe/concurrency";
import { createRpcEnvironment, type RpcEnvironment } from "@dubhe/rpc";
import { tenantOf } from "../config.js";
import type { NacosEventListener } from "../events.js";
import { MAPPING_GROUP } from "../mapping.js";
import { CLIENT_VERSION, clientLabels, guarded } from "../nacos.js";
import { NacosRegistry } from "../nacos-registry.js";
import { RpcTransport } from "../rpc-transport.js";
import { NacosSession } from "../session.js";
import { GRPC_PORT_OFFSET, type Transport } from "../transport.js";
import { type EmbeddedConfig, embeddedId, LOOPBACK, refuseInProduction } from "./config.js";
import { EmbeddedTransport, isDead } from "./embedded-transport.js";
import { type HostStarter, WorkerHostStarter } from "./host-starter.js";
import { PID_LABEL } from "./marker.js";
import { MirrorClient } from "./mirror-client.js";
import { MirrorType } from "./mirror-messages.js";

export interface EmbeddedRegistryExtras {
  /** Default: a new one. Share the App's. */
  readonly env?: RpcEnvironment;
  /** Default: `process.env`. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Default: sockets. */
  readonly transport?: Transport;
  /** Default: a worker thread. */
  readonly starter?: HostStarter;
  readonly onEvent?: NacosEventListener;
  /** Of a host that this process starts; see `HostOptions`. */
  readonly startingMs?: number;
  readonly confirmMs?: number;
}

const REQUEST_TIMEOUT_MS = 3_000;
/** Asking a process on this machine costs next to nothing. */
const LOOKUP_MS = 1_000;

/**
 * The registry that needs no server: the first process on the machine to bind the port serves all, the others connect,
 * everyone mirrors its state, and when it dies another takes over. Otherwise it is the client of real Nacos.
 *
 * @throws NacosConfigError in production.
 */
export function embeddedRegistry(
  runtime: Runtime,
  config: EmbeddedConfig,
  extras: EmbeddedRegistryExtras = {},
): NacosRegistry {
  refuseInProduction(extras.environment ?? process.env);
  const mirror = new MirrorClient(runtime.clock);
  const onEvent = guarded(runtime, extras.onEvent);
  const transport = new EmbeddedTransport(runtime, {
    port: config.port,
    inner: extras.transport ?? new RpcTransport(extras.env ?? createRpcEnvironment(runtime)),
    starter: extras.starter ?? new WorkerHostStarter(runtime),
    mirror,
    onEvent,
    startingMs: extras.startingMs,
    confirmMs: extras.confirmMs,
  });
  const tenant = tenantOf(config.namespace);
  const session = new NacosSession(runtime, {
    transport,
    servers: [{ host: LOOPBACK, httpPort: config.port - GRPC_PORT_OFFSET, grpcPort: config.port }],
    timeoutMs: REQUEST_TIMEOUT_MS,
    clientVersion: CLIENT_VERSION,
    tenant,
    onEvent,
    labels: { ...clientLabels(config.application), [PID_LABEL]: String(process.pid) },
    // The election has its own jitter; a takeover must be quick.
    reconnectSpreadMs: 0,
    backoff: { initialMs: 50, maxMs: 1_000 },
    established: (link, signal) => mirror.synchronise(link, isDead, signal),
  });
  session.onPush(MirrorType.push, (body) => {
    const rank = mirror.received(body);
    if (rank !== undefined) transport.ranked(rank);
  });
  return new NacosRegistry(runtime, {
    id: embeddedId(config),
    namespace: config.namespace,
    group: config.group,
    tenant,
    session,
    onEvent,
    lookupMs: LOOKUP_MS,
    names: {
      interfaces: async (signal) => {
        await session.ready(signal);
        return mirror.configNames(tenant, MAPPING_GROUP);
      },
    },
    inspect: () => ({
      embedded: {
        port: config.port,
        hosting: transport.hosting,
        hostPid: transport.hostPid,
        mirrored: mirror.size,
        counters: { ...transport.counters, ...mirror.counters },
      },
    }),
    closed: () => transport.close(),
  });
}
