import assert from "node:assert/strict";
import { createInstance, instanceKey, type Registry } from "@dubhe/discovery";
import type { ContractSuite, RegistryBench, RegistryCapability } from "./registry-contract-bench.js";

/** The contract tests of what a registry does when it loses its server, or the server its memory. */
export function registerLossTests({ contract, can }: ContractSuite): void {
  const losses: readonly (readonly [
    RegistryCapability,
    string,
    (bench: RegistryBench, registry: Registry) => Promise<void> | undefined,
  ])[] = [
    ["restart", "a restart of the server", (bench) => bench.harness.restart?.()],
    ["drop-session", "a lost session", (bench, registry) => bench.harness.dropSession?.(registry)],
    [
      "expire-session",
      "a session that the server forgot",
      (bench, registry) => bench.harness.expireSession?.(registry),
    ],
  ];
  for (const [capability, what, lose] of losses) {
    if (!can.has(capability)) continue;

    contract(`after ${what}, registrations and watches come back`, async (bench) => {
      const [provider, consumer, other] = [await bench.open(), await bench.open(), await bench.open()];
      const application = bench.application();
      const instances = [1, 2, 3].map((n) => bench.instance({ application, port: 20_000 + n }));
      const registrations = instances.map((instance) => provider.register(instance));
      for (const registration of registrations) await bench.confirmed(registration);
      const serviceInterface = bench.serviceInterface();
      const mapping = bench.watchMapping(consumer, serviceInterface);
      const seen = bench.watch(consumer, application);
      await bench.shows(seen, instances);
      const epoch = seen.lastEvent()?.epoch ?? 0;
      await lose(bench, provider);
      await lose(bench, consumer);
      await bench.disposed(registrations[2]);
      await bench.eventually(() => (seen.lastEvent()?.epoch ?? 0) > epoch, "a list of a new epoch", bench.detectMs);
      await bench.shows(seen, instances.slice(0, 2));
      for (const registration of registrations.slice(0, 2)) await bench.confirmed(registration);
      const late = bench.instance({ application, port: 20_009 });
      await bench.confirmed(other.register(late));
      await bench.shows(seen, [...instances.slice(0, 2), late]);
      await bench.confirmed(other.mapping.add(serviceInterface, "shop"));
      await bench.eventually(() => mapping.last()?.includes("shop") === true, "a mapping written after the loss");
    });

    contract(`${what} is an error to watchers, never an empty list`, async (bench) => {
      const [provider, consumer] = [await bench.open(), await bench.open()];
      const instance = bench.instance({});
      await bench.confirmed(provider.register(instance));
      const seen = bench.watch(consumer, instance.application);
      await bench.shows(seen, [instance]);
      const epoch = seen.lastEvent()?.epoch ?? 0;
      const before = seen.events.length;
      await lose(bench, consumer);
      await bench.eventually(() => (seen.lastEvent()?.epoch ?? 0) > epoch, "a list of a new epoch", bench.detectMs);
      for (const event of seen.events.slice(before)) {
        if (event.kind === "instances" && event.epoch === epoch) assert.notEqual(event.instances.length, 0);
      }
      await bench.shows(seen, [instance]);
    });

    contract(`changes made during ${what} are all there afterwards`, async (bench) => {
      const [provider, consumer, other] = [await bench.open(), await bench.open(), await bench.open()];
      const application = bench.application();
      const [updated, gone] = [bench.instance({ application }), bench.instance({ application, port: 20_001 })];
      const registrations = [provider.register(updated), provider.register(gone)];
      for (const registration of registrations) await bench.confirmed(registration);
      const seen = bench.watch(consumer, application);
      await bench.shows(seen, [updated, gone]);
      const lost = Promise.all([lose(bench, provider), lose(bench, consumer)]);
      // None of these waits for the other, nor for the loss.
      const [added, foreign] = [
        bench.instance({ application, port: 20_002 }),
        bench.instance({ application, port: 20_003 }),
      ];
      const wishes = [provider.register(added), other.register(foreign)];
      registrations[0]?.update(createInstance({ ...updated, metadata: { revision: "new" } }));
      const disposed = registrations[1]?.[Symbol.asyncDispose]();
      const serviceInterface = bench.serviceInterface();
      const entry = provider.mapping.add(serviceInterface, "shop");
      await lost;
      if (disposed !== undefined) await bench.resolves(disposed, "dispose");
      for (const wish of [...wishes, entry, ...registrations.slice(0, 1)]) await bench.confirmed(wish);
      await bench.shows(seen, [updated, added, foreign]);
      await bench.eventually(
        () => seen.last()?.some((instance) => instance.metadata.revision === "new") === true,
        "the update made meanwhile",
      );
      await bench.advance(bench.quietMs);
      await bench.shows(seen, [updated, added, foreign]);
    });

    if (can.has("interfaces")) {
      contract(`after ${what}, providers and their watches come back (D-57)`, async (bench) => {
        const [provider, consumer] = [await bench.open(), await bench.open()];
        const first = bench.provider({});
        const registrations = [provider.interfaces?.register(first)];
        for (const registration of registrations) if (registration !== undefined) await bench.confirmed(registration);
        const seen = bench.watchProviders(consumer, { service: first.service.name, group: "", version: "" });
        await bench.showsProviders(seen, [first]);
        const epoch = seen.lastEvent()?.epoch ?? 0;
        await lose(bench, provider);
        await lose(bench, consumer);
        await bench.eventually(() => (seen.lastEvent()?.epoch ?? 0) > epoch, "a list of a new epoch", bench.detectMs);
        await bench.showsProviders(seen, [first]);
        const late = bench.provider({ name: first.service.name }, { port: 20_009 });
        const registration = provider.interfaces?.register(late);
        assert.ok(registration !== undefined);
        await bench.confirmed(registration);
        await bench.showsProviders(seen, [first, late]);
      });
    }

    if (can.has("configuration")) {
      contract(`after ${what}, the configuration centre is followed again`, async (bench) => {
        const consumer = await bench.open();
        const key = bench.application();
        const seen = bench.watchConfiguration(consumer, "dubbo", key);
        await bench.eventually(() => seen.known, "a first answer");
        await lose(bench, consumer);
        await bench.harness.configure?.("dubbo", key, "after");
        await bench.eventually(() => seen.last() === "after", "what was written after the loss", bench.detectMs);
        await bench.harness.configure?.("dubbo", key, undefined);
      });
    }
  }

  if (can.has("drop-connection")) {
    contract("a broken connection loses neither session nor registration", async (bench) => {
      const [provider, consumer] = [await bench.open(), await bench.open()];
      const application = bench.application();
      const [instance, other] = [bench.instance({ application }), bench.instance({ application, port: 20_001 })];
      const registration = provider.register(instance);
      await bench.confirmed(registration);
      const seen = bench.watch(consumer, application);
      await bench.shows(seen, [instance]);
      const states: string[] = [];
      const subscription = registration.state.subscribe((state) => states.push(state));
      const from = seen.events.length;
      for (const registry of [provider, consumer]) await bench.harness.dropConnection?.(registry);
      const second = provider.register(other);
      await bench.confirmed(second);
      await bench.shows(seen, [instance, other]);
      await bench.disposed(second);
      await bench.shows(seen, [instance]);
      subscription[Symbol.dispose]();
      assert.deepEqual([...new Set(states)], ["confirmed"], "it stays confirmed");
      for (const event of seen.events.slice(from))
        if (event.kind === "instances") assert.notEqual(event.instances.length, 0);
    });
  }

  if (can.has("slow")) {
    contract("a slow server is served as a fast one, only later; an update overtakes none", async (bench) => {
      const [provider, consumer] = [await bench.open(), await bench.open()];
      const application = bench.application();
      const instance = bench.instance({ application, metadata: { revision: "0" } });
      await bench.harness.slow?.(400);
      try {
        const seen = bench.watch(consumer, application);
        const registration = provider.register(instance);
        await bench.confirmed(registration);
        await bench.shows(seen, [instance]);
        for (let n = 1; n <= 5; n++) {
          registration.update(createInstance({ ...instance, metadata: { revision: String(n) } }));
          await bench.advance(50);
        }
        await bench.confirmed(registration);
        await bench.eventually(() => seen.last()?.[0]?.metadata.revision === "5", "the newest update");
        const revisions = seen.applied().flatMap(({ instances }) => instances.map((i) => Number(i.metadata.revision)));
        assert.deepEqual(revisions, revisions.slice().sort(), "in their order, by generation");
        await bench.disposed(registration);
        await bench.shows(seen, []);
        await bench.resolves(consumer.close(), "close");
      } finally {
        await bench.harness.slow?.(0);
      }
    });
  }

  if (can.has("freeze")) {
    contract(
      "a silent server is an error, not an empty list; when it answers again, all is as wanted",
      async (bench) => {
        const [provider, consumer] = [await bench.open(), await bench.open()];
        const application = bench.application();
        const [before, during] = [bench.instance({ application }), bench.instance({ application, port: 20_001 })];
        await bench.confirmed(provider.register(before));
        const seen = bench.watch(consumer, application);
        await bench.shows(seen, [before]);
        await bench.harness.freeze?.();
        let thawed = false;
        try {
          const wish = provider.register(during);
          const from = seen.events.length;
          seen.refresh();
          await bench.eventually(
            () => seen.events.slice(from).some((event) => event.kind === "error"),
            "an error to the watcher",
            bench.detectMs,
          );
          assert.notEqual(wish.state.value, "confirmed");
          for (const event of seen.events) if (event.kind === "instances") assert.ok(event !== seen.events.at(-1));
          assert.deepEqual(seen.last()?.length, 1, "no list came");
          thawed = true;
          await bench.harness.thaw?.();
          await bench.eventually(() => wish.state.value === "confirmed", "confirmation after all", bench.detectMs);
          await bench.eventually(() => seen.last()?.length === 2, "both instances", bench.detectMs);
        } finally {
          if (!thawed) await bench.harness.thaw?.();
        }
      },
    );

    contract("a withdrawal that the server has not confirmed is not taken for done", async (bench) => {
      const [provider, consumer] = [await bench.open(), await bench.open()];
      const application = bench.application();
      const [stays, goes] = [bench.instance({ application }), bench.instance({ application, port: 20_001 })];
      await bench.confirmed(provider.register(stays));
      const registration = provider.register(goes);
      await bench.confirmed(registration);
      const seen = bench.watch(consumer, application);
      await bench.eventually(() => seen.last()?.length === 2, "both instances");
      await bench.harness.freeze?.();
      let done = false;
      let disposed: Promise<void>;
      try {
        disposed = registration[Symbol.asyncDispose]().then(() => {
          done = true;
        });
        for (let waited = 0; waited < bench.quietMs && !done; waited += 20) await bench.advance(20);
        // Whoever closes his listener now would lose calls, unless nobody can be led to him any more.
        assert.ok(!done || provider.health.value.state !== "up", "it is done while the session holds the instance");
      } finally {
        await bench.harness.thaw?.();
      }
      await bench.eventually(() => done, "the withdrawal", bench.detectMs);
      await disposed;
      await bench.eventually(
        () => JSON.stringify(seen.last()?.map(instanceKey)) === JSON.stringify([instanceKey(stays)]),
        () => `the other one alone; it shows ${JSON.stringify(seen.last()?.map(instanceKey))}`,
        bench.detectMs,
      );
    });

    contract("close of a client whose server is silent is bounded", async (bench) => {
      const registry = await bench.open();
      await bench.confirmed(registry.register(bench.instance({})));
      bench.watch(registry, bench.application());
      await bench.harness.freeze?.();
      try {
        registry.register(bench.instance({}));
        await bench.resolves(registry.close(), "close");
      } finally {
        await bench.harness.thaw?.();
      }
    });
  }
}
