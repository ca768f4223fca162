import type { InstancesEvent, InstancesWatch } from "@dubhe/discovery";
import type { Subscriptions } from "./subscriptions.js";

interface Shared {
  readonly handle: InstancesWatch;
  readonly sinks: Set<(event: InstancesEvent) => void>;
  last: InstancesEvent | undefined;
}

/** Subscriptions that several references share: `*` and `1.0.0` may stand for the same service. */
export class ServiceWatches {
  readonly #subscriptions: Subscriptions;
  readonly #nextTurn: (fn: () => void) => void;
  readonly #shared = new Map<string, Shared>();

  constructor(subscriptions: Subscriptions, nextTurn: (fn: () => void) => void) {
    this.#subscriptions = subscriptions;
    this.#nextTurn = nextTurn;
  }

  /** As `Registry.watch`, for any number of sinks. */
  watch(service: string, sink: (event: InstancesEvent) => void): InstancesWatch {
    const shared = this.#shared.get(service) ?? this.#open(service);
    const own = (event: InstancesEvent): void => sink(event);
    shared.sinks.add(own);
    const { last } = shared;
    if (last !== undefined)
      this.#nextTurn(() => {
        if (shared.sinks.has(own) && shared.last === last) own(last);
      });
    return {
      refresh: () => shared.handle.refresh?.(),
      [Symbol.asyncDispose]: async () => {
        if (!shared.sinks.delete(own) || shared.sinks.size > 0) return;
        if (this.#shared.get(service) === shared) this.#shared.delete(service);
        await shared.handle[Symbol.asyncDispose]();
      },
    };
  }

  #open(service: string): Shared {
    const sinks = new Set<(event: InstancesEvent) => void>();
    const handle = this.#subscriptions.watch(service, (event) => {
      shared.last = event;
      for (const sink of [...sinks]) if (sinks.has(sink)) sink(event);
    });
    const shared: Shared = { handle, sinks, last: undefined };
    this.#shared.set(service, shared);
    return shared;
  }
}
