import assert from "node:assert/strict";
import type { ContractSuite } from "./registry-contract-bench.js";

/** The contract tests of following the configuration centre. */
export function registerConfigurationTests({ contract, can }: ContractSuite): void {
  if (!can.has("configuration")) return;
  const GROUP = "DUBBO_SERVICEDISCOVERY_MIGRATION";

  contract(
    "an entry of the configuration centre is followed: absent, written, changed, removed (D-31)",
    async (bench) => {
      const consumer = await bench.open();
      const key = `${bench.application()}.migration`;
      const seen = bench.watchConfiguration(consumer, GROUP, key);
      await bench.eventually(() => seen.known, "a first answer");
      assert.equal(seen.last(), undefined, "what nobody wrote is undefined");
      for (const value of ["step: FORCE_INTERFACE\n", 'step: APPLICATION_FIRST # é "x"\nthreshold: 0.5\n']) {
        await bench.harness.configure?.(GROUP, key, value);
        await bench.eventually(
          () => seen.last() === value,
          () => `${JSON.stringify(value)}; it shows ${JSON.stringify(seen.last())}`,
        );
      }
      await bench.harness.configure?.(GROUP, key, undefined);
      await bench.eventually(() => seen.last() === undefined, "the removal");
      await bench.resolves(seen.dispose(), "dispose of the watch");
      const before = seen.events.length;
      await bench.harness.configure?.(GROUP, key, "late");
      await bench.advance(bench.quietMs);
      assert.equal(seen.events.length, before);
      const again = bench.watchConfiguration(consumer, GROUP, key);
      await bench.eventually(() => again.last() === "late", "what was written meanwhile, by a new watch");
      await bench.harness.configure?.(GROUP, key, undefined);
    },
  );

  contract("keys and groups of the configuration centre do not mix", async (bench) => {
    const consumer = await bench.open();
    const unique = bench.application();
    const entries = [
      { group: GROUP, key: `${unique}.a` },
      { group: GROUP, key: `${unique}.b` },
      { group: "dubbo", key: `${unique}.a` },
    ];
    const seen = entries.map(({ group, key }) => bench.watchConfiguration(consumer, group, key));
    for (const watch of seen) await bench.eventually(() => watch.known, "a first answer");
    for (const [n, { group, key }] of entries.entries()) await bench.harness.configure?.(group, key, `value ${n}`);
    for (const [n, watch] of seen.entries())
      await bench.eventually(
        () => watch.last() === `value ${n}`,
        () => `value ${n}; it shows ${JSON.stringify(watch.last())}`,
      );
    for (const { group, key } of entries) await bench.harness.configure?.(group, key, undefined);
  });
}
