import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeProviders, ModelRegistryServer, modelRegistry, testRuntime } from "@dubhe/testing";
import fc from "fast-check";
import { createInstance, type Instance, instanceKey } from "./instance.js";
import { createServiceInfo, parseMetadataInfo, stringifyMetadataInfo } from "./metadata-info.js";
import { MIGRATION_GROUP, type MigrationStep, migrationRuleOf } from "./migration-rule.js";
import { providerKey, providerOf } from "./provider-url.js";
import { ServiceDiscoveryRegistry } from "./service-discovery-registry.js";

/*
 * The invariants (see discovery-invariants.test.ts) of both models and two registries at once: an App uses one registry for both
 * models, with a migration rule that changes, and another one for applications alone.
 *
 *  1 convergence     what is shown is what the rule's model has in the first registry, and what the second one has; each address
 *                    once, with the weight of one
 *  2 no empty moment whoever is in both models all the time is never missing from the table, through every step
 *  3 no resurrection nothing is shown after close
 *  4 conservation    watches are those of the models that the step needs; none after close, and no timer
 *  6 errors no data  lost sessions, failed requests and empty pushes take nobody away who is there
 *  7 ownership       what we registered is there in every registry and model while it lives, and gone afterwards
 */

const SERVICE = "s.A";
const STEPS: readonly MigrationStep[] = ["FORCE_INTERFACE", "APPLICATION_FIRST", "FORCE_APPLICATION"];
/** The first two are in one registry only, the third is shared by both. */
const HOSTS = ["10.0.0.1", "10.0.1.1", "10.0.9.1"];

type Command =
  | { readonly do: "wait"; readonly ms: number }
  | {
      readonly do: "put" | "remove";
      readonly registry: number;
      readonly host: number;
      readonly port: number;
      readonly models: "application" | "interface" | "both";
    }
  | { readonly do: "rule"; readonly step: MigrationStep | undefined; readonly delay: number }
  | { readonly do: "garbage rule" }
  | { readonly do: "trouble"; readonly kind: "drop" | "expire" | "push-empty" | "fail"; readonly registry: number };

const registry = fc.nat(1);
const calm = [
  { weight: 5, arbitrary: fc.record({ do: fc.constant("wait"), ms: fc.constantFrom(0, 1, 20, 100, 600, 3_000) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom("put", "put", "remove"),
      registry,
      host: fc.nat(2),
      port: fc.integer({ min: 1, max: 3 }),
      models: fc.constantFrom("application", "interface", "both"),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("rule"),
      step: fc.constantFrom(...STEPS, undefined),
      delay: fc.constantFrom(0, 0, 2),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("garbage rule") }) },
];
const trouble = [
  ...calm,
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("trouble"),
      kind: fc.constantFrom("drop", "expire", "push-empty", "fail"),
      registry,
    }),
  },
];

class Simulation {
  readonly world;
  readonly servers: readonly ModelRegistryServer[];
  readonly providers: FakeProviders;
  readonly violations: string[] = [];
  readonly discovery: ServiceDiscoveryRegistry;
  readonly registries;
  step: MigrationStep | undefined;
  /** The newest rule that can be read. */
  #text: string | undefined;

  constructor(seed: number, pushMergeMs: number) {
    this.world = testRuntime({ seed });
    const { runtime, clock } = this.world;
    this.providers = new FakeProviders(clock);
    this.servers = ["a", "b"].map((name) => new ModelRegistryServer(runtime, { seed, name, pushMergeMs }));
    this.registries = this.servers.map((server) => modelRegistry(runtime, server, { client: "app" }));
    const [first, second] = this.registries;
    assert.ok(first !== undefined && second !== undefined);
    this.discovery = new ServiceDiscoveryRegistry(runtime, {
      registries: [{ registry: first, type: "all" }, second],
      fetchMetadata: async (instance, revision, signal) => {
        const own = this.discovery.metadataStore.get(revision);
        if (own === undefined) return this.providers.fetch(instance, revision, signal);
        const parsed = parseMetadataInfo(stringifyMetadataInfo(own));
        assert.ok(parsed.ok);
        return parsed.info;
      },
      migration: { application: "app", parse: (text) => migrationRuleOf(JSON.parse(text)) },
      options: { idleMs: 1_000, lingerMs: 100 },
    });
  }

  async run(commands: readonly Command[]): Promise<void> {
    const { clock } = this.world;
    for (const server of this.servers) server.map(SERVICE, "x");
    this.#put(0, "10.0.7.1", 7, "both");
    await clock.advance(1_000); // a late read does not miss it
    const registration = this.discovery.registerApplication({
      application: "own",
      host: "10.1.0.1",
      port: 1,
      services: [{ name: SERVICE }],
    });
    const lease = this.discovery.subscribe({ service: SERVICE });
    const { view } = lease;
    let seen = false;
    let closed = false;
    view.state.subscribe((state) => {
      if (closed && view.table.size > 0) this.violations.push("3: shown after close");
      if (closed || state.state === "closed") return;
      if (view.table.get("10.0.7.1:7") !== undefined) seen = true;
      else if (seen) this.violations.push(`2: the one that is always there is missing, ${state.state}`);
    });
    for (const command of commands) await this.#do(command);
    this.#rule(this.#text); // a consumer that never saw the last good one could not keep it
    await clock.advance(150_000);

    const expected = this.#expected();
    assert.deepEqual(
      view.table
        .values()
        .map(({ key }) => key)
        .sort(),
      expected,
      `1: by ${this.step ?? "default"}`,
    );
    for (const { key, weight } of view.table.values()) assert.equal(weight, 100, `1: the weight of ${key}`);
    const state = view.state.value;
    assert.ok(state.state === "bound" && state.freshness === "fresh" && state.complete, "1: fresh and complete");
    assert.equal(registration.state.value, "confirmed", `7: ${registration.problems().join("; ")}`);
    const own = [
      this.#instances(0, "own"),
      this.#providerAddresses().filter((at) => at === "10.1.0.1:1"),
      this.#instances(1, "own"),
    ];
    assert.deepEqual(
      own,
      [["10.1.0.1:1"], ["10.1.0.1:1"], ["10.1.0.1:1"]],
      "7: in both models, and in both registries",
    );
    const apps = 2; // x and own
    const byApplication = this.step === "FORCE_INTERFACE" ? 0 : 1 + apps;
    const byInterface = this.step === "FORCE_APPLICATION" ? 0 : 1;
    // The rule itself is watched too.
    assert.deepEqual(
      this.servers.map(({ watches }) => watches),
      [byApplication + byInterface + 1, 1 + apps],
      `4: watches of ${this.step ?? "default"}`,
    );
    lease.release();
    await clock.advance(5_000);
    assert.deepEqual(
      this.servers.map(({ watches }) => watches),
      [1, 0],
      "4: the rule alone",
    );
    closed = true;
    await Promise.all([this.discovery.close(), clock.advance(10_000)]);
    assert.deepEqual([this.#instances(0, "own"), this.#instances(1, "own")], [[], []], "7: after close");
    assert.ok(!this.#providerAddresses().includes("10.1.0.1:1"), "7: after close");
    await Promise.all([...this.registries.map((one) => one.close()), clock.advance(10_000)]);
    await clock.advance(60_000);
    assert.deepEqual(
      this.servers.map(({ sessions, watches }) => sessions + watches),
      [0, 0],
      "4: after close",
    );
    assert.equal(clock.pendingTimers, 0, "4: timers after close");
    assert.deepEqual(this.violations, []);
    assert.deepEqual(this.world.reports, []);
  }

  async #do(command: Command): Promise<void> {
    switch (command.do) {
      case "wait":
        return this.world.clock.advance(command.ms);
      case "put":
        return this.#put(command.registry, this.#host(command), command.port, command.models);
      case "remove":
        return this.#remove(command.registry, this.#host(command), command.port, command.models);
      case "rule":
        this.step = command.step;
        this.#text =
          command.step === undefined
            ? undefined
            : JSON.stringify({ step: command.step, delay: command.delay, force: true });
        return this.#rule(this.#text);
      case "garbage rule":
        // The last good one stays in force.
        return this.#rule("{");
      case "trouble": {
        const server = this.servers[command.registry] as ModelRegistryServer;
        if (command.kind === "drop") server.dropSessions();
        else if (command.kind === "expire") server.expireSessions();
        else if (command.kind === "push-empty") {
          server.pushEmpty("x");
          server.pushNoProviders(SERVICE);
        } else
          for (const operation of [
            "read-instances",
            "read-providers",
            "read-configuration",
            "register-provider",
          ] as const)
            server.fail(operation, 2);
        return;
      }
    }
  }

  /** The third host is in both registries; the others are in one each. */
  #host(command: { readonly registry: number; readonly host: number }): string {
    return HOSTS[command.host === 2 ? 2 : command.registry] as string;
  }

  #instance(host: string, port: number): Instance {
    return this.providers.instance({ application: "x", host, port }, [SERVICE]);
  }

  #put(at: number, host: string, port: number, models: "application" | "interface" | "both"): void {
    const server = this.servers[at] as ModelRegistryServer;
    const instance = this.#instance(host, port);
    if (models !== "interface") server.put(instance);
    if (models !== "application") server.putProvider(providerOf(instance, createServiceInfo({ name: SERVICE }), port));
  }

  #remove(at: number, host: string, port: number, models: "application" | "interface" | "both"): void {
    const server = this.servers[at] as ModelRegistryServer;
    if (models !== "interface") server.remove("x", host, port);
    if (models !== "application")
      server.removeProvider(
        providerOf(createInstance({ application: "x", host, port }), createServiceInfo({ name: SERVICE }), port),
      );
  }

  #rule(text: string | undefined): void {
    this.servers[0]?.configure(MIGRATION_GROUP, "app.migration", text);
  }

  #instances(at: number, application: string): readonly string[] {
    return (this.servers[at] as ModelRegistryServer).addresses(application);
  }

  #providerAddresses(): readonly string[] {
    const { providers } = (this.servers[0] as ModelRegistryServer).store.providers(SERVICE);
    assert.equal(new Set(providers.map(providerKey)).size, providers.length);
    return providers.map(({ instance }) => instanceKey(instance));
  }

  #expected(): readonly string[] {
    const byApplication = [...this.#instances(0, "x"), ...this.#instances(0, "own")];
    // One that is always there is in both, so APPLICATION_FIRST has somebody by application.
    const first = this.step === "FORCE_INTERFACE" ? this.#providerAddresses() : byApplication;
    return [...new Set([...first, ...this.#instances(1, "x"), ...this.#instances(1, "own")])].sort();
  }
}

const parameters = { seed: Number(process.env["DUBHE_SEED"] ?? 42), numRuns: Number(process.env["DUBHE_RUNS"] ?? 50) };

for (const [name, kinds] of [
  ["in calm weather", calm],
  ["when sessions, requests and pushes go wrong", trouble],
] as const) {
  test(`both models, two registries and a rule that changes: the invariants hold ${name}`, {
    timeout: 120_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(...kinds) as fc.Arbitrary<Command>, { minLength: 10, maxLength: 50 }),
        fc.nat(1_000),
        fc.constantFrom(0, 20, 500),
        (commands, seed, pushMergeMs) => new Simulation(seed, pushMergeMs).run(commands),
      ),
      parameters,
    );
  });
}
