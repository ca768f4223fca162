import type { Runtime } from "@dubhe/concurrency";
import type { EndpointTarget } from "@dubhe/rpc";
import type { ClientTlsSources, TlsOptions } from "./client-tls.js";
import type { TargetTls } from "./target.js";

/** Whom a connection is for. */
export interface Provider {
  readonly application: string;
  readonly host: string;
  readonly port: number;
}

export type AppTlsOptions = Omit<TlsOptions, "servername"> & {
  /**
   * The name that a provider's certificate must be for, where that is not its address, as it is in the registry:
   * `"mesh.internal"`, or `({ application }) => `${application}.svc``. Undefined = the address.
   */
  readonly servername?: string | ((provider: Provider) => string | undefined);
};

/** Where an App connects to for a provider: as the registry says, over TLS if the App has it. */
export type ProviderTarget = (provider: Provider) => EndpointTarget;

/** For `https://` addresses, which have a name of their own. */
export function httpsTarget(tls: AppTlsOptions | undefined, sources: ClientTlsSources): TargetTls | undefined {
  if (tls === undefined) return undefined;
  const { servername, ...options } = tls;
  return sources.target(options);
}

/** A `servername` that throws is reported, and the provider's certificate must be for its address then. */
export function providerTarget(
  tls: AppTlsOptions | undefined,
  sources: ClientTlsSources,
  runtime: Runtime,
): ProviderTarget {
  if (tls === undefined) return ({ host, port }) => ({ host, port });
  const { servername, ...options } = tls;
  const secured = sources.target(options);
  return (provider) => {
    const { host, port } = provider;
    const name = typeof servername === "function" ? nameOf(provider, servername, runtime) : servername;
    return { host, port, ...secured, ...(name === undefined ? undefined : { servername: name }) };
  };
}

function nameOf(
  provider: Provider,
  servername: (provider: Provider) => string | undefined,
  runtime: Runtime,
): string | undefined {
  try {
    return servername(provider);
  } catch (error) {
    runtime.report(error, "servername of an App's tls");
    return undefined;
  }
}
