import type { Runtime } from "@dubhe/concurrency";
import {
  type Registry,
  type RegistryDriver,
  type RegistrySession,
  SessionRegistry,
  type SessionRegistryOptions,
} from "@dubhe/discovery";
import type { ModelRegistryServer } from "./model-registry-server.js";

export interface ModelRegistryClientOptions extends SessionRegistryOptions {
  /** What the server calls this client in `cutOff`, `dropSessions`, …. Default `client`. */
  readonly client?: string;
}

/** A client of a model server: the same session handling that real backends with sessions use. */
export function modelRegistry(
  runtime: Runtime,
  server: ModelRegistryServer,
  options: ModelRegistryClientOptions = {},
): Registry {
  const client = options.client ?? "client";
  const driver: RegistryDriver = {
    id: server.id,
    features: { interfaces: true, configuration: true, listMetadata: true, names: true },
    connect: (signal) => connect(server, client, signal),
  };
  return new SessionRegistry(runtime, driver, options);
}

function connect(server: ModelRegistryServer, client: string, signal: AbortSignal): Promise<RegistrySession> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      timer.cancel();
      reject(signal.reason);
    };
    const timer = server.clock.setTimeout(() => {
      if (server.isCutOff(client)) return; // no answer, until the caller has had enough
      signal.removeEventListener("abort", onAbort);
      if (!server.up) reject(new Error("connect ECONNREFUSED"));
      else if (server.drawFailure("connect") !== "none") reject(new Error("the registry failed to connect"));
      else resolve(server.connect(client));
    }, server.latency());
    signal.addEventListener("abort", onAbort);
  });
}
