import type { ConfigurationEvent } from "./configuration-center.js";
import type { InterfaceRef, ProvidersEvent } from "./interface-registry.js";
import { parseMapping } from "./mapping-value.js";
import type { InstancesEvent, MappingEvent } from "./registry.js";
import type {
  ConfigurationSession,
  InterfaceSession,
  RegistrySession,
  SessionConfiguration,
  SessionInstances,
  SessionMapping,
  SessionProviders,
} from "./registry-driver.js";
import { type SessionContext, SessionTask } from "./session-task.js";

/** The requests behind one watch. */
interface Watchable<V> {
  arm(session: RegistrySession, push: (value: V) => void, signal: AbortSignal): Promise<void>;
  read(session: RegistrySession, signal: AbortSignal): Promise<V>;
  disarm(session: RegistrySession, signal: AbortSignal): Promise<void>;
}

interface ErrorEvent {
  readonly kind: "error";
  readonly epoch: number;
  readonly error: Error;
}

/** A watch, whatever is watched: arms, then pulls, and again in each session. */
export class WatchTask<V, E> extends SessionTask {
  override readonly verifiable: boolean;
  override readonly reads: boolean = true;
  readonly #source: Watchable<V>;
  readonly #event: (epoch: number, value: V) => E;
  #sink: ((event: E | ErrorEvent) => void) | undefined;

  constructor(
    source: Watchable<V>,
    event: (epoch: number, value: V) => E,
    sink: (event: E | ErrorEvent) => void,
    options: { readonly verifiable: boolean },
  ) {
    super();
    this.#source = source;
    this.#event = event;
    this.#sink = sink;
    this.verifiable = options.verifiable;
  }

  /** Arm first, then pull: a change between the two is pushed. */
  async apply(context: SessionContext, again: boolean): Promise<void> {
    const { session } = context;
    const deliver = (value: V): void => {
      if (context.live()) this.#sink?.(this.#event(context.epoch, value));
    };
    if (!again) await context.request((signal) => this.#source.arm(session, deliver, signal));
    deliver(await context.request((signal) => this.#source.read(session, signal)));
  }

  withdraw(context: SessionContext): Promise<void> {
    return context.request((signal) => this.#source.disarm(context.session, signal));
  }

  end(): void {
    this.#sink = undefined;
  }

  override failed(error: Error, epoch: number): void {
    this.#sink?.({ kind: "error", epoch, error });
  }

  override unreachable(error: Error, epoch: number): void {
    this.failed(error, epoch);
  }

  override suspended(error: Error, epoch: number): void {
    this.failed(error, epoch);
  }
}

/** Whoever watches a list asks for a refresh when it has heard nothing for too long. */
const REFRESHED = { verifiable: false };
/** Nobody asks: it is read again from time to time. */
const VERIFIED = { verifiable: true };

export function instancesWatch(application: string, sink: (event: InstancesEvent) => void): SessionTask {
  return new WatchTask<SessionInstances, InstancesEvent>(
    {
      arm: (session, push, signal) => session.watchInstances(application, push, signal),
      read: (session, signal) => session.readInstances(application, signal),
      disarm: (session, signal) => session.unwatchInstances(application, signal),
    },
    (epoch, { seq, instances, malformed }) => ({
      kind: "instances",
      epoch,
      seq,
      instances,
      malformed,
    }),
    sink,
    REFRESHED,
  );
}

export function providersWatch(ref: InterfaceRef, sink: (event: ProvidersEvent) => void): SessionTask {
  return new WatchTask<SessionProviders, ProvidersEvent>(
    {
      arm: (session, push, signal) => interfacesOf(session).watch(ref, push, signal),
      read: (session, signal) => interfacesOf(session).read(ref, signal),
      disarm: (session, signal) => interfacesOf(session).unwatch(ref, signal),
    },
    (epoch, { seq, providers, malformed }) => ({
      kind: "providers",
      epoch,
      seq,
      providers,
      malformed,
    }),
    sink,
    REFRESHED,
  );
}

export function mappingWatch(serviceInterface: string, sink: (event: MappingEvent) => void): SessionTask {
  return new WatchTask<SessionMapping, MappingEvent>(
    {
      arm: (session, push, signal) => session.watchMapping(serviceInterface, push, signal),
      read: (session, signal) => session.readMapping(serviceInterface, signal),
      disarm: (session, signal) => session.unwatchMapping(serviceInterface, signal),
    },
    (epoch, { seq, value }) => ({ kind: "mapping", epoch, seq, applications: parseMapping(value) }),
    sink,
    VERIFIED,
  );
}

export function configurationWatch(group: string, key: string, sink: (event: ConfigurationEvent) => void): SessionTask {
  return new WatchTask<SessionConfiguration, ConfigurationEvent>(
    {
      arm: (session, push, signal) => configurationOf(session).watch(group, key, push, signal),
      read: (session, signal) => configurationOf(session).read(group, key, signal),
      disarm: (session, signal) => configurationOf(session).unwatch(group, key, signal),
    },
    (epoch, { seq, value }) => ({ kind: "configuration", epoch, seq, value }),
    sink,
    VERIFIED,
  );
}

/** The feature was declared by the driver. */
export function interfacesOf(session: RegistrySession): InterfaceSession {
  if (session.interfaces === undefined) throw new Error("the session has no interface-level discovery");
  return session.interfaces;
}

function configurationOf(session: RegistrySession): ConfigurationSession {
  if (session.configuration === undefined) throw new Error("the session has no configuration centre");
  return session.configuration;
}
