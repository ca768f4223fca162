import assert from "node:assert/strict";
import { test } from "node:test";
import { ModelRegistryServer, modelRegistry, testRuntime } from "@dubhe/testing";
import fc from "fast-check";
import { createInstance, formatEndpoints, type Instance, instanceKey } from "./instance.js";
import {
  createMetadataInfo,
  createServiceInfo,
  type MetadataInfo,
  type ServiceInfo,
  stringifyMetadataInfo,
} from "./metadata-info.js";
import { MetadataKey } from "./metadata-keys.js";
import { MIGRATION_GROUP, type MigrationStep, migrationRuleOf } from "./migration-rule.js";
import type { ServiceRef } from "./name-state.js";
import { providerOf } from "./provider-url.js";
import type { RegistryType } from "./registry-use.js";
import { ServiceDiscoveryRegistry } from "./service-discovery-registry.js";

/*
 * The merged view against an oracle that knows nothing of time: whatever comes in whatever order from several registries of any
 * type, with metadata that only the instance or only the report can give, garbage among the entries, and rules that change, once all
 * is quiet the view shows exactly what the rules of docs/discovery.md say of what the registries hold then.
 */

const SERVICE = "s.A";
const MAPPED = ["x", "y"];
/** Not in any mapping: looked in where the registry's use says so. */
const STATIC = "z";
const STEPS: readonly MigrationStep[] = ["FORCE_INTERFACE", "APPLICATION_FIRST", "FORCE_APPLICATION"];
/** Who can give the metadata of an instance. */
const GIVERS = ["instance", "report", "both", "nobody"] as const;
type Giver = (typeof GIVERS)[number];
/** Instances at this port have metadata that nobody can give: an instance that once had some would go on with that. */
const UNREADABLE_PORT = 9;

interface Offer {
  readonly group: string;
  readonly version: string;
  /** 0: the endpoints' of the protocol, if it has any, else the instance's. */
  readonly port: number;
  readonly weight: string | undefined;
  readonly endpoints: boolean;
}

const OFFERS: readonly (readonly Offer[])[] = [
  [{ group: "", version: "", port: 0, weight: undefined, endpoints: false }],
  [{ group: "g", version: "1.0.0", port: 0, weight: "40", endpoints: true }],
  [
    { group: "", version: "0.0.0", port: 7_001, weight: "0", endpoints: true },
    { group: "h", version: "1.0.0", port: 7_002, weight: undefined, endpoints: true },
  ],
  [],
];

const REFS: readonly (readonly [group: string, version: string])[] = [
  ["", ""],
  ["g", "1.0.0"],
  ["*", "*"],
  ["g, h", "*"],
];

interface World {
  readonly types: readonly RegistryType[];
  /** Registries in which the static application is looked for. */
  readonly statics: readonly boolean[];
  readonly ref: number;
}

type Command =
  | { readonly do: "wait"; readonly ms: number }
  | {
      readonly do: "instance" | "provider";
      readonly at: number;
      readonly app: number;
      readonly port: number;
      readonly offer: number;
      readonly giver: Giver;
      readonly remote: boolean;
      readonly weight: number;
    }
  | { readonly do: "leave" | "no provider"; readonly at: number; readonly app: number; readonly port: number }
  | { readonly do: "garbage"; readonly at: number; readonly app: number; readonly there: boolean }
  | { readonly do: "rule"; readonly at: number; readonly step: MigrationStep | undefined; readonly threshold: number }
  | { readonly do: "trouble"; readonly at: number; readonly kind: "drop" | "expire" | "cut" | "push-empty" | "fail" };

const at = fc.nat(2);
// Few, so that what comes meets what is there.
const app = fc.constantFrom(0, 1, 1, 1, 2);
const port = fc.constantFrom(1, 1, 2, UNREADABLE_PORT);
const offer = fc.nat(OFFERS.length - 1);
const commands: fc.Arbitrary<readonly Command[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constant("wait"), ms: fc.constantFrom(0, 1, 20, 100, 700, 4_000) }) },
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constantFrom("instance", "provider"),
        at,
        app,
        port,
        offer,
        giver: fc.constantFrom<Giver>("instance", "report", "both"),
        remote: fc.boolean(),
        weight: fc.constantFrom(100, 100, 30, 0),
      }),
    },
    { weight: 5, arbitrary: fc.record({ do: fc.constantFrom("leave", "leave", "no provider"), at, app, port }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("garbage"), at, app, there: fc.boolean() }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant("rule"),
        at,
        step: fc.constantFrom(...STEPS, undefined),
        threshold: fc.constantFrom(0, 0.5, 1, 2),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant("trouble"),
        at,
        kind: fc.constantFrom("drop", "expire", "cut", "push-empty", "fail"),
      }),
    },
  ) as fc.Arbitrary<Command>,
  { minLength: 15, maxLength: 80 },
);

class Simulation {
  readonly #world = testRuntime({ seed: 1 });
  readonly #plan: World;
  readonly #ref: Pick<ServiceRef, "service" | "group" | "version">;
  readonly #servers: readonly ModelRegistryServer[];
  readonly #registries;
  readonly #discovery: ServiceDiscoveryRegistry;
  /** What instances answer, by revision. */
  readonly #answers = new Map<string, MetadataInfo>();
  /** The content of every revision. */
  readonly #infos = new Map<string, { readonly info: MetadataInfo; readonly giver: Giver }>();
  readonly #rules = new Map<number, { readonly step: MigrationStep; readonly threshold: number }>();
  readonly #garbage = new Set<string>();

  constructor(plan: World, seed: number) {
    this.#plan = plan;
    const [group, version] = REFS[plan.ref] as readonly [string, string];
    this.#ref = { service: SERVICE, group, version };
    const { runtime } = this.#world;
    this.#servers = plan.types.map(
      (_, n) => new ModelRegistryServer(runtime, { seed: seed + n, name: `r${n}`, pushMergeMs: [0, 30, 400][n] ?? 0 }),
    );
    this.#registries = this.#servers.map((server) => modelRegistry(runtime, server, { client: "app" }));
    this.#discovery = new ServiceDiscoveryRegistry(runtime, {
      registries: this.#registries.map((registry, n) => ({
        registry,
        type: plan.types[n] as RegistryType,
        applications: plan.statics[n] === true ? [STATIC] : [],
      })),
      fetchMetadata: async (_instance, revision) => {
        const info = this.#answers.get(revision);
        if (info === undefined) throw new Error("connect ECONNREFUSED");
        return info;
      },
      migration: { application: "app", parse: (text) => migrationRuleOf(JSON.parse(text)) },
      options: { lingerMs: 100, idleMs: 1_000 },
    });
  }

  async run(list: readonly Command[]): Promise<void> {
    const { clock, reports } = this.#world;
    // Every registry that is looked in by application knows the mapping, so what is shown does not depend on which was read.
    for (const server of this.#servers) server.map(SERVICE, ...MAPPED);
    await clock.advance(1_000);
    const lease = this.#discovery.subscribe(this.#ref);
    const { view } = lease;
    for (const command of list) await this.#do(command);
    for (const server of this.#servers) server.rejoin("app");
    await clock.advance(200_000);

    assert.deepEqual(
      Object.fromEntries(view.table.values().map(({ key, weight }) => [key, weight])),
      Object.fromEntries(this.#expected()),
      "addresses and weights",
    );
    const state = view.state.value;
    assert.ok(["bound", "negative"].includes(state.state), state.state);
    if (state.state === "bound") {
      assert.deepEqual([state.complete, state.freshness], [true, "fresh"]);
      assert.deepEqual(state.excluded.map(({ key }) => key).sort(), this.#excluded(), "excluded");
    } else assert.equal(this.#excluded().filter((key) => !key.includes("garbage")).length, 0, "nobody could yet come");
    JSON.stringify(this.#discovery.inspect());

    lease.release();
    await Promise.all([this.#discovery.close(), clock.advance(10_000)]);
    await Promise.all([...this.#registries.map((registry) => registry.close()), clock.advance(60_000)]);
    for (const { watches, sessions } of this.#servers) assert.deepEqual([watches, sessions], [0, 0], "after close");
    assert.equal(clock.pendingTimers, 0);
    assert.deepEqual(reports, []);
  }

  async #do(command: Command): Promise<void> {
    if (command.do === "wait") return this.#world.clock.advance(command.ms);
    const n = command.at % this.#servers.length;
    const server = this.#servers[n] as ModelRegistryServer;
    switch (command.do) {
      case "instance":
        server.put(this.#instance(server, command));
        return;
      case "provider": {
        const { instance, services } = this.#content(command);
        for (const service of services)
          server.putProvider(providerOf(instance, service, addressPort(instance, service)));
        return;
      }
      case "leave":
        server.remove(nameOf(command.app), hostOf(command), command.port);
        return;
      case "no provider":
        for (const { service, instance } of server.store.providers(SERVICE).providers)
          if (instance.host === hostOf(command)) server.removeProvider({ service, instance });
        return;
      case "garbage": {
        const id = `garbage-${nameOf(command.app)}`;
        if (command.there) server.garbage(nameOf(command.app), id);
        else server.removeGarbage(nameOf(command.app), id);
        if (command.there) this.#garbage.add(`${n} ${command.app}`);
        else this.#garbage.delete(`${n} ${command.app}`);
        return;
      }
      case "rule": {
        const { step, threshold } = command;
        if (step === undefined) this.#rules.delete(n);
        else this.#rules.set(n, { step, threshold });
        // A step that is not forced depends on what there was when; see model-choice.
        const text = step === undefined ? undefined : JSON.stringify({ step, threshold, force: true });
        server.configure(MIGRATION_GROUP, "app.migration", text);
        return;
      }
      case "trouble":
        if (command.kind === "drop") server.dropSessions();
        else if (command.kind === "expire") server.expireSessions();
        else if (command.kind === "cut") server.cutOff("app");
        else if (command.kind === "push-empty") {
          for (const application of [...MAPPED, STATIC]) server.pushEmpty(application);
          server.pushNoProviders(SERVICE);
        } else
          for (const operation of ["read-instances", "read-providers", "read-mapping", "read-configuration"] as const)
            server.fail(operation, 2);
        return;
    }
  }

  #content(command: Command & { readonly do: "instance" | "provider" }): {
    readonly instance: Instance;
    readonly services: readonly ServiceInfo[];
    readonly info: MetadataInfo;
  } {
    const offers = OFFERS[command.offer] as readonly Offer[];
    const giver: Giver = command.port === UNREADABLE_PORT ? "nobody" : command.giver;
    const services = offers.map(({ group, version, port: own, weight }) =>
      createServiceInfo({
        name: SERVICE,
        group,
        version,
        port: own,
        params: weight === undefined ? {} : { weight },
      }),
    );
    // Who can give it is a part of it, so that a revision has one giver, and another service, so that none is empty.
    const other = createServiceInfo({ name: "s.Other", params: { giver } });
    const info = createMetadataInfo({ app: nameOf(command.app), services: [...services, other] });
    const endpoints = offers.some((one) => one.endpoints)
      ? { [MetadataKey.endpoints]: formatEndpoints([{ protocol: "tri", port: command.port + 100 }]) }
      : {};
    const instance = createInstance({
      application: nameOf(command.app),
      host: hostOf(command),
      port: command.port,
      weight: command.weight,
      metadata: {
        [MetadataKey.revision]: info.revision,
        [MetadataKey.storageType]: command.remote ? "remote" : "local",
        ...endpoints,
      },
    });
    this.#infos.set(info.revision, { info, giver });
    return { instance, services, info };
  }

  #instance(server: ModelRegistryServer, command: Command & { readonly do: "instance" | "provider" }): Instance {
    const { instance, info } = this.#content(command);
    const giver = this.#infos.get(info.revision)?.giver;
    if (giver === "instance" || giver === "both") this.#answers.set(info.revision, info);
    if (giver === "report" || giver === "both")
      server.store.setMetadata(info.app, info.revision, stringifyMetadataInfo(info));
    return instance;
  }

  /** By address, the weight. */
  #expected(): readonly (readonly [string, number])[] {
    const found = new Map<string, number[]>();
    for (const [n, server] of this.#servers.entries()) {
      const byApplication = this.#byApplication(n, server);
      const byInterface = server.store
        .providers(SERVICE)
        .providers.filter(({ service }) => this.#wanted(service))
        .map(({ instance, service }) => [instanceKey(instance), weightOf(instance, service)] as const);
      for (const [address, weight] of this.#shown(n, byApplication, byInterface))
        found.set(address, [...(found.get(address) ?? []), weight]);
    }
    return [...found].map(([address, weights]) => [address, Math.max(...weights)] as const);
  }

  #shown<T>(n: number, byApplication: readonly T[], byInterface: readonly T[]): readonly T[] {
    const { types } = this.#plan;
    if (types[n] !== "all") return types[n] === "service" ? byApplication : byInterface;
    const { step, threshold } = this.#rules.get(n) ?? { step: "APPLICATION_FIRST", threshold: 0 };
    if (step !== "APPLICATION_FIRST") return step === "FORCE_APPLICATION" ? byApplication : byInterface;
    const enough =
      byApplication.length > 0 && (byInterface.length === 0 || byApplication.length / byInterface.length >= threshold);
    return enough ? byApplication : byInterface;
  }

  #byApplication(n: number, server: ModelRegistryServer): readonly (readonly [string, number])[] {
    const result: (readonly [string, number])[] = [];
    for (const instance of this.#instances(n, server)) {
      const known = this.#infos.get(instance.metadata[MetadataKey.revision] ?? "");
      if (known === undefined || known.giver === "nobody") continue;
      const [service] = known.info.services.filter((one) => one.name === SERVICE && this.#wanted(one));
      if (service === undefined) continue;
      const { host } = instance;
      result.push([instanceKey({ host, port: addressPort(instance, service) }), weightOf(instance, service)]);
    }
    return result;
  }

  #instances(n: number, server: ModelRegistryServer): readonly Instance[] {
    const applications = this.#plan.statics[n] === true ? [...MAPPED, STATIC] : MAPPED;
    return applications.flatMap((application) => server.store.instances(application).instances);
  }

  #wanted({ group, version }: ServiceInfo): boolean {
    const plain = (text: string): string => (text === "0.0.0" ? "" : text);
    const groups = this.#ref.group.split(",").map((name) => name.trim());
    return (
      (groups.includes("*") || groups.includes(group)) &&
      (this.#ref.version === "*" || plain(version) === plain(this.#ref.version))
    );
  }

  #excluded(): readonly string[] {
    const keys: string[] = [];
    for (const [n, server] of this.#servers.entries()) {
      const step = this.#plan.types[n] === "all" ? this.#rules.get(n)?.step : undefined;
      if (this.#plan.types[n] === "interface" || step === "FORCE_INTERFACE") continue;
      for (const instance of this.#instances(n, server)) {
        const known = this.#infos.get(instance.metadata[MetadataKey.revision] ?? "");
        if (known?.giver === "nobody") keys.push(`${server.id}|${instance.application}|${instanceKey(instance)}`);
      }
      for (const application of this.#plan.statics[n] === true ? [0, 1, 2] : [0, 1])
        if (this.#garbage.has(`${n} ${application}`))
          keys.push(`${server.id}|${nameOf(application)}|garbage-${nameOf(application)}`);
    }
    return keys.sort();
  }
}

function nameOf(application: number): string {
  return [...MAPPED, STATIC][application] as string;
}

/** The first application has its own host in each registry; the others share theirs, so that addresses meet. */
function hostOf(command: { readonly at: number; readonly app: number }): string {
  return command.app === 0 ? `10.0.${command.at}.1` : "10.0.9.1";
}

function addressPort(instance: Instance, service: ServiceInfo): number {
  if (service.port > 0) return service.port;
  const endpoints = instance.metadata[MetadataKey.endpoints];
  return endpoints === undefined ? instance.port : instance.port + 100;
}

function weightOf(instance: Instance, service: ServiceInfo): number {
  return instance.weight === 100 ? Number(service.params["weight"] ?? 100) : instance.weight;
}

test("several registries of any type, remote and local metadata, garbage and rules: the merged view is what the oracle says", {
  timeout: 120_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        types: fc.array(fc.constantFrom<RegistryType>("service", "interface", "all", "all"), {
          minLength: 1,
          maxLength: 3,
        }),
        statics: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
        ref: fc.nat(REFS.length - 1),
      }),
      commands,
      fc.nat(1_000),
      (plan, list, seed) => new Simulation(plan, seed).run(list),
    ),
    { seed: Number(process.env["DUBHE_SEED"] ?? 42), numRuns: Number(process.env["DUBHE_RUNS"] ?? 60) },
  );
});
