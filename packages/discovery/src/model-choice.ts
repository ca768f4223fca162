import type { Clock, Timer } from "@dubhe/concurrency";
import type { EndpointGroup } from "./merged-endpoints.js";
import { type Migration, type MigrationStep, shouldMigrate } from "./migration-rule.js";

export type Model = "application" | "interface";

/** What one model knows of a service in a registry. */
export interface ModelKnowledge {
  /** Every source of it has answered since it was subscribed. */
  readonly known: boolean;
  /** Some of its addresses are still to come. */
  readonly resolving: boolean;
}

export interface ModelSide {
  readonly group: EndpointGroup;
  knowledge(): ModelKnowledge;
  /** Follows this model's sources, or leaves them. Idempotent. */
  follow(on: boolean): void;
}

/** How long a forced step waits for addresses that are known to come: metadata that cannot be had must not hold it up for ever. */
const RESOLVE_MS = 10_000;

/**
 * Which of the two models a view shows for one registry, by the migration rule.
 *
 *     undecided ─rule─▶ APPLICATION_FIRST ⇄ FORCE_INTERFACE, FORCE_APPLICATION
 *
 * A step to FORCE_… is taken when its delay is over and the model to go to has answered and has enough addresses (or the rule
 * forces it); until then the last step stays in force, and both models are followed. Java gives up after one look; here it is
 * looked again with every change. In one turn what is gone to is shown before what is left is hidden, so no pick sees nothing.
 */
export class ModelChoice {
  readonly #clock: Clock;
  readonly #sides: Readonly<Record<Model, ModelSide>>;
  readonly #changed: () => void;
  #rule: Migration | undefined;
  #step: MigrationStep | undefined;
  #shown: Model | undefined;
  /** Until when a forced step waits. */
  #notBefore = 0;
  /** Since when addresses by application have been on their way. */
  #resolvingSince: number | undefined;
  /** When time alone can change something. */
  #lookAt = Infinity;
  #timer: Timer | undefined;
  #following = false;

  /** `changed`: with the time, something else may be in force or shown: evaluate. Never called inside `apply`. */
  constructor(clock: Clock, sides: Readonly<Record<Model, ModelSide>>, changed: () => void) {
    this.#clock = clock;
    this.#sides = sides;
    this.#changed = changed;
  }

  /** In force. */
  get step(): MigrationStep | undefined {
    return this.#step;
  }

  /** What the rule wants. */
  get target(): MigrationStep | undefined {
    return this.#rule?.step;
  }

  get shown(): Model | undefined {
    return this.#shown;
  }

  /** A rule, or the same again. The caller evaluates afterwards. */
  apply(rule: Migration): void {
    const old = this.#rule;
    this.#rule = rule;
    if (old !== undefined && old.step === rule.step && old.delayMs === rule.delayMs) return;
    const now = this.#clock.now();
    this.#notBefore = this.#step === undefined || rule.step === this.#step ? now : now + rule.delayMs;
  }

  attach(): void {
    this.#following = true;
    this.#follow();
  }

  detach(): void {
    this.#following = false;
    this.#timer?.cancel();
    for (const side of Object.values(this.#sides)) side.follow(false);
  }

  /** Looks at what the models know; true when another step is in force or another model shown. */
  evaluate(): boolean {
    const rule = this.#rule;
    if (rule === undefined || !this.#following) return false;
    const before = `${this.#step} ${this.#shown}`;
    this.#lookAt = Infinity;
    if (this.#step !== rule.step && this.#mayTake(rule)) this.#step = rule.step;
    this.#follow();
    this.#show(rule);
    this.#schedule();
    return before !== `${this.#step} ${this.#shown}`;
  }

  #mayTake(rule: Migration): boolean {
    if (rule.step === "APPLICATION_FIRST" || this.#step === undefined) return true;
    const now = this.#clock.now();
    if (now < this.#notBefore) return this.#lookAgainAt(this.#notBefore);
    const [to, from] =
      rule.step === "FORCE_APPLICATION"
        ? [this.#sides.application, this.#sides.interface]
        : [this.#sides.interface, this.#sides.application];
    const { known, resolving } = to.knowledge();
    if (!known) return false;
    const patientUntil = this.#notBefore + RESOLVE_MS;
    if (resolving && now < patientUntil) return this.#lookAgainAt(patientUntil);
    if (rule.force) return true;
    const old = from.knowledge().known || from.group.size > 0 ? from.group.size : undefined;
    return shouldMigrate(to.group.size, old, rule.threshold);
  }

  /** Addresses that are still to come do not count as missing, for a while. */
  #waitsForAddresses(): boolean {
    const now = this.#clock.now();
    this.#resolvingSince ??= now;
    const until = this.#resolvingSince + RESOLVE_MS;
    if (now >= until) return false;
    this.#lookAgainAt(until);
    return true;
  }

  #lookAgainAt(at: number): false {
    this.#lookAt = Math.min(this.#lookAt, at);
    return false;
  }

  #schedule(): void {
    this.#timer?.cancel();
    if (this.#lookAt === Infinity) return;
    this.#timer = this.#clock.setTimeout(
      // Not evaluated here: one of the models may be in the middle of a list. The owner does it as soon as both are whole.
      () => this.#changed(),
      Math.max(0, this.#lookAt - this.#clock.now()),
    );
  }

  /** A model that is forced out is not followed any more. */
  #follow(): void {
    if (!this.#following) return;
    const settled = this.#step !== undefined && this.#step === (this.#rule?.step ?? this.#step);
    this.#sides.application.follow(!(settled && this.#step === "FORCE_INTERFACE"));
    this.#sides.interface.follow(!(settled && this.#step === "FORCE_APPLICATION"));
  }

  #show(rule: Migration): void {
    const next = this.#choose(rule);
    if (next === undefined) return;
    this.#shown = next;
    const { application, interface: byInterface } = this.#sides;
    const shares =
      this.#step === "APPLICATION_FIRST" &&
      next === "application" &&
      rule.proportion < 100 &&
      (byInterface.group.shown || byInterface.knowledge().known);
    const [weight, otherWeight] = shares ? [application.group.weight, byInterface.group.weight] : [0, 0];
    if (weight > 0 && otherWeight > 0) {
      // Of all calls `proportion` go to one model's addresses, the rest to the other's, by the weights within each.
      const part = rule.proportion / 100;
      byInterface.group.show(true, ((1 - part) * weight) / otherWeight);
      if (part === 0) application.group.show(false);
      else application.group.show(true, part);
      return;
    }
    const [on, off] =
      next === "application" ? [application.group, byInterface.group] : [byInterface.group, application.group];
    on.show(true);
    off.show(false);
  }

  #choose(rule: Migration): Model | undefined {
    if (this.#step === "FORCE_APPLICATION") return "application";
    if (this.#step === "FORCE_INTERFACE") return "interface";
    const { application, interface: byInterface } = this.#sides;
    const [byApp, other] = [application.knowledge(), byInterface.knowledge()];
    const [size, otherSize] = [application.group.size, byInterface.group.size];
    if (!byApp.known) {
      // Nothing is known anew: what is shown stays as long as it has somebody.
      if (this.#shown === "application" && size > 0) return "application";
      if (otherSize > 0) return "interface";
      return size > 0 ? "application" : this.#shown;
    }
    if (!byApp.resolving) this.#resolvingSince = undefined;
    else if (this.#waitsForAddresses()) {
      if (this.#shown === "application" && size > 0) return "application";
      if (otherSize > 0) return "interface";
    }
    // What was known of the other before it was left counts only while it is what is shown.
    const otherCounts = other.known || (this.#shown === "interface" && otherSize > 0);
    return shouldMigrate(size, otherCounts ? otherSize : undefined, rule.threshold) ? "application" : "interface";
  }
}
