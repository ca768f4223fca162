import assert from "node:assert/strict";
import type { Registry } from "@dubhe/discovery";
import type { ContractSuite } from "./registry-contract-bench.js";

/** The contract tests of the mapping from interfaces to applications. */
export function registerMappingTests({ contract, can, options }: ContractSuite): void {
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

  contract("interfaces of inner classes, and with long names, are mapped under their names", async (bench) => {
    const [provider, consumer] = [await bench.open(), await bench.open()];
    const unique = bench.serviceInterface();
    for (const serviceInterface of [`${unique}$Inner`, `${unique}.${"x".repeat(150)}`, `${unique}.mapping.providers`]) {
      const seen = bench.watchMapping(consumer, serviceInterface);
      await bench.confirmed(provider.mapping.add(serviceInterface, "shop"));
      await bench.eventually(() => seen.last()?.includes("shop") === true, `the mapping of ${serviceInterface}`);
    }
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
}
