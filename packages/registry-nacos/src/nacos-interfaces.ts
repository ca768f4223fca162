import { Reconciler, type Runtime, type Timer } from "@dubhe/concurrency";
import {
  type InstancesWatch,
  type InterfaceProvider,
  type InterfaceRef,
  type InterfaceRegistration,
  type InterfaceRegistry,
  type ProvidersEvent,
  providerKey,
  type Registration,
} from "@dubhe/discovery";
import { hasWildcard, interfaceServiceNames, mayOffer } from "./dubbo-names.js";
import { toError } from "./errors.js";
import { InterfaceWatch } from "./interface-watch.js";
import { providerToInstance } from "./provider-codec.js";
import type { Registrations } from "./registrations.js";
import { ServiceWatches } from "./service-watches.js";
import type { NacosSession, SessionObserver } from "./session.js";
import { describeStatus, RETRY_BACKOFF, type Subscriptions } from "./subscriptions.js";

/** Names of all services in the registry's group, by the newest session. */
export type ListServices = (signal: AbortSignal) => Promise<readonly string[]>;

/** Default of how often wildcards are looked up again: a server tells nobody of new services. dubbo-java does so every 30 s. */
const LOOKUP_MS = 5_000;

/**
 * Interface-level discovery: a service `providers:<interface>:<version>:<group>` for each, whose instances carry the provider's URL in their
 * metadata. A reference with wildcards stands for all services of that interface, which are looked up again and again.
 */
export class NacosInterfaces implements InterfaceRegistry, SessionObserver {
  readonly #runtime: Runtime;
  readonly #session: NacosSession;
  readonly #registrations: Registrations;
  readonly #watches: ServiceWatches;
  readonly #references = new Map<string, InterfaceWatch>();
  /** References with wildcards; another number = look again. */
  readonly #lookups: Reconciler<string, number>;
  readonly #lookupMs: number;
  #nextLookup = 1;
  #timer: Timer | undefined;
  #closed = false;

  constructor(
    runtime: Runtime,
    session: NacosSession,
    subscriptions: Subscriptions,
    registrations: Registrations,
    list: ListServices,
    lookupMs: number = LOOKUP_MS,
  ) {
    this.#lookupMs = lookupMs;
    this.#runtime = runtime;
    this.#session = session;
    this.#registrations = registrations;
    this.#watches = new ServiceWatches(subscriptions, (fn) => void runtime.clock.nextTurn(fn));
    this.#lookups = new Reconciler<string, number>(runtime, {
      apply: async (key, lookup, { signal, epoch }) => {
        const watch = this.#references.get(key);
        if (lookup === undefined || watch === undefined) return;
        const names = await list(signal);
        signal.throwIfAborted();
        watch.named(
          names.filter((name) => mayOffer(name, watch.ref)),
          epoch,
        );
      },
      onError: (key, error) => this.#references.get(key)?.failed(toError(error), session.epoch),
      backoff: RETRY_BACKOFF,
      paused: true,
      concurrency: 4,
    });
    session.addObserver(this);
  }

  watch(ref: InterfaceRef, sink: (event: ProvidersEvent) => void): InstancesWatch {
    const key = JSON.stringify([ref.service, ref.group, ref.version]);
    if (this.#references.has(key))
      throw new Error(
        `${ref.service} (group "${ref.group}", version "${ref.version}") is watched already: share the watch`,
      );
    const wild = hasWildcard(ref);
    const watch = new InterfaceWatch(ref, this.#watches, sink, !wild);
    this.#references.set(key, watch);
    if (wild) {
      this.#look(key);
      const { lastError, epoch } = this.#session;
      if (lastError !== undefined) this.#runtime.clock.nextTurn(() => watch.failed(lastError, epoch));
    } else {
      watch.named(interfaceServiceNames(ref), this.#session.epoch);
    }
    return {
      refresh: () => {
        watch.refresh();
        if (wild) this.#look(key);
      },
      [Symbol.asyncDispose]: async () => {
        if (this.#references.get(key) === watch) {
          this.#references.delete(key);
          this.#lookups.unwant(key);
        }
        await watch.dispose();
      },
    };
  }

  register(provider: InterfaceProvider): InterfaceRegistration {
    return new NacosProvider(provider, this.#registrations.register(providerToInstance(provider)));
  }

  onUp(epoch: number): void {
    this.#lookups.invalidate(epoch);
    this.#lookups.resume();
    this.#schedule();
  }

  onDown(error: Error): void {
    this.#lookups.pause();
    this.#timer?.cancel();
    for (const watch of this.#references.values()) if (hasWildcard(watch.ref)) watch.failed(error, this.#session.epoch);
  }

  inspect(): object {
    return [...this.#references].map(([key, { ref, services, providers }]) => ({
      ...ref,
      services,
      providers,
      ...(hasWildcard(ref) ? { lookup: describeStatus(this.#lookups.status(key)) } : {}),
    }));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    for (const watch of this.#references.values()) void watch.dispose();
    this.#references.clear();
    await this.#lookups.close({ boundMs: 0 });
  }

  #look(key: string): void {
    this.#lookups.want(key, this.#nextLookup++);
  }

  #schedule(): void {
    this.#timer?.cancel();
    if (this.#closed) return;
    const delay = this.#lookupMs * (0.8 + 0.4 * this.#runtime.random.next());
    this.#timer = this.#runtime.clock.setTimeout(() => {
      for (const [key, { ref }] of this.#references) if (hasWildcard(ref)) this.#look(key);
      this.#schedule();
    }, delay);
  }
}

class NacosProvider implements InterfaceRegistration {
  readonly #registration: Registration;
  #provider: InterfaceProvider;

  constructor(provider: InterfaceProvider, registration: Registration) {
    this.#provider = provider;
    this.#registration = registration;
  }

  get state(): Registration["state"] {
    return this.#registration.state;
  }

  get error(): Error | undefined {
    return this.#registration.error;
  }

  update(provider: InterfaceProvider): void {
    const [from, to] = [providerKey(this.#provider), providerKey(provider)];
    if (from !== to) throw new TypeError(`update of ${from} to ${to}: the identity must stay`);
    this.#provider = provider;
    this.#registration.update(providerToInstance(provider));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#registration[Symbol.asyncDispose]();
  }
}
