import type { Instance } from "./instance.js";
import type { ServiceInfo } from "./metadata-info.js";
import type { InstancesWatch, MalformedInstance, Registration } from "./registry.js";

/** What a consumer wants of an interface-level registry. Wildcards as in `ServiceRef`. */
export interface InterfaceRef {
  readonly service: string;
  readonly group: string;
  readonly version: string;
}

/** `group/service:version`, with both separators always: identity of a ref, and a name for it. */
export function refKey(ref: InterfaceRef): string {
  return `${ref.group}/${ref.service}:${ref.version}`;
}

/**
 * One provider URL: one service at one address. The interface-level model has an entry for each service of each process, and
 * no revisions: what MetadataInfo says in the other model stands in the URL itself.
 */
export interface InterfaceProvider {
  /** The process: `application`, host, port, weight and, as metadata, timestamp, tag and environment, as far as the URL has them. */
  readonly instance: Instance;
  readonly service: ServiceInfo;
}

export type ProvidersEvent =
  | {
      readonly kind: "providers";
      readonly epoch: number;
      readonly seq: number;
      readonly providers: readonly InterfaceProvider[];
      readonly malformed: readonly MalformedInstance[];
    }
  | { readonly kind: "error"; readonly epoch: number; readonly error: Error };

/** Interface-level discovery (Dubbo 2's model, which Dubbo 3 keeps beside the other). */
export interface InterfaceRegistry {
  /**
   * As `Registry.watch`; at most once for a ref at a time. The lists have every provider that the ref asks for, and may have
   * others of the interface: the reader filters.
   */
  watch(ref: InterfaceRef, sink: (event: ProvidersEvent) => void): InstancesWatch;
  /** As `Registry.register`; one registration for each (service, group, version, protocol, address). */
  register(provider: InterfaceProvider): InterfaceRegistration;
}

export interface InterfaceRegistration extends AsyncDisposable {
  readonly state: Registration["state"];
  readonly error?: Error | undefined;
  /** In place. Name, group, version, protocol, host and port must stay. */
  update(provider: InterfaceProvider): void;
  [Symbol.asyncDispose](): Promise<void>;
}
