import assert from "node:assert/strict";
import { test } from "node:test";
import {
  addressesOf,
  FakeProviders,
  type ModelOperation,
  type ModelRegistryOptions,
  ModelRegistryServer,
  modelRegistry,
  type TestRuntime,
  testRuntime,
} from "@dubhe/testing";
import fc from "fast-check";
import type { ApplicationRegistration } from "./application-registration.js";
import type { DiscoveryOptions } from "./discovery-options.js";
import { type Instance, instanceKey, revisionOf } from "./instance.js";
import { parseMapping } from "./mapping-value.js";
import { type MetadataInfo, parseMetadataInfo, stringifyMetadataInfo } from "./metadata-info.js";
import type { Registry } from "./registry.js";
import { ServiceDiscoveryRegistry } from "./service-discovery-registry.js";
import { findService } from "./service-match.js";
import type { ServiceView, ServiceViewLease } from "./service-view.js";

/*
 * The invariants of service discovery over an unkind registry, under random schedules in virtual time:
 *
 *  1 convergence       after the last change every live reference shows what the registry holds
 *  2 monotonicity      no list is applied that is older than one applied before
 *  3 no resurrection   nothing is delivered after close has resolved
 *  4 conservation      watches, sessions and timers depend on the live references only; none after close
 *  5 single flight     one outstanding pull for an application, one fetch for a revision
 *  6 errors no data    an endpoint goes only after a list that lacks it, or metadata without the service
 *  7 ownership         what we registered is there while it lives, and gone afterwards
 */

const SERVICES = ["s.A", "s.B", "s.C"];
const APPLICATIONS = ["x", "y", "z"];
const OFFERS = [["s.A"], ["s.A", "s.B"], ["s.B", "s.C"], ["s.C"], []];
const CLIENTS = 2;
type Behaviour = "answers" | "refuses" | "hangs";

type Command =
  | { readonly do: "subscribe"; readonly client: number; readonly service: number }
  | { readonly do: "release"; readonly at: number }
  | {
      readonly do: "put";
      readonly app: number;
      readonly port: number;
      readonly offers: number;
      readonly how: Behaviour;
    }
  | { readonly do: "remove"; readonly app: number; readonly port: number }
  | { readonly do: "map"; readonly service: number; readonly app: number }
  | { readonly do: "register"; readonly client: number; readonly app: number; readonly offers: number }
  | { readonly do: "update"; readonly at: number; readonly offers: number }
  | { readonly do: "unregister"; readonly at: number }
  | { readonly do: "push-empty"; readonly app: number }
  | { readonly do: "garbage"; readonly app: number; readonly there: boolean }
  | { readonly do: "behave"; readonly app: number; readonly port: number; readonly how: Behaviour }
  | { readonly do: "fail"; readonly operation: ModelOperation; readonly count: number }
  | { readonly do: "trouble"; readonly kind: "drop" | "expire" | "cut-off" | "rejoin"; readonly client: number }
  | { readonly do: "restart"; readonly wipe: boolean; readonly downMs: number }
  | { readonly do: "wait"; readonly ms: number };

const index = (length: number): fc.Arbitrary<number> => fc.nat(length - 1);
const client = index(CLIENTS);
const service = index(SERVICES.length);
const app = index(APPLICATIONS.length);
const offers = index(OFFERS.length);
const port = fc.integer({ min: 1, max: 4 });
const wait: fc.Arbitrary<Command> = fc.record({
  do: fc.constant("wait"),
  ms: fc.constantFrom(0, 1, 5, 20, 100, 600, 3_000, 15_000),
});

/** Nothing goes wrong: references, providers and mappings come, change and go. */
const calm: readonly { readonly arbitrary: fc.Arbitrary<unknown>; readonly weight: number }[] = [
  { arbitrary: wait, weight: 6 },
  { arbitrary: fc.record({ do: fc.constant("subscribe"), client, service }), weight: 4 },
  { arbitrary: fc.record({ do: fc.constant("release"), at: fc.nat(5) }), weight: 2 },
  { arbitrary: fc.record({ do: fc.constant("put"), app, port, offers, how: fc.constant("answers") }), weight: 5 },
  { arbitrary: fc.record({ do: fc.constant("remove"), app, port }), weight: 5 },
  { arbitrary: fc.record({ do: fc.constant("map"), service, app }), weight: 3 },
  { arbitrary: fc.record({ do: fc.constant("register"), client, app, offers }), weight: 2 },
  { arbitrary: fc.record({ do: fc.constant("update"), at: fc.nat(3), offers }), weight: 2 },
  { arbitrary: fc.record({ do: fc.constant("unregister"), at: fc.nat(3) }), weight: 1 },
];

const how = fc.constantFrom("answers", "refuses", "hangs");
const operation = fc.constantFrom(
  "connect",
  "register",
  "deregister",
  "watch-instances",
  "read-instances",
  "watch-mapping",
  "read-mapping",
  "write-mapping",
);
const trouble: typeof calm = [
  { arbitrary: fc.record({ do: fc.constant("put"), app, port, offers, how }), weight: 4 },
  { arbitrary: fc.record({ do: fc.constant("push-empty"), app }), weight: 1 },
  { arbitrary: fc.record({ do: fc.constant("garbage"), app, there: fc.boolean() }), weight: 1 },
  { arbitrary: fc.record({ do: fc.constant("behave"), app, port, how }), weight: 2 },
  { arbitrary: fc.record({ do: fc.constant("fail"), operation, count: fc.integer({ min: 1, max: 3 }) }), weight: 2 },
  {
    arbitrary: fc.record({
      do: fc.constant("trouble"),
      kind: fc.constantFrom("drop", "expire", "cut-off", "rejoin"),
      client,
    }),
    weight: 2,
  },
  {
    arbitrary: fc.record({ do: fc.constant("restart"), wipe: fc.boolean(), downMs: fc.constantFrom(0, 500, 8_000) }),
    weight: 1,
  },
];

function schedule(kinds: typeof calm): fc.Arbitrary<readonly Command[]> {
  return fc.array(fc.oneof(...kinds) as fc.Arbitrary<Command>, { minLength: 15, maxLength: 60 });
}

interface OwnRegistration {
  readonly client: number;
  readonly application: string;
  readonly address: string;
  readonly registration: ApplicationRegistration;
  offers: readonly string[];
}

class Simulation {
  readonly world: TestRuntime;
  readonly server: ModelRegistryServer;
  readonly providers: FakeProviders;
  readonly clients: readonly { readonly registry: Registry; readonly discovery: ServiceDiscoveryRegistry }[];
  readonly leases: { readonly lease: ServiceViewLease; readonly service: string; readonly client: number }[] = [];
  readonly own: OwnRegistration[] = [];
  /** What the peers want to be registered: they come back after a wipe. */
  readonly peers = new Map<string, Instance>();
  readonly mapped = new Set<string>();
  readonly fetching = new Set<string>();
  readonly violations: string[] = [];
  /** `client|application|host:port` that some list lacked after another had it. */
  readonly #missed = new Set<string>();
  readonly #convergedWithinMs: number;
  readonly #options: DiscoveryOptions;
  #ports = 100;
  #closed = false;

  constructor(
    seed: number,
    convergedWithinMs: number,
    options: { readonly server: ModelRegistryOptions; readonly discovery: DiscoveryOptions },
  ) {
    this.world = testRuntime({ seed });
    this.#convergedWithinMs = convergedWithinMs;
    this.#options = options.discovery;
    this.server = new ModelRegistryServer(this.world.runtime, { seed, ...options.server });
    this.providers = new FakeProviders(this.world.clock);
    this.clients = Array.from({ length: CLIENTS }, (_, n) => this.#client(n));
  }

  async run(commands: readonly Command[]): Promise<void> {
    for (const c of commands) await this.#do(c);
    this.#heal();
    await this.world.clock.advance(this.#convergedWithinMs);
    this.#assertConverged();
    await this.#assertNothingLeft();
    assert.deepEqual(this.violations, []);
    assert.deepEqual(this.world.reports, []);
  }

  #client(n: number): { readonly registry: Registry; readonly discovery: ServiceDiscoveryRegistry } {
    const registry = modelRegistry(this.world.runtime, this.server, { client: `client-${n}` });
    this.#observeLists(registry, n);
    const discovery = new ServiceDiscoveryRegistry(this.world.runtime, {
      registries: [registry],
      fetchMetadata: (instance, revision, signal) => this.#fetch(n, instance, revision, signal),
      options: { idleMs: 2_000, lingerMs: 200, ...this.#options },
    });
    const applied = new Map<string, readonly [number, number]>();
    discovery.onEvent((event) => {
      if (this.#closed) this.violations.push(`3: ${event.type} after close`);
      if (event.type !== "instances-applied") return;
      const [epoch, seq] = applied.get(event.application) ?? [-1, -1];
      if (event.epoch < epoch || (event.epoch === epoch && event.seq < seq))
        this.violations.push(`2: (${event.epoch}, ${event.seq}) after (${epoch}, ${seq})`);
      applied.set(event.application, [event.epoch, event.seq]);
    });
    // A watch that is opened anew is a new reference: it begins with whatever it reads first.
    const { watch } = registry;
    registry.watch = (application, sink) => {
      applied.delete(application);
      return watch.call(registry, application, sink);
    };
    return { registry, discovery };
  }

  /** Notes which addresses some list lacked, and that nothing comes after dispose. */
  #observeLists(registry: Registry, n: number): void {
    const { watch } = registry;
    registry.watch = (application, sink) => {
      const seen = new Set<string>();
      let disposed = false;
      const handle = watch.call(registry, application, (event) => {
        if (disposed) this.violations.push(`3: an event for ${application} after its watch was disposed`);
        if (event.kind === "instances") {
          const listed = new Set(event.instances.map(instanceKey));
          for (const key of seen) if (!listed.has(key)) this.#missed.add(`${n}|${application}|${key}`);
          for (const key of listed) seen.add(key);
        }
        sink(event);
      });
      return {
        refresh: () => handle.refresh?.(),
        [Symbol.asyncDispose]: () => {
          disposed = true;
          return handle[Symbol.asyncDispose]();
        },
      };
    };
  }

  async #fetch(n: number, instance: Instance, revision: string, signal: AbortSignal): Promise<MetadataInfo> {
    const key = `${n}|${instance.application}|${revision}`;
    if (this.fetching.has(key)) this.violations.push(`5: two fetches of ${key} at once`);
    this.fetching.add(key);
    try {
      const known = this.#ownInfo(revision);
      if (known === undefined) return await this.providers.fetch(instance, revision, signal);
      // Over the wire: as JSON.
      const parsed = parseMetadataInfo(stringifyMetadataInfo(known));
      assert.ok(parsed.ok);
      return parsed.info;
    } finally {
      this.fetching.delete(key);
    }
  }

  async #do(c: Command): Promise<void> {
    const { server } = this;
    switch (c.do) {
      case "wait":
        return this.world.clock.advance(c.ms);
      case "subscribe":
        return this.#subscribe(c.client, SERVICES[c.service] as string);
      case "release":
        return this.leases.splice(c.at, 1)[0]?.lease.release();
      case "put":
        return this.#put(APPLICATIONS[c.app] as string, c.port, OFFERS[c.offers] as string[], c.how);
      case "remove":
        this.peers.delete(`${c.app}:${c.port}`);
        return server.remove(APPLICATIONS[c.app] as string, `10.0.0.${c.app}`, c.port);
      case "map":
        this.mapped.add(`${SERVICES[c.service]} ${APPLICATIONS[c.app]}`);
        return server.map(SERVICES[c.service] as string, APPLICATIONS[c.app] as string);
      case "register":
        return this.#register(c.client, APPLICATIONS[c.app] as string, OFFERS[c.offers] as string[]);
      case "update":
        return this.#update(this.own[c.at], OFFERS[c.offers] as string[]);
      case "unregister":
        for (const gone of this.own.splice(c.at, 1)) void gone.registration[Symbol.asyncDispose]();
        return;
      case "push-empty":
        return server.pushEmpty(APPLICATIONS[c.app] as string);
      case "garbage":
        if (c.there) return server.garbage(APPLICATIONS[c.app] as string, "garbage:1");
        return server.removeGarbage(APPLICATIONS[c.app] as string, "garbage:1");
      case "behave": {
        const instance = this.peers.get(`${c.app}:${c.port}`);
        if (instance !== undefined) this.providers.behave(instance, c.how);
        return;
      }
      case "fail":
        return server.fail(c.operation, c.count);
      case "trouble":
        return this.#trouble(c.kind, `client-${c.client}`);
      case "restart":
        return server.restart({ wipe: c.wipe, downMs: c.downMs });
    }
  }

  #subscribe(n: number, name: string): void {
    const lease = (this.clients[n] as (typeof this.clients)[number]).discovery.subscribe({ service: name });
    this.leases.push({ lease, service: name, client: n });
    this.#followRemovals(lease.view, n);
  }

  #followRemovals(view: ServiceView, n: number): void {
    let { gen } = view;
    view.state.subscribe((state) => {
      const delta = view.changesSince(gen);
      gen = view.gen;
      if (delta === "full" || state.state === "closed") return;
      for (const key of delta.removed) {
        // Each address belongs to one application.
        if (APPLICATIONS.some((application) => this.#missed.has(`${n}|${application}|${key}`))) continue;
        const offersIt = APPLICATIONS.some((application) => {
          const now = this.server.store.instances(application).instances.find((i) => instanceKey(i) === key);
          const info = now === undefined ? undefined : this.#infoOf(now);
          return info !== undefined && findService(info, view.ref) !== undefined;
        });
        if (offersIt) this.violations.push(`6: ${key} went without a list that lacks it`);
      }
    });
  }

  #put(application: string, atPort: number, services: string[], behaviour: Behaviour): void {
    const n = APPLICATIONS.indexOf(application);
    const instance = this.providers.instance({ application, host: `10.0.0.${n}`, port: atPort }, services);
    this.peers.set(`${n}:${atPort}`, instance);
    this.providers.behave(instance, behaviour);
    this.server.put(instance);
  }

  #register(n: number, application: string, services: readonly string[]): void {
    if (this.own.length >= 4) return;
    const { discovery } = this.clients[n] as (typeof this.clients)[number];
    const init = { application, host: "10.1.0.1", port: this.#ports++, services: services.map((name) => ({ name })) };
    const registration = discovery.registerApplication(init);
    this.own.push({ client: n, application, address: `10.1.0.1:${init.port}`, registration, offers: services });
  }

  #update(own: OwnRegistration | undefined, services: readonly string[]): void {
    if (own === undefined) return;
    own.offers = services;
    own.registration.update({ services: services.map((name) => ({ name })) });
  }

  #trouble(kind: "drop" | "expire" | "cut-off" | "rejoin", name: string): void {
    if (kind === "drop") this.server.dropSessions(name);
    else if (kind === "expire") this.server.expireSessions(name);
    else if (kind === "cut-off") this.server.cutOff(name);
    else this.server.rejoin(name);
  }

  /** Ends every trouble; peers put back what they want, as they would by themselves. */
  #heal(): void {
    for (let n = 0; n < CLIENTS; n++) this.server.rejoin(`client-${n}`);
    for (const instance of this.peers.values()) {
      this.providers.behave(instance, "answers");
      this.server.put(instance);
    }
    for (const entry of this.mapped) {
      const [name = "", application = ""] = entry.split(" ");
      this.server.map(name, application);
    }
  }

  /** What one of our own providers answers when asked. */
  #ownInfo(revision: string): MetadataInfo | undefined {
    for (const { discovery } of this.clients) {
      const info = discovery.metadataStore.get(revision);
      if (info !== undefined) return info;
    }
    return undefined;
  }

  #infoOf(instance: Instance): MetadataInfo | undefined {
    return this.#ownInfo(revisionOf(instance)) ?? this.providers.info(revisionOf(instance));
  }

  #expected(view: ServiceView, n: number): readonly string[] {
    const result: string[] = [];
    for (const application of this.#applications(n, view.ref.service)) {
      for (const instance of this.server.store.instances(application).instances) {
        const info = this.#infoOf(instance);
        if (info !== undefined && findService(info, view.ref) !== undefined) result.push(instanceKey(instance));
      }
    }
    return result.sort();
  }

  #assertConverged(): void {
    for (const { lease, client: n } of this.leases) {
      assert.deepEqual(
        addressesOf(lease.view),
        this.#expected(lease.view, n),
        `1: client ${n}, ${lease.view.ref.service}`,
      );
      const state = lease.view.state.value;
      if (state.state !== "bound") continue;
      assert.ok(
        state.freshness === "fresh" && state.complete,
        `1: client ${n} shows ${JSON.stringify(state.freshness)}`,
      );
      assert.deepEqual(
        state.endpoints.map((e) => e.key).sort(),
        lease.view.table
          .values()
          .map((e) => e.key)
          .sort(),
      );
    }
    for (const { application, address, registration, offers: services } of this.own) {
      const there = this.server.addresses(application).includes(address);
      assert.equal(
        there,
        services.length > 0,
        `7: ${address} of ${application}, ${registration.problems().join("; ")}`,
      );
      assert.equal(registration.state.value, "confirmed", `7: ${registration.problems().join("; ")}`);
    }
    const ours = new Set(this.own.map(({ address }) => address));
    for (const application of APPLICATIONS) {
      for (const address of this.server.addresses(application)) {
        if (address.startsWith("10.1.")) assert.ok(ours.has(address), `7: ${address} was withdrawn, and is there`);
      }
    }
    assert.ok(this.server.counters.concurrentReads <= 1, "5: one pull at a time");
    const apps = new Set(
      this.leases.flatMap(({ client: n, service: name }) => this.#applications(n, name).map((a) => `${n} ${a}`)),
    );
    const names = new Set(this.leases.map(({ client: n, service: name }) => `${n} ${name}`));
    assert.equal(this.server.watches, apps.size + names.size, "4: one watch for each live application and mapping");
    assert.equal(this.server.sessions, CLIENTS, "4: one session a client");
  }

  /** All that the client was ever told of: a server that was wiped may know less now. */
  #applications(n: number, name: string): readonly string[] {
    const { watches } = (this.clients[n] as (typeof this.clients)[number]).discovery.inspect() as {
      readonly watches: {
        readonly mappings: readonly { readonly serviceInterface: string; readonly applications: readonly string[] }[];
      };
    };
    const known = watches.mappings.find(({ serviceInterface }) => serviceInterface === name)?.applications ?? [];
    const mapped = parseMapping(this.server.store.mapping(name).value);
    assert.ok(
      mapped.every((application) => known.includes(application)),
      `1: client ${n} knows ${known.join()}`,
    );
    return known;
  }

  async #assertNothingLeft(): Promise<void> {
    const { clock } = this.world;
    for (const { lease } of this.leases) lease.release();
    await clock.advance(10_000);
    assert.equal(this.server.watches, 0, "4: watches without references");
    await Promise.all([...this.clients.map(({ discovery }) => discovery.close()), clock.advance(10_000)]);
    this.#closed = true;
    for (const application of APPLICATIONS) {
      assert.deepEqual(
        this.server.addresses(application).filter((address) => address.startsWith("10.1.")),
        [],
        "7: after close",
      );
    }
    await Promise.all([...this.clients.map(({ registry }) => registry.close()), clock.advance(10_000)]);
    this.#put("x", 1, ["s.A"], "answers");
    await clock.advance(60_000);
    assert.equal(this.server.sessions, 0, "4: sessions after close");
    assert.equal(clock.pendingTimers, 0, "4: timers after close");
  }
}

const parameters = { seed: Number(process.env["DUBHE_SEED"] ?? 42), numRuns: Number(process.env["DUBHE_RUNS"] ?? 150) };

test("the invariants hold when everything goes wrong", { timeout: 120_000 }, async () => {
  // Refresh, limbo, empty-push protection, session expiry and backoffs together.
  const convergedWithinMs = 150_000;
  await fc.assert(
    fc.asyncProperty(
      schedule([...calm, ...trouble]),
      fc.nat(1_000),
      fc.constantFrom(0, 20, 500),
      async (commands, seed, pushMergeMs) => {
        await new Simulation(seed, convergedWithinMs, { server: { pushMergeMs }, discovery: {} }).run(commands);
      },
    ),
    parameters,
  );
});

test("the invariants hold in calm weather, and then nothing waits for a refresh", { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      schedule(calm),
      fc.nat(1_000),
      fc.constantFrom(0, 20, 500),
      async (commands, seed, pushMergeMs) => {
        // Session, mapping with read-back, metadata, registration, push: one after the other at worst.
        const convergedWithinMs = 5_000;
        await new Simulation(seed, convergedWithinMs, {
          server: { pushMergeMs },
          discovery: { emptyPush: "accept", ttlMs: 1e9 },
        }).run(commands);
      },
    ),
    parameters,
  );
});
