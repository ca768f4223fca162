import type { Instance } from "./instance.js";
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
}

/**
 * One session. What is registered lives as long as it does. Every request rejects once the session has ended, and when its
 * signal fires.
 */
export interface RegistrySession {
  /** `listener` is called once when the session has ended, other than by `close`; never inside `onEnd`. */
  onEnd(listener: (reason: Error) => void): void;
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
  /** Ends it; what it registered goes. Never rejects. */
  close(): Promise<void>;
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
