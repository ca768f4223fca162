import { Mailbox, type Timer } from "@dubhe/concurrency";
import type { ConfigurationEvent } from "./configuration-center.js";
import type { DiscoveryContext } from "./discovery-context.js";
import { MIGRATION_GROUP, type MigrationRule, type MigrationStep, migrationKey } from "./migration-rule.js";
import type { Registry } from "./registry.js";
import { toError } from "./to-error.js";

/** How discovery migrates; for registries that are used for both models. */
export interface MigrationInit {
  /** The consumer's application: its rule is followed in each registry that is a configuration centre. */
  readonly application: string;
  /** Reads the text of a rule, which is YAML. May throw: then the last good rule stays. See `migrationRuleOf`. */
  parse(text: string): MigrationRule;
  /** Without a rule. Default `APPLICATION_FIRST`. */
  readonly step?: MigrationStep;
}

/** How long views wait for the first answer of the configuration centre before they go by the default. */
const FIRST_RULE_MS = 1_000;

/** The migration rule as one registry has it; followed from the first view that needs it until discovery closes. */
export class MigrationRuleFeed {
  readonly #observers = new Set<() => void>();
  readonly #mailbox: Mailbox<ConfigurationEvent>;
  readonly #context: DiscoveryContext;
  readonly #registry: Registry;
  readonly #parse: MigrationInit["parse"];
  readonly #handle: AsyncDisposable;
  readonly #patience: Timer;
  #decided = false;
  #rule: MigrationRule | undefined;
  #text: string | undefined;
  /** Why the text is no rule. */
  #flaw: Error | undefined;
  /** The flaw, or why it cannot be read now. */
  #error: Error | undefined;
  #epoch = -1;
  #seq = -1;

  /** The registry is a configuration centre. */
  constructor(context: DiscoveryContext, registry: Registry, init: MigrationInit) {
    const { configuration } = registry;
    if (configuration === undefined) throw new Error(`${registry.id} is no configuration centre`);
    this.#context = context;
    this.#registry = registry;
    this.#parse = (text) => init.parse(text);
    this.#mailbox = new Mailbox(context.runtime, (event) => this.#onEvent(event));
    const key = migrationKey(init.application);
    this.#handle = configuration.watch(MIGRATION_GROUP, key, (event) => void this.#mailbox.post(event));
    this.#patience = context.runtime.clock.setTimeout(() => this.#tell(), FIRST_RULE_MS);
  }

  /** Known, or waited for long enough. */
  get decided(): boolean {
    return this.#decided;
  }

  /** Undefined: there is none. */
  get rule(): MigrationRule | undefined {
    return this.#rule;
  }

  observe(observer: () => void): Disposable {
    this.#observers.add(observer);
    return { [Symbol.dispose]: () => void this.#observers.delete(observer) };
  }

  async close(): Promise<void> {
    this.#mailbox.close();
    this.#patience.cancel();
    this.#observers.clear();
    await this.#handle[Symbol.asyncDispose]();
  }

  inspect(): unknown {
    return { registry: this.#registry.id, rule: this.#rule ?? null, error: this.#error?.message ?? null };
  }

  #onEvent(event: ConfigurationEvent): void {
    if (event.epoch < this.#epoch) return;
    if (event.kind === "error") {
      // Cannot tell: the last rule stays, and without one the wait goes on.
      this.#error = event.error;
      return;
    }
    if (event.epoch === this.#epoch && event.seq < this.#seq) return;
    this.#epoch = event.epoch;
    this.#seq = event.seq;
    if (this.#decided && event.value === this.#text) {
      this.#error = this.#flaw;
      return;
    }
    this.#text = event.value;
    this.#flaw = undefined;
    try {
      this.#rule = event.value === undefined || event.value.trim() === "" ? undefined : this.#parse(event.value);
    } catch (error) {
      this.#flaw = toError(error);
    }
    this.#error = this.#flaw;
    this.#context.hub.emit({
      type: "migration-rule",
      registryId: this.#registry.id,
      ...(this.#rule === undefined ? undefined : { rule: this.#rule }),
      ...(this.#error === undefined ? undefined : { error: this.#error }),
    });
    this.#tell();
  }

  #tell(): void {
    this.#decided = true;
    this.#patience.cancel();
    for (const observer of [...this.#observers]) observer();
  }
}

/** The feeds of all registries, each opened when first needed. */
export class MigrationRules {
  readonly defaultStep: MigrationStep;
  readonly #context: DiscoveryContext;
  readonly #init: MigrationInit | undefined;
  readonly #feeds = new Map<string, MigrationRuleFeed>();
  #closed = false;

  constructor(context: DiscoveryContext, init: MigrationInit | undefined) {
    this.#context = context;
    this.#init = init;
    this.defaultStep = init?.step ?? "APPLICATION_FIRST";
  }

  /** Undefined: nobody writes rules there, or nobody reads them here. */
  of(registry: Registry): MigrationRuleFeed | undefined {
    if (this.#init === undefined || registry.configuration === undefined || this.#closed) return undefined;
    let feed = this.#feeds.get(registry.id);
    if (feed === undefined) {
      feed = new MigrationRuleFeed(this.#context, registry, this.#init);
      this.#feeds.set(registry.id, feed);
    }
    return feed;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#feeds.values()].map((feed) => feed.close()));
  }

  inspect(): unknown {
    return { defaultStep: this.defaultStep, rules: [...this.#feeds.values()].map((feed) => feed.inspect()) };
  }
}
