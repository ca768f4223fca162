import type { Instance } from "./instance.js";
import type { InterfaceProvider, InterfaceRef } from "./interface-registry.js";
import type { MalformedInstance } from "./registry.js";

/**
 * The part of a registry that differs from one backend to another, when the backend has sessions: plain requests, no
 * retries, no memory. `SessionRegistry` makes a `Registry` of it.
 */
export interface RegistryDriver {
  /** See `Registry.id`. */
  readonly id: string;
  /** Opens a session with one server. Rejects when there is none to be had; then it is tried again, with backoff. */
  connect(signal: AbortSignal): Promise<RegistrySession>;
  /** What its sessions can do beside the rest; decides what the `Registry` offers. Default: nothing. */
  readonly features?: {
    readonly interfaces?: boolean;
    readonly configuration?: boolean;
    readonly listMetadata?: boolean;
    readonly names?: boolean;
  };
}

/**
 * One session. What is registered lives as long as it does. Every request rejects once the session has ended, and when its
 * signal fires.
 */
export interface RegistrySession {
  /** `listener` is called once when the session has ended, other than by `close`; never inside `onEnd`. */
  onEnd(listener: (reason: Error) => void): void;
  /**
   * For backends whose session outlives its connection (ZooKeeper); absent otherwise. `listener(reason)` when no server can be
   * reached for the time being, `listener(undefined)` when one can again in the same session, with every watch armed: what is
   * registered stands meanwhile. Requests made in between reject. Never called inside `onSuspend`, nor after the end.
   */
  onSuspend?(listener: (reason: Error | undefined) => void): void;
  /** Puts the instance, or replaces it in place. Idempotent. */
  register(instance: Instance, signal: AbortSignal): Promise<void>;
  /** Idempotent: absent is fine. */
  deregister(instance: Instance, signal: AbortSignal): Promise<void>;
  /** From its resolution to `unwatchInstances`, every change is followed by a push (several changes may share one). */
  watchInstances(application: string, push: (list: SessionInstances) => void, signal: AbortSignal): Promise<void>;
  unwatchInstances(application: string, signal: AbortSignal): Promise<void>;
  readInstances(application: string, signal: AbortSignal): Promise<SessionInstances>;
  /** As `watchInstances`. */
  watchMapping(serviceInterface: string, push: (mapping: SessionMapping) => void, signal: AbortSignal): Promise<void>;
  unwatchMapping(serviceInterface: string, signal: AbortSignal): Promise<void>;
  readMapping(serviceInterface: string, signal: AbortSignal): Promise<SessionMapping>;
  /** Compare-and-set: false when the version is no longer that of `read`. */
  writeMapping(serviceInterface: string, value: string, read: SessionMapping, signal: AbortSignal): Promise<boolean>;
  readMetadata(application: string, revision: string, signal: AbortSignal): Promise<string | undefined>;
  writeMetadata(application: string, revision: string, value: string, signal: AbortSignal): Promise<void>;
  /** The revisions that are kept for an application; with `removeMetadata`, absent when the backend cannot list. */
  listMetadata?(application: string, signal: AbortSignal): Promise<readonly string[]>;
  /** Idempotent. */
  removeMetadata?(application: string, revision: string, signal: AbortSignal): Promise<void>;
  /** See `RegistryNames`; both are there, or neither. What does not exist yet is an empty list. */
  listApplications?(signal: AbortSignal): Promise<readonly string[]>;
  listInterfaces?(signal: AbortSignal): Promise<readonly string[]>;
  /** Absent when the backend has no interface-level discovery. All sessions of a driver have it, or none. */
  readonly interfaces?: InterfaceSession;
  /** Absent when the backend is no configuration centre. All sessions of a driver have it, or none. */
  readonly configuration?: ConfigurationSession;
  /** Ends it; what it registered goes. Never rejects. */
  close(): Promise<void>;
}

/**
 * Interface-level discovery within a session; every method as its counterpart for applications. A provider is known by its
 * `providerKey`: where its URL is its name, a change of it is a new entry and the removal of the old one, in this order.
 */
export interface InterfaceSession {
  register(provider: InterfaceProvider, signal: AbortSignal): Promise<void>;
  deregister(provider: InterfaceProvider, signal: AbortSignal): Promise<void>;
  watch(ref: InterfaceRef, push: (list: SessionProviders) => void, signal: AbortSignal): Promise<void>;
  unwatch(ref: InterfaceRef, signal: AbortSignal): Promise<void>;
  read(ref: InterfaceRef, signal: AbortSignal): Promise<SessionProviders>;
}

export interface ConfigurationSession {
  watch(group: string, key: string, push: (value: SessionConfiguration) => void, signal: AbortSignal): Promise<void>;
  unwatch(group: string, key: string, signal: AbortSignal): Promise<void>;
  read(group: string, key: string, signal: AbortSignal): Promise<SessionConfiguration>;
}

export interface SessionProviders {
  /** Orders lists within the session. */
  readonly seq: number;
  readonly providers: readonly InterfaceProvider[];
  readonly malformed: readonly MalformedInstance[];
}

export interface SessionConfiguration {
  readonly seq: number;
  /** Undefined: there is no entry. */
  readonly value: string | undefined;
}

export interface SessionInstances {
  /** Orders lists within the session. */
  readonly seq: number;
  readonly instances: readonly Instance[];
  readonly malformed: readonly MalformedInstance[];
}

export interface SessionMapping {
  /** Orders values within the session, and is what `writeMapping` compares. */
  readonly seq: number;
  /** Undefined: there is no entry. */
  readonly value: string | undefined;
}
