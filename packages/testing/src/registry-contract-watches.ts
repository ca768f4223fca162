import assert from "node:assert/strict";
import { type Instance, instanceKey, type Registration } from "@dubhe/discovery";
import type { ContractSuite } from "./registry-contract-bench.js";

/** The contract tests of watching applications. */
export function registerWatchTests({ contract, can }: ContractSuite): void {
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

  contract(
    "a name that no application can have, found in a mapping, is watched in vain and harms nobody",
    async (bench) => {
      const [provider, consumer] = [await bench.open(), await bench.open()];
      const instance = bench.instance({});
      await bench.confirmed(provider.register(instance));
      const unique = bench.application();
      const odd = [" b", "/b", "/../b", "%2Fb", "@@b", ",b", "é☃", "\u0000", "b".repeat(400)].map(
        (end) => unique + end,
      );
      const watches = [...odd, "..", " "].map((name) => bench.watch(consumer, name));
      for (const [n, seen] of watches.entries())
        await bench.eventually(() => seen.events.length > 0, `a first event, of ${JSON.stringify(odd[n])}`);
      for (const seen of watches) assert.equal(seen.last()?.length ?? 0, 0, "nobody has such a name");
      await bench.shows(bench.watch(consumer, instance.application), [instance]);
      for (const seen of watches) await bench.resolves(seen.dispose(), "dispose of the watch");
    },
  );

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
      assert.deepEqual(seen.last()?.map(instanceKey), [instanceKey(instance)], "in the same list");
    });
  }
}
