import { Mailbox } from "@dubhe/concurrency";
import type { DiscoveryContext } from "./discovery-context.js";
import { FirstAnswer } from "./first-answer.js";
import type { MappingEvent, Registry } from "./registry.js";

/** One view's interest in the applications of an interface. */
export interface MappingObserver {
  mappingChanged(): void;
}

/**
 * The one watch of the mapping of one interface in one registry, shared by every view of that interface. Applications are
 * only ever added: nobody removes one from a mapping on leaving, so a shorter list is an accident of the registry, and an
 * application that has really gone shows as one without instances.
 */
export class MappingWatch {
  readonly registry: Registry;
  readonly serviceInterface: string;
  readonly #context: DiscoveryContext;
  readonly #observers = new Set<MappingObserver>();
  readonly #applications = new Set<string>();
  readonly #mailbox: Mailbox<MappingEvent>;
  readonly #handle: AsyncDisposable;
  readonly #firstAnswer: FirstAnswer;
  #known = false;
  #epoch = -1;
  #seq = -1;
  #error: Error | undefined;

  constructor(context: DiscoveryContext, registry: Registry, serviceInterface: string) {
    this.#context = context;
    this.registry = registry;
    this.serviceInterface = serviceInterface;
    this.#mailbox = new Mailbox(context.runtime, (event) => this.#onEvent(event));
    this.#firstAnswer = new FirstAnswer(context.runtime.clock, context.settings.firstAnswerMs, () => this.#tell());
    this.#handle = registry.mapping.watch(serviceInterface, (event) => void this.#mailbox.post(event));
    context.hub.counters.mappingWatches++;
  }

  /** There was an answer. */
  get known(): boolean {
    return this.#known;
  }

  /** In the order in which they became known. */
  get applications(): ReadonlySet<string> {
    return this.#applications;
  }

  /** The newest answer was an error. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** Errors instead of a first answer, and for so long that they are the answer. */
  get failed(): boolean {
    return this.#firstAnswer.overdue;
  }

  observe(observer: MappingObserver): void {
    this.#observers.add(observer);
  }

  unobserve(observer: MappingObserver): void {
    this.#observers.delete(observer);
  }

  /** Resolves when the registry has cancelled the watch. */
  async close(): Promise<void> {
    this.#mailbox.close();
    this.#firstAnswer.close();
    this.#observers.clear();
    await this.#handle[Symbol.asyncDispose]();
  }

  inspect(): unknown {
    return {
      registry: this.registry.id,
      serviceInterface: this.serviceInterface,
      known: this.#known,
      applications: [...this.#applications],
      views: this.#observers.size,
      error: this.#error?.message ?? null,
    };
  }

  #onEvent(event: MappingEvent): void {
    const { hub } = this.#context;
    if (event.epoch < this.#epoch) return;
    if (event.kind === "error") {
      hub.counters.mappingErrors++;
      this.#error = event.error;
      this.#firstAnswer.failed();
      hub.emit({
        type: "mapping-failed",
        registryId: this.registry.id,
        serviceInterface: this.serviceInterface,
        error: event.error,
      });
    } else {
      if (event.epoch === this.#epoch && event.seq < this.#seq) return;
      hub.counters.mappingUpdates++;
      this.#epoch = event.epoch;
      this.#seq = event.seq;
      this.#known = true;
      this.#firstAnswer.answered();
      this.#error = undefined;
      for (const application of event.applications) this.#applications.add(application);
      if (hub.active) {
        const applications = [...this.#applications];
        hub.emit({
          type: "mapping-applied",
          registryId: this.registry.id,
          serviceInterface: this.serviceInterface,
          applications,
        });
      }
    }
    this.#tell();
  }

  #tell(): void {
    for (const observer of this.#observers) observer.mappingChanged();
  }
}
