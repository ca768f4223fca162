import assert from "node:assert/strict";
import { createInstance, type Instance, instanceKey, sameInstance } from "@dubhe/discovery";
import type { ContractSuite } from "./registry-contract-bench.js";

/** The contract tests of registering instances. */
export function registerInstanceTests({ contract }: ContractSuite): void {
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
}

function sameContent(read: Instance | undefined, written: Instance): boolean {
  if (read === undefined) return false;
  // A registry may add keys of its own.
  const metadata = Object.fromEntries(Object.keys(written.metadata).map((key) => [key, read.metadata[key] ?? ""]));
  return sameInstance({ ...read, metadata }, written);
}
