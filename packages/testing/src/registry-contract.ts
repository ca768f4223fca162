import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createInstance,
  type Instance,
  instanceKey,
  type Registration,
  type Registry,
  sameInstance,
} from "@dubhe/discovery";
import { RegistryBench, type RegistryContractOptions } from "./registry-contract-bench.js";
import { registerLossTests } from "./registry-contract-loss.js";

/**
 * Registers the tests that every `Registry` must pass, named `NAME: …`. They use fresh names for applications and interfaces, so
 * that they can run against a server that others use.
 */
export function registryContract(name: string, options: RegistryContractOptions): void {
  const can = new Set(options.capabilities);
  const contract = (title: string, fn: (bench: RegistryBench) => Promise<void>): void => {
    test(`${name}: ${title}`, async () => {
      const bench = new RegistryBench(await options.create(), options);
      try {
        await fn(bench);
      } finally {
        await bench.close();
      }
    });
  };

  contract("a registration is confirmed and seen by watchers", async (bench) => {
    const [provider, consumer] = [await bench.open(), await bench.open()];
    const application = bench.application();
    const instance = bench.instance({ application, metadata: { "dubbo.metadata.revision": "r1", odd: 'a=b,c "d" é' } });
    const seen = bench.watch(consumer, application);
    const registration = provider.register(instance);
    assert.equal(registration.state.value, "pending");
    await bench.confirmed(registration);
    await bench.shows(seen, [instance]);
    const list = seen.last();
    assert.ok(
      list !== undefined && list.length === 1 && sameContent(list[0], instance),
      `read back as ${JSON.stringify(list)}`,
    );
  });

  contract("an update replaces in place, without a gap", async (bench) => {
    const [provider, consumer] = [await bench.open(), await bench.open()];
    const application = bench.application();
    const first = bench.instance({ application, metadata: { revision: "0" } });
    const registration = provider.register(first);
    await bench.confirmed(registration);
    const seen = bench.watch(consumer, application);
    await bench.shows(seen, [first]);
    let newest = first;
    for (let n = 1; n <= 5; n++) {
      newest = createInstance({ ...first, weight: 100 + n, metadata: { revision: String(n) } });
      registration.update(newest);
      assert.notEqual(registration.state.value, "confirmed", "an update is not confirmed at once");
      await bench.advance(20);
    }
    await bench.confirmed(registration);
    await bench.eventually(
      () => seen.last()?.some((i) => i.metadata.revision === "5" && i.weight === 105) === true,
      "the newest update",
    );
    const lists = seen.lists.filter((list) => list.length > 0);
    assert.equal(
      lists.length,
      seen.lists.slice(seen.lists.indexOf(lists[0] ?? [])).length,
      "once seen, it is in every list",
    );
  });

  contract("an equal update changes nothing", async (bench) => {
    const provider = await bench.open();
    const instance = bench.instance({});
    const registration = provider.register(instance);
    await bench.confirmed(registration);
    registration.update(createInstance({ ...instance }));
    assert.equal(registration.state.value, "confirmed");
  });

  contract("an update that names another address is refused", async (bench) => {
    const provider = await bench.open();
    const instance = bench.instance({});
    const registration = provider.register(instance);
    assert.throws(() => registration.update(createInstance({ ...instance, port: instance.port + 1 })), TypeError);
  });

  contract("several ports of one application, of which one leaves", async (bench) => {
    const [provider, consumer] = [await bench.open(), await bench.open()];
    const application = bench.application();
    const instances = [1, 2, 3].map((n) => bench.instance({ application, port: 20_000 + n }));
    const registrations = instances.map((instance) => provider.register(instance));
    for (const registration of registrations) await bench.confirmed(registration);
    const seen = bench.watch(consumer, application);
    await bench.shows(seen, instances);
    const updated = createInstance({ ...(instances[0] as Instance), metadata: { revision: "new" } });
    registrations[0]?.update(updated);
    await bench.disposed(registrations[2]);
    await bench.shows(seen, instances.slice(0, 2));
    await bench.eventually(
      () => seen.last()?.some((i) => i.metadata.revision === "new") === true,
      "the update of the first",
    );
  });

  contract("two applications and two providers do not mix", async (bench) => {
    const [one, two, consumer] = [await bench.open(), await bench.open(), await bench.open()];
    const [first, second] = [bench.application(), bench.application()];
    const [a, b] = [
      bench.instance({ application: first, port: 20_001 }),
      bench.instance({ application: first, port: 20_002 }),
    ];
    const c = bench.instance({ application: second, port: 20_001 });
    for (const registration of [one.register(a), two.register(b), one.register(c)]) await bench.confirmed(registration);
    await bench.shows(bench.watch(consumer, first), [a, b]);
    await bench.shows(bench.watch(consumer, second), [c]);
  });

  contract("dispose withdraws, and is idempotent", async (bench) => {
    const [provider, consumer] = [await bench.open(), await bench.open()];
    const instance = bench.instance({});
    const registration = provider.register(instance);
    await bench.confirmed(registration);
    const seen = bench.watch(consumer, instance.application);
    await bench.shows(seen, [instance]);
    await Promise.all([bench.disposed(registration), bench.disposed(registration)]);
    await bench.shows(seen, []);
    await bench.disposed(registration);
  });

  contract("dispose during registration ends absent", async (bench) => {
    const [provider, consumer] = [await bench.open(), await bench.open()];
    const application = bench.application();
    for (const delay of [0, 1, 3, 10, 30]) {
      const registration = provider.register(bench.instance({ application }));
      if (delay > 0) await bench.advance(delay);
      await bench.disposed(registration);
    }
    const seen = bench.watch(consumer, application);
    await bench.shows(seen, []);
    await bench.advance(bench.quietMs);
    assert.deepEqual(seen.last(), []);
  });

  contract("registering again after dispose, without waiting, ends present", async (bench) => {
    const [provider, consumer] = [await bench.open(), await bench.open()];
    const instance = bench.instance({});
    const first = provider.register(instance);
    await bench.confirmed(first);
    const disposed = first[Symbol.asyncDispose]();
    const second = provider.register(instance);
    await bench.resolves(disposed, "dispose");
    await bench.confirmed(second);
    const seen = bench.watch(consumer, instance.application);
    await bench.shows(seen, [instance]);
    await bench.advance(bench.quietMs);
    assert.deepEqual(seen.last()?.map(instanceKey), [instanceKey(instance)]);
  });

  contract("a watch delivers a first event always, and never inside watch", async (bench) => {
    const consumer = await bench.open();
    let inside = true;
    let calledInside = false;
    const seen = bench.watch(consumer, bench.application(), () => {
      if (inside) calledInside = true;
    });
    inside = false;
    await bench.eventually(() => seen.events.length > 0, "a first event");
    assert.equal(calledInside, false);
    assert.deepEqual(seen.last(), [], "an application that nobody registered is an empty list");
  });

  contract("events are full lists whose generation does not go back", async (bench) => {
    const [provider, consumer] = [await bench.open(), await bench.open()];
    const application = bench.application();
    const seen = bench.watch(consumer, application);
    const instances: Instance[] = [];
    const registrations: Registration[] = [];
    for (let n = 1; n <= 4; n++) {
      const instance = bench.instance({ application, port: 20_000 + n });
      instances.push(instance);
      registrations.push(provider.register(instance));
      await bench.advance(10 * n);
    }
    await bench.shows(seen, instances);
    for (const registration of registrations) await bench.confirmed(registration);
    let newest = { epoch: -1, seq: -1, size: 0 };
    for (const event of seen.events) {
      if (
        event.kind === "error" ||
        event.epoch < newest.epoch ||
        (event.epoch === newest.epoch && event.seq < newest.seq)
      )
        continue;
      assert.ok(
        event.instances.length >= newest.size,
        `a list of ${event.instances.length} after one of ${newest.size}`,
      );
      newest = { epoch: event.epoch, seq: event.seq, size: event.instances.length };
    }
    assert.equal(newest.size, 4, "the newest by generation is the full list");
  });

  contract("nothing comes after the watch is disposed", async (bench) => {
    const [provider, consumer] = [await bench.open(), await bench.open()];
    const application = bench.application();
    const seen = bench.watch(consumer, application);
    await bench.shows(seen, []);
    const disposed = seen.dispose();
    const before = seen.events.length;
    await bench.resolves(disposed, "dispose of the watch");
    await bench.confirmed(provider.register(bench.instance({ application })));
    await bench.advance(bench.quietMs);
    assert.equal(seen.events.length, before);
    const again = bench.watch(consumer, application);
    await bench.eventually(() => again.last()?.length === 1, "the instance, by a new watch");
  });

  contract("two watchers of one application see the same", async (bench) => {
    const [provider, one, two] = [await bench.open(), await bench.open(), await bench.open()];
    const instance = bench.instance({});
    const seen = [bench.watch(one, instance.application), bench.watch(two, instance.application)];
    const registration = provider.register(instance);
    await bench.confirmed(registration);
    for (const watch of seen) await bench.shows(watch, [instance]);
    await bench.disposed(registration);
    for (const watch of seen) await bench.shows(watch, []);
  });

  contract("refresh, where it exists, brings one event", async (bench) => {
    const consumer = await bench.open();
    const seen = bench.watch(consumer, bench.application());
    await bench.shows(seen, []);
    await bench.advance(bench.quietMs);
    const before = seen.events.length;
    if (!seen.refresh()) return assert.equal(seen.events.length, before);
    await bench.eventually(() => seen.events.length > before, "an answer to refresh");
  });

  contract("the flags and the weight of an instance travel", async (bench) => {
    const [provider, consumer] = [await bench.open(), await bench.open()];
    const application = bench.application();
    const disabled = bench.instance({ application, port: 20_001, enabled: false, weight: 30 });
    await bench.confirmed(provider.register(disabled));
    const seen = bench.watch(consumer, application);
    await bench.shows(seen, [disabled]);
    const read = seen.last()?.[0];
    assert.equal(read?.enabled, false);
    assert.equal(read?.weight, 30);
    assert.equal(read?.healthy, true);
  });

  contract("application names that look like the registry's own are just names", async (bench) => {
    const [provider, consumer] = [await bench.open(), await bench.open()];
    const unique = bench.application();
    for (const application of [
      `${unique}-providers`,
      `providers.${unique}`,
      `${unique}.metadata_v1`,
      `consumers-${unique}`,
    ]) {
      const instance = bench.instance({ application });
      await bench.confirmed(provider.register(instance));
      await bench.shows(bench.watch(consumer, application), [instance]);
    }
  });

  contract("a mapping is added, read, and seen by those who wait for it", async (bench) => {
    const [provider, consumer] = [await bench.open(), await bench.open()];
    const serviceInterface = bench.serviceInterface();
    const seen = bench.watchMapping(consumer, serviceInterface);
    await bench.eventually(() => seen.last()?.length === 0, "a first, empty answer");
    await bench.confirmed(provider.mapping.add(serviceInterface, "order-service"));
    await bench.eventually(() => seen.last()?.includes("order-service") === true, "the application");
    await bench.confirmed(provider.mapping.add(serviceInterface, "order"));
    await bench.eventually(
      () => seen.last()?.includes("order") === true,
      "an application whose name is a part of another's (D-14)",
    );
    assert.deepEqual([...(seen.last() ?? [])].sort(), ["order", "order-service"]);
    await bench.resolves(seen.dispose(), "dispose of the mapping watch");
  });

  contract("many who add to one mapping at once are all in it (D-12, D-13)", async (bench) => {
    const writers = options.writers ?? 50;
    const serviceInterface = bench.serviceInterface();
    const clients = await Promise.all(Array.from({ length: Math.min(writers, 10) }, () => bench.open()));
    const names = Array.from({ length: writers }, (_, n) => `app-${n}`);
    const entries = names.map((application, n) =>
      (clients[n % clients.length] as Registry).mapping.add(serviceInterface, application),
    );
    for (const entry of entries) await bench.confirmed(entry);
    const seen = bench.watchMapping(await bench.open(), serviceInterface);
    await bench.eventually(() => seen.last()?.length === writers, `${writers} applications`);
    assert.deepEqual([...(seen.last() ?? [])].sort(), names.slice().sort());
  });

  contract("several may add the same to a mapping; each is confirmed", async (bench) => {
    const provider = await bench.open();
    const serviceInterface = bench.serviceInterface();
    const entries = [1, 2, 3].map(() => provider.mapping.add(serviceInterface, "shop"));
    for (const entry of entries) await bench.confirmed(entry);
    await bench.disposed(entries[0]);
    await bench.confirmed(provider.mapping.add(serviceInterface, "shop"));
    const seen = bench.watchMapping(await bench.open(), serviceInterface);
    await bench.eventually(() => seen.last()?.length === 1, "the application, once");
  });

  contract("disposing a mapping entry leaves the mapping", async (bench) => {
    const provider = await bench.open();
    const serviceInterface = bench.serviceInterface();
    const entry = provider.mapping.add(serviceInterface, "shop");
    await bench.confirmed(entry);
    await bench.disposed(entry);
    const seen = bench.watchMapping(await bench.open(), serviceInterface);
    await bench.eventually(() => seen.last()?.includes("shop") === true, "the application");
  });

  contract("health is up, and closed after close", async (bench) => {
    const registry = await bench.open();
    await bench.resolves(
      registry.health.until((health) => health.state === "up"),
      "health up",
    );
    await bench.resolves(registry.close(), "close");
    assert.equal(registry.health.value.state, "closed");
  });

  contract("close withdraws everything, is idempotent, and silences every sink", async (bench) => {
    const [provider, consumer] = [await bench.open(), await bench.open()];
    const application = bench.application();
    const instances = [1, 2].map((n) => bench.instance({ application, port: 20_000 + n }));
    for (const instance of instances) await bench.confirmed(provider.register(instance));
    const own = bench.watch(provider, application);
    const seen = bench.watch(consumer, application);
    await bench.shows(own, instances);
    await bench.shows(seen, instances);
    await bench.resolves(Promise.all([provider.close(), provider.close()]), "close");
    const before = own.events.length;
    await bench.shows(seen, []);
    await bench.resolves(provider.close(), "close again");
    assert.equal(own.events.length, before);
  });

  contract("inspect is JSON", async (bench) => {
    const registry = await bench.open();
    await bench.confirmed(registry.register(bench.instance({})));
    assert.doesNotThrow(() => JSON.stringify(registry.inspect()));
  });

  contract("close with work pending does not wait for it (D-58)", async (bench) => {
    const registry = await bench.open();
    registry.register(bench.instance({}));
    bench.watch(registry, bench.application());
    bench.watchMapping(registry, bench.serviceInterface());
    registry.mapping.add(bench.serviceInterface(), "shop");
    await bench.resolves(registry.close(), "close");
  });

  if (can.has("garbage")) {
    contract("one unreadable entry hides no other (D-25)", async (bench) => {
      const [provider, consumer] = [await bench.open(), await bench.open()];
      const instance = bench.instance({});
      await bench.confirmed(provider.register(instance));
      await bench.harness.putGarbage?.(instance.application);
      const seen = bench.watch(consumer, instance.application);
      await bench.shows(seen, [instance]);
      await bench.eventually(() => seen.lastEvent()?.malformed.length === 1, "the entry, named as malformed");
      assert.ok((seen.lastEvent()?.malformed[0]?.reason.length ?? 0) > 0);
    });
  }

  if (can.has("metadata-report")) {
    contract("metadata is published and read back, and absent is no error", async (bench) => {
      const [provider, consumer] = [await bench.open(), await bench.open()];
      const info = {
        app: bench.application(),
        revision: "0123456789abcdef",
        services: [
          {
            name: "greet.GreetService",
            group: "g",
            version: "1.0.0",
            protocol: "tri",
            port: 1,
            path: "greet.GreetService",
            params: { methods: "greet" },
          },
        ],
      };
      assert.ok(provider.metadata !== undefined && consumer.metadata !== undefined, "a metadata report was declared");
      await bench.confirmed(provider.metadata.publish(info));
      const signal = new AbortController().signal;
      assert.deepEqual(await bench.resolves(consumer.metadata.fetch(info.app, info.revision, signal), "fetch"), info);
      assert.equal(await bench.resolves(consumer.metadata.fetch(info.app, "ffff", signal), "fetch of none"), undefined);
    });
  }

  if (can.has("wipe-mapping")) {
    contract("a mapping heals after the server has lost it", async (bench) => {
      const provider = await bench.open();
      const serviceInterface = bench.serviceInterface();
      const [first, second] = [
        provider.mapping.add(serviceInterface, "shop"),
        provider.mapping.add(serviceInterface, "shop"),
      ];
      await bench.confirmed(first);
      await bench.confirmed(second);
      await bench.disposed(first); // the other one goes on healing
      await bench.harness.wipeMapping?.(serviceInterface);
      const seen = bench.watchMapping(await bench.open(), serviceInterface);
      await bench.eventually(
        () => seen.last()?.includes("shop") === true,
        "the healed mapping",
        options.healMs ?? 60_000,
      );
    });
  }

  registerLossTests(can, contract);
}

function sameContent(read: Instance | undefined, written: Instance): boolean {
  if (read === undefined) return false;
  // A registry may add keys of its own.
  const metadata = Object.fromEntries(Object.keys(written.metadata).map((key) => [key, read.metadata[key] ?? ""]));
  return sameInstance({ ...read, metadata }, written);
}
