import assert from "node:assert/strict";
import { createInstance, createServiceInfo, type InterfaceProvider, providerKey, sameService } from "@dubhe/discovery";
import type { ContractSuite } from "./registry-contract-bench.js";

const EXACT = { group: "", version: "" };

/** The contract tests of interface-level discovery. */
export function registerInterfaceTests({ contract, can }: ContractSuite): void {
  if (!can.has("interfaces")) return;

  contract("a provider is confirmed and seen by watchers of its interface, with all that it says", async (bench) => {
    const [registry, consumer] = [await bench.open(), await bench.open()];
    const provider = bench.provider(
      { params: { methods: "greet,chat", "greet.timeout": "1000", odd: 'a=b,c "d" é $' } },
      { weight: 30, metadata: { timestamp: "1790000000000", "dubbo.tag": "gray", environment: "test" } },
    );
    const seen = bench.watchProviders(consumer, { service: provider.service.name, ...EXACT });
    const registration = registry.interfaces?.register(provider);
    assert.equal(registration?.state.value, "pending");
    if (registration !== undefined) await bench.confirmed(registration);
    await bench.showsProviders(seen, [provider]);
    const read = seen.last()?.[0];
    assert.equal(read?.instance.application, provider.instance.application);
    assert.equal(read?.instance.weight, 30);
    for (const [key, value] of Object.entries(provider.instance.metadata))
      assert.equal(read?.instance.metadata[key], value, key);
    for (const [key, value] of Object.entries(provider.service.params))
      assert.equal(read?.service.params[key], value, key);
  });

  contract("groups, versions, ports and protocols of one interface are entries of their own", async (bench) => {
    const [registry, consumer] = [await bench.open(), await bench.open()];
    const name = bench.serviceInterface();
    const providers = [
      bench.provider({ name }),
      bench.provider({ name }, { port: 20_001 }),
      bench.provider({ name, group: "g", version: "1.0.0" }),
      bench.provider({ name, version: "2.0.0" }),
    ];
    for (const provider of providers) await bench.confirmed(registered(registry.interfaces?.register(provider)));
    for (const [group, version] of [
      ["", ""],
      ["g", "1.0.0"],
      ["", "2.0.0"],
      ["", "3.0.0"],
    ] as const) {
      const own = (provider: InterfaceProvider): boolean =>
        provider.service.group === group && provider.service.version === version;
      const seen = bench.watchProviders(consumer, { service: name, group, version });
      await bench.showsProviders(seen, providers.filter(own), own);
    }
  });

  contract("an update of a provider replaces in place, without a gap", async (bench) => {
    const [registry, consumer] = [await bench.open(), await bench.open()];
    const first = bench.provider({});
    const registration = registered(registry.interfaces?.register(first));
    await bench.confirmed(registration);
    const seen = bench.watchProviders(consumer, { service: first.service.name, ...EXACT });
    await bench.showsProviders(seen, [first]);
    for (let n = 1; n <= 5; n++) {
      registration.update({
        instance: createInstance({ ...first.instance, weight: 100 + n }),
        service: createServiceInfo({ ...first.service, params: { methods: "greet", round: String(n) } }),
      });
      assert.notEqual(registration.state.value, "confirmed", "an update is not confirmed at once");
      await bench.advance(20);
    }
    await bench.confirmed(registration);
    await bench.eventually(
      () => seen.last()?.length === 1 && seen.last()?.[0]?.service.params.round === "5",
      () => `the newest update alone; it shows ${JSON.stringify(seen.last())}`,
    );
    assert.equal(seen.last()?.[0]?.instance.weight, 105);
    const from = seen.lists.findIndex((list) => list.length > 0);
    assert.ok(
      seen.lists.slice(from).every((list) => list.length > 0),
      "once seen, it is in every list",
    );
    registration.update({
      instance: createInstance({ ...first.instance, weight: 105 }),
      service: seen.last()?.[0]?.service ?? first.service,
    });
    await bench.confirmed(registration);
    assert.throws(
      () => registration.update({ ...first, instance: createInstance({ ...first.instance, port: 1 }) }),
      TypeError,
    );
  });

  contract("dispose of a provider withdraws it alone, also during its registration (D-57)", async (bench) => {
    const [registry, consumer] = [await bench.open(), await bench.open()];
    const name = bench.serviceInterface();
    const [stays, goes, brief] = [1, 2, 3].map((n) => bench.provider({ name }, { port: 20_000 + n })) as [
      InterfaceProvider,
      InterfaceProvider,
      InterfaceProvider,
    ];
    const [kept, left] = [stays, goes].map((provider) => registered(registry.interfaces?.register(provider)));
    await bench.confirmed(registered(kept));
    await bench.confirmed(registered(left));
    const seen = bench.watchProviders(consumer, { service: name, ...EXACT });
    await bench.showsProviders(seen, [stays, goes]);
    for (const delay of [0, 1, 3, 10]) {
      const registration = registry.interfaces?.register(brief);
      if (delay > 0) await bench.advance(delay);
      await bench.disposed(registration);
    }
    await Promise.all([bench.disposed(left), bench.disposed(left)]);
    await bench.showsProviders(seen, [stays]);
    await bench.advance(bench.quietMs);
    assert.deepEqual(seen.last()?.map(providerKey), [providerKey(stays)]);
  });

  contract(
    "a watch of providers delivers a first event always, never inside watch, nothing afterwards",
    async (bench) => {
      const [registry, consumer] = [await bench.open(), await bench.open()];
      const provider = bench.provider({});
      let inside = true;
      let calledInside = false;
      const ref = { service: provider.service.name, ...EXACT };
      const seen = bench.watchProviders(consumer, ref, () => {
        if (inside) calledInside = true;
      });
      inside = false;
      await bench.showsProviders(seen, []);
      assert.equal(calledInside, false);
      await bench.advance(bench.quietMs);
      const before = seen.events.length;
      if (seen.refresh()) await bench.eventually(() => seen.events.length > before, "an answer to refresh");
      const disposed = seen.dispose();
      const after = seen.events.length;
      await bench.resolves(disposed, "dispose of the watch");
      await bench.confirmed(registered(registry.interfaces?.register(provider)));
      await bench.advance(bench.quietMs);
      assert.equal(seen.events.length, after);
      await bench.showsProviders(bench.watchProviders(consumer, ref), [provider]);
    },
  );

  contract("both models stand side by side at one address", async (bench) => {
    const [registry, consumer] = [await bench.open(), await bench.open()];
    const provider = bench.provider({});
    const { application } = provider.instance;
    const instance = bench.instance({ application, metadata: { "dubbo.metadata.revision": "r1" } });
    const asInstance = registry.register(instance);
    await bench.confirmed(asInstance);
    await bench.confirmed(registered(registry.interfaces?.register(provider)));
    const instances = bench.watch(consumer, application);
    const providers = bench.watchProviders(consumer, { service: provider.service.name, ...EXACT });
    await bench.shows(instances, [instance]);
    await bench.showsProviders(providers, [provider]);
    await bench.disposed(asInstance);
    await bench.shows(instances, []);
    await bench.advance(bench.quietMs);
    await bench.showsProviders(providers, [provider]);
  });

  contract("an interface of an inner class, with a path of its own", async (bench) => {
    const [registry, consumer] = [await bench.open(), await bench.open()];
    const name = `${bench.serviceInterface()}$Inner`;
    const provider = bench.provider({ name, path: `api/${name}` });
    await bench.confirmed(registered(registry.interfaces?.register(provider)));
    const seen = bench.watchProviders(consumer, { service: name, ...EXACT });
    await bench.showsProviders(seen, [provider]);
    const read = seen.last()?.[0]?.service;
    assert.ok(
      read !== undefined && sameService({ ...read, params: provider.service.params }, provider.service),
      `read back as ${JSON.stringify(read)}`,
    );
  });

  contract("close withdraws providers too", async (bench) => {
    const [registry, consumer] = [await bench.open(), await bench.open()];
    const provider = bench.provider({});
    await bench.confirmed(registered(registry.interfaces?.register(provider)));
    const ref = { service: provider.service.name, ...EXACT };
    const seen = bench.watchProviders(consumer, ref);
    await bench.showsProviders(seen, [provider]);
    const own = bench.watchProviders(registry, ref);
    await bench.showsProviders(own, [provider]);
    await bench.resolves(registry.close(), "close");
    const before = own.events.length;
    await bench.showsProviders(seen, []);
    assert.equal(own.events.length, before);
  });

  if (can.has("interface-wildcards")) {
    contract("a watch with wildcards sees every group and version", async (bench) => {
      const [registry, consumer] = [await bench.open(), await bench.open()];
      const name = bench.serviceInterface();
      const seen = bench.watchProviders(consumer, { service: name, group: "*", version: "*" });
      await bench.showsProviders(seen, []);
      const providers = [
        bench.provider({ name }),
        bench.provider({ name, group: "g", version: "1.0.0" }),
        bench.provider({ name, version: "2.0.0" }, { port: 20_001 }),
      ];
      const registrations = providers.map((provider) => registered(registry.interfaces?.register(provider)));
      for (const registration of registrations) await bench.confirmed(registration);
      await bench.showsProviders(seen, providers);
      await bench.disposed(registrations[1]);
      await bench.showsProviders(
        seen,
        providers.filter((_, n) => n !== 1),
      );
    });

    contract("a watch of several groups sees the providers of each", async (bench) => {
      const [registry, consumer] = [await bench.open(), await bench.open()];
      const name = bench.serviceInterface();
      const providers = ["f", "g"].map((group, n) => bench.provider({ name, group }, { port: 20_001 + n }));
      for (const provider of providers) await bench.confirmed(registered(registry.interfaces?.register(provider)));
      const seen = bench.watchProviders(consumer, { service: name, group: "f,g", version: "" });
      await bench.showsProviders(seen, providers, ({ service }) => ["f", "g"].includes(service.group));
    });
  }
}

function registered<T>(registration: T | undefined): T {
  assert.ok(registration !== undefined);
  return registration;
}
