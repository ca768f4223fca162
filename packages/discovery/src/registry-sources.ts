import type { Runtime, TurnBudget } from "@dubhe/concurrency";
import { type AcquireApp, AppSource } from "./app-source.js";
import type { DiscoveryHub } from "./discovery-events.js";
import { type AcquireInterface, InterfaceSource } from "./interface-source.js";
import { type AcquireMapping, MappingSource, type MappingSourceOwner } from "./mapping-source.js";
import type { EndpointGroup, MergedEndpoints } from "./merged-endpoints.js";
import { migrationOf } from "./migration-rule.js";
import type { MigrationRuleFeed, MigrationRules } from "./migration-rules.js";
import { type Model, ModelChoice, type ModelSide } from "./model-choice.js";
import { type Knowledge, mergeKnowledge } from "./name-merge.js";
import type { Excluded, ServiceRef } from "./name-state.js";
import type { UsedRegistry } from "./registry-use.js";
import { refName } from "./service-match.js";
import type { ViewSource } from "./view-source.js";

export interface RegistrySourcesInit {
  readonly runtime: Runtime;
  readonly hub: DiscoveryHub;
  readonly ref: ServiceRef;
  readonly rules: MigrationRules;
  readonly acquireApp: AcquireApp;
  readonly acquireMapping: AcquireMapping;
  readonly acquireInterface: AcquireInterface;
}

/** All that one registry contributes to a view: the sources of one model or of both, and which of the two is shown. */
export class RegistrySources {
  readonly #init: RegistrySourcesInit;
  readonly #use: UsedRegistry;
  readonly #owner: MappingSourceOwner;
  readonly #groups: Readonly<Record<Model, EndpointGroup>>;
  readonly #byApplication = new Map<string, ViewSource>();
  readonly #byInterface: ViewSource | undefined;
  /** One of those by application. */
  readonly #mapping: MappingSource | undefined;
  readonly #applications = new Set<string>();
  readonly #followed: Record<Model, boolean> = { application: false, interface: false };
  /** Undefined: only one model is used. */
  readonly #choice: ModelChoice | undefined;
  #feed: MigrationRuleFeed | undefined;
  #ruleSubscription: Disposable | undefined;
  #attached = false;
  #wasStep: string | undefined;

  /** `position`: of the registry among those of the view; of two that have an address the first one's is shown. */
  constructor(
    init: RegistrySourcesInit,
    use: UsedRegistry,
    position: number,
    merged: MergedEndpoints,
    owner: MappingSourceOwner,
  ) {
    this.#init = init;
    this.#use = use;
    this.#owner = owner;
    const { registry, type } = use;
    this.#groups = {
      application: merged.group("application", 2 * position, type === "service"),
      interface: merged.group("interface", 2 * position + 1, type === "interface"),
    };
    if (type !== "interface" && init.ref.providedBy === undefined) {
      this.#mapping = new MappingSource(owner, init.ref.service, registry, init.acquireMapping);
      this.#byApplication.set("mapping", this.#mapping);
    }
    if (type !== "service")
      this.#byInterface = new InterfaceSource(owner, init.ref, registry, this.#groups.interface, init.acquireInterface);
    if (type === "all") {
      const sides = { application: this.#side("application"), interface: this.#side("interface") };
      this.#choice = new ModelChoice(init.runtime.clock, sides, () => owner.changed());
    }
    this.addApplications(init.ref.providedBy ?? use.applications);
  }

  /** Looks for the service in these too; those that are known already are no news. */
  addApplications(applications: Iterable<string>): void {
    if (this.#use.type === "interface") return;
    for (const application of applications) {
      if (this.#applications.has(application)) continue;
      this.#applications.add(application);
      const { registry } = this.#use;
      const { ref, acquireApp } = this.#init;
      const source = new AppSource(this.#owner, ref, registry, application, this.#groups.application, acquireApp);
      this.#byApplication.set(`app|${application}`, source);
      if (this.#followed.application) source.attach();
    }
    this.#applyRule();
  }

  attach(): void {
    if (this.#attached) return;
    this.#attached = true;
    if (this.#choice === undefined) {
      this.#follow("application", this.#use.type === "service");
      this.#follow("interface", this.#use.type === "interface");
      return;
    }
    this.#choice.attach();
    this.#feed = this.#init.rules.of(this.#use.registry);
    this.#ruleSubscription = this.#feed?.observe(() => {
      this.#applyRule();
      this.#owner.changed();
    });
    this.#applyRule();
  }

  detach(): void {
    this.#attached = false;
    this.#ruleSubscription?.[Symbol.dispose]();
    this.#ruleSubscription = undefined;
    this.#choice?.detach();
    this.#follow("application", false);
    this.#follow("interface", false);
    this.#followMapping();
  }

  /** As that of its sources. */
  get backlog(): number {
    let sum = 0;
    for (const { backlog } of this.#byApplication.values()) sum += backlog;
    return sum + (this.#byInterface?.backlog ?? 0);
  }

  catchUp(budget?: TurnBudget): boolean {
    for (const source of this.#byApplication.values()) if (!source.catchUp(budget)) return false;
    return this.#byInterface?.catchUp(budget) ?? true;
  }

  /** Brings what is shown up to date; before `knowledge` is asked, and only when there is no backlog. */
  evaluate(): void {
    if (this.#choice?.evaluate() !== true && this.#choice?.step === this.#wasStep) return;
    this.#wasStep = this.#choice?.step;
    const { hub, ref } = this.#init;
    if (!hub.active || this.#choice?.step === undefined) return;
    hub.emit({
      type: "migration-step",
      registryId: this.#use.registry.id,
      service: refName(ref),
      step: this.#choice.step,
      ...(this.#choice.shown === undefined ? undefined : { model: this.#choice.shown }),
    });
  }

  knowledge(): Knowledge | undefined {
    if (this.#choice === undefined) return merged(this.#sources());
    // Which one is shown is not decided yet.
    if (this.#choice.step === undefined) return { kind: "pending" };
    const [application, byInterface] = [merged(this.#byApplication.values()), this.#byInterface?.knowledge()];
    if (this.#choice.step === "FORCE_APPLICATION") return application;
    if (this.#choice.step === "FORCE_INTERFACE") return byInterface;
    const [shown, hidden] =
      this.#choice.shown === "application" ? [application, byInterface] : [byInterface, application];
    // What the other model is about to say may change what is shown.
    if (shown?.kind === "bound") return hasAnswered(hidden) ? shown : { ...shown, complete: false };
    return application === undefined || byInterface === undefined
      ? (application ?? byInterface)
      : mergeKnowledge(application, byInterface);
  }

  excluded(): readonly Excluded[] {
    const result: Excluded[] = [];
    for (const source of this.#sources()) result.push(...source.excluded());
    return result;
  }

  inspect(): readonly unknown[] {
    const sources = [...this.#sources()].map((source) => source.inspect());
    if (this.#choice === undefined) return sources;
    const { step, target, shown } = this.#choice;
    const { application, interface: byInterface } = this.#groups;
    const migration = {
      registry: this.#use.registry.id,
      step: step ?? null,
      wanted: target ?? null,
      shown: shown ?? null,
      byApplication: application.size,
      byInterface: byInterface.size,
      ...(application.shown && byInterface.shown
        ? { factors: { application: application.factor, interface: byInterface.factor } }
        : undefined),
    };
    return [{ migration }, ...sources];
  }

  *#sources(): IterableIterator<ViewSource> {
    yield* this.#byApplication.values();
    if (this.#byInterface !== undefined) yield this.#byInterface;
  }

  #applyRule(): void {
    const choice = this.#choice;
    if (choice === undefined || !this.#attached || this.#feed?.decided === false) return;
    const { rules, ref } = this.#init;
    choice.apply(migrationOf(this.#feed?.rule, ref, this.#applications, rules.defaultStep));
    this.#followMapping();
  }

  #follow(model: Model, on: boolean): void {
    if (this.#followed[model] === on) return;
    this.#followed[model] = on;
    const sources = model === "application" ? this.#byApplication.values() : this.#interfaceSources();
    for (const source of [...sources]) {
      if (on) source.attach();
      else if (source !== this.#mapping) source.detach();
    }
    this.#followMapping();
  }

  /** A rule for applications needs to know them, also where it is the other model that is followed. */
  #followMapping(): void {
    const ruled = this.#attached && (this.#feed?.rule?.applications ?? []).length > 0;
    if (this.#followed.application || ruled) this.#mapping?.attach();
    else this.#mapping?.detach();
  }

  #interfaceSources(): readonly ViewSource[] {
    return this.#byInterface === undefined ? [] : [this.#byInterface];
  }

  #side(model: Model): ModelSide {
    return {
      group: this.#groups[model],
      knowledge: () => {
        const sources = model === "application" ? [...this.#byApplication.values()] : this.#interfaceSources();
        return {
          known: haveAnswered(sources),
          resolving: sources.some((source) => isResolving(source.knowledge())),
        };
      },
      follow: (on) => this.#follow(model, on),
    };
  }
}

/**
 * Whether all have answered, as far as they ever will: an application that nobody can read, named by the mapping, must not hold
 * up the others. What the mapping says is no answer while there is an application to ask.
 */
function haveAnswered(sources: readonly ViewSource[]): boolean {
  const providers = sources.filter((source) => !(source instanceof MappingSource));
  const witnesses = providers.length > 0 ? providers : sources;
  return sources.every(({ answered }) => answered !== "no") && witnesses.some(({ answered }) => answered === "yes");
}

function hasAnswered(knowledge: Knowledge | undefined): boolean {
  return knowledge === undefined || knowledge.kind === "negative" || (knowledge.kind === "bound" && knowledge.complete);
}

function isResolving(knowledge: Knowledge | undefined): boolean {
  return knowledge?.kind === "pending" || (knowledge?.kind === "bound" && knowledge.resolving);
}

function merged(sources: Iterable<ViewSource>): Knowledge | undefined {
  let all: Knowledge | undefined;
  for (const source of sources) {
    const knowledge = source.knowledge();
    if (knowledge !== undefined) all = all === undefined ? knowledge : mergeKnowledge(all, knowledge);
  }
  return all;
}
