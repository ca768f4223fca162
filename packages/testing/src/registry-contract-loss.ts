import assert from "node:assert/strict";
import type { Registry } from "@dubhe/discovery";
import type { RegistryBench, RegistryCapability } from "./registry-contract-bench.js";

/** The contract tests of what a registry does when it loses its server, or the server its memory. */
export function registerLossTests(
  capabilities: ReadonlySet<RegistryCapability>,
  contract: (title: string, fn: (bench: RegistryBench) => Promise<void>) => void,
): void {
  const losses: readonly (readonly [
    RegistryCapability,
    string,
    (bench: RegistryBench, registry: Registry) => Promise<void> | undefined,
  ])[] = [
    ["restart", "a restart of the server", (bench) => bench.harness.restart?.()],
    ["drop-session", "a lost session", (bench, registry) => bench.harness.dropSession?.(registry)],
  ];
  for (const [capability, what, lose] of losses) {
    if (!capabilities.has(capability)) continue;

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
      await bench.eventually(() => (seen.lastEvent()?.epoch ?? 0) > epoch, "a list of a new epoch");
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
      await bench.eventually(() => (seen.lastEvent()?.epoch ?? 0) > epoch, "a list of a new epoch");
      for (const event of seen.events.slice(before)) {
        if (event.kind === "instances" && event.epoch === epoch) assert.notEqual(event.instances.length, 0);
      }
      await bench.shows(seen, [instance]);
    });
  }
}
