import assert from "node:assert/strict";
import { createInstance, type Registry } from "@dubhe/discovery";
import type { ContractSuite, RegistryBench } from "./registry-contract-bench.js";

/** The contract tests of closing. */
export function registerCloseTests({ contract, can }: ContractSuite): void {
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

  const operations: Readonly<Record<string, (bench: RegistryBench, registry: Registry) => unknown>> = {
    register: (bench, registry) => registry.register(bench.instance({})),
    "update and dispose": (bench, registry) => {
      const instance = bench.instance({});
      const registration = registry.register(instance);
      registration.update(createInstance({ ...instance, weight: 1 }));
      return registration[Symbol.asyncDispose]();
    },
    watch: (bench, registry) => {
      const seen = bench.watch(registry, bench.application());
      seen.refresh();
      return seen.dispose();
    },
    "mapping add": (bench, registry) => registry.mapping.add(bench.serviceInterface(), "shop"),
    "mapping watch": (bench, registry) => bench.watchMapping(registry, bench.serviceInterface()).dispose(),
    "metadata publish and fetch": (bench, registry) => {
      const app = bench.application();
      registry.metadata?.publish({ app, revision: "aaaa", services: [] });
      return registry.metadata?.fetch(app, "bbbb", new AbortController().signal);
    },
    "provider register": (bench, registry) => registry.interfaces?.register(bench.provider({})),
    "providers watch": (bench, registry) => {
      if (registry.interfaces === undefined) return undefined;
      return bench.watchProviders(registry, { service: bench.serviceInterface(), group: "", version: "" }).dispose();
    },
    "configuration watch": (bench, registry) => {
      if (registry.configuration === undefined) return undefined;
      return bench.watchConfiguration(registry, "dubbo", bench.application()).dispose();
    },
  };
  for (const [operation, start] of Object.entries(operations)) {
    contract(`close during ${operation}: everything ends, with a result or an error`, async (bench) => {
      for (const delay of [0, 2, 8]) {
        const registry = await bench.open();
        if (delay > 0)
          await bench.resolves(
            registry.health.until((health) => health.state === "up"),
            "health up",
          );
        const outcome = Promise.resolve(start(bench, registry)).then(
          () => undefined,
          () => undefined,
        );
        if (delay > 0) await bench.advance(delay);
        await bench.resolves(registry.close(), "close");
        await bench.resolves(outcome, operation);
        // What comes too late is refused quietly.
        const late = registry.register(bench.instance({}));
        assert.notEqual(late.state.value, "confirmed");
        await bench.disposed(late);
      }
    });
  }

  if (can.has("leftovers")) {
    contract("nothing is left behind at the server after close, nor of what was disposed before", async (bench) => {
      const leftovers = async (): Promise<Readonly<Record<string, number>>> =>
        (await bench.harness.leftovers?.()) ?? {};
      const same = async (expected: Readonly<Record<string, number>>, what: string): Promise<void> => {
        const text = JSON.stringify(expected);
        let now = JSON.stringify(await leftovers());
        for (let waited = 0; now !== text && waited < bench.detectMs; waited += 100) {
          await bench.advance(100);
          now = JSON.stringify(await leftovers());
        }
        assert.equal(now, text, what);
      };
      const before = await leftovers();
      const registry = await bench.open();
      await bench.resolves(
        registry.health.until((health) => health.state === "up"),
        "health up",
      );
      const settled = await leftovers();
      const [application, serviceInterface] = [bench.application(), bench.serviceInterface()];
      const use = async (): Promise<AsyncDisposable[]> => {
        const registration = registry.register(bench.instance({ application }));
        const held: (AsyncDisposable | undefined)[] = [registration];
        await bench.confirmed(registration);
        const seen = bench.watch(registry, application);
        const mapping = bench.watchMapping(registry, serviceInterface);
        await bench.eventually(() => seen.last()?.length === 1, "the instance");
        await bench.eventually(() => mapping.last() !== undefined, "the mapping");
        held.push({ [Symbol.asyncDispose]: () => seen.dispose() }, { [Symbol.asyncDispose]: () => mapping.dispose() });
        if (registry.interfaces !== undefined) {
          const provider = bench.provider({ name: serviceInterface });
          const asProvider = registry.interfaces.register(provider);
          await bench.confirmed(asProvider);
          const providers = bench.watchProviders(registry, { service: serviceInterface, group: "", version: "" });
          await bench.showsProviders(providers, [provider]);
          held.push(asProvider, { [Symbol.asyncDispose]: () => providers.dispose() });
        }
        if (registry.configuration !== undefined) {
          const entry = bench.watchConfiguration(registry, "dubbo", application);
          await bench.eventually(() => entry.known, "the configuration");
          held.push({ [Symbol.asyncDispose]: () => entry.dispose() });
        }
        return held.filter((one) => one !== undefined);
      };
      for (const one of await use()) await bench.disposed(one);
      await same(settled, "after everything was disposed, with the session open");
      await use();
      await bench.resolves(registry.close(), "close");
      await same(before, "after close");
    });
  }
}
