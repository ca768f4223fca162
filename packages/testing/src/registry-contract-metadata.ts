import assert from "node:assert/strict";
import type { ContractSuite } from "./registry-contract-bench.js";

/** The contract tests of remote metadata. */
export function registerMetadataTests({ contract, can }: ContractSuite): void {
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
      assert.deepEqual(
        await bench.answered(async () => consumer.metadata?.fetch(info.app, info.revision, signal), "fetch"),
        info,
      );
      assert.equal(
        await bench.answered(async () => consumer.metadata?.fetch(info.app, "ffff", signal), "fetch of none"),
        undefined,
      );
    });
  }

  if (can.has("metadata-report")) {
    contract(
      "metadata that is published again with a later time is written, with an earlier one it is not",
      async (bench) => {
        const [first, second] = [await bench.open(), await bench.open()];
        assert.ok(first.metadata !== undefined && second.metadata !== undefined);
        const { metadata } = second;
        const services = [{ name: "a.A", group: "", version: "", protocol: "tri", port: 1, path: "a.A", params: {} }];
        const info = { app: bench.application(), revision: "abcd", services, lastUpdatedTime: 1_790_000_000_000 };
        const time = async (): Promise<number | undefined> =>
          (await bench.answered(() => metadata.fetch(info.app, info.revision, new AbortController().signal), "fetch"))
            ?.lastUpdatedTime;
        const entry = first.metadata.publish(info);
        await bench.confirmed(entry);
        const renewed = first.metadata.publish({ ...info, lastUpdatedTime: 1_790_000_100_000 });
        await bench.disposed(entry);
        for (let n = 0; n < 50 && (await time()) !== 1_790_000_100_000; n++) await bench.advance(100);
        assert.equal(await time(), 1_790_000_100_000);
        await bench.confirmed(renewed);
        const late = second.metadata.publish({ ...info, lastUpdatedTime: 1_790_000_050_000 });
        await bench.confirmed(late);
        assert.equal(await time(), 1_790_000_100_000, "of equal contents the newest time stays");
      },
    );
  }

  if (can.has("metadata-list")) {
    contract("what is kept of an application is listed, and removed one by one", async (bench) => {
      const [provider, consumer] = [await bench.open(), await bench.open()];
      const [application, other] = [bench.application(), bench.application()];
      const { metadata } = consumer;
      assert.ok(provider.metadata !== undefined && metadata?.revisions !== undefined && metadata.remove !== undefined);
      const service = { group: "", version: "", protocol: "tri", port: 1, params: {} };
      for (const [app, revision] of [
        [application, "aaaa"],
        [application, "bbbb"],
        [other, "cccc"],
      ] as const) {
        const services = [{ ...service, name: "greet.GreetService", path: "greet.GreetService" }];
        await bench.confirmed(
          provider.metadata.publish({ app, revision, services, lastUpdatedTime: 1_790_000_000_000 }),
        );
      }
      const signal = new AbortController().signal;
      const revisions = async (app: string): Promise<readonly string[]> =>
        (await bench.answered(() => metadata.revisions?.(app, signal) ?? Promise.reject(), "list")).slice().sort();
      assert.deepEqual(await revisions(application), ["aaaa", "bbbb"]);
      assert.deepEqual(await revisions(bench.application()), [], "nothing was ever published");
      const read = await bench.answered(() => metadata.fetch(application, "aaaa", signal), "fetch");
      assert.equal(read?.lastUpdatedTime, 1_790_000_000_000);
      await bench.answered(async () => metadata.remove?.(application, "aaaa", signal), "remove");
      await bench.answered(async () => metadata.remove?.(application, "aaaa", signal), "remove again");
      assert.deepEqual(await revisions(application), ["bbbb"]);
      assert.deepEqual(await revisions(other), ["cccc"]);
      assert.equal(await bench.answered(() => metadata.fetch(application, "aaaa", signal), "fetch of none"), undefined);
    });
  }

  if (can.has("names")) {
    contract("applications and mapped interfaces are listed by name", async (bench) => {
      const registry = await bench.open();
      const [application, serviceInterface] = [bench.application(), bench.serviceInterface()];
      await bench.confirmed(registry.register(bench.instance({ application })));
      await bench.confirmed(registry.mapping.add(serviceInterface, application));
      const { names } = registry;
      assert.ok(names !== undefined);
      const has = async (list: (signal: AbortSignal) => Promise<readonly string[]>, name: string): Promise<void> => {
        // A list may be a moment behind.
        const found = async (): Promise<boolean> =>
          (await bench.answered(() => list(new AbortController().signal), "list")).includes(name);
        for (let n = 0; n < 50 && !(await found()); n++) await bench.advance(100);
        assert.ok(await found(), `${name} is listed`);
      };
      await has((signal) => names.applications(signal), application);
      if (names.interfaces !== undefined)
        await has((signal) => names.interfaces?.(signal) ?? Promise.resolve([]), serviceInterface);
    });
  }
}
