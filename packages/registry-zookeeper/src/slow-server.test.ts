import assert from "node:assert/strict";
import { test } from "node:test";
import { createInstance, createServiceInfo } from "@dubhe/discovery";
import { testRuntime } from "@dubhe/testing";
import { RegistryBench } from "./test-support/registry-bench.js";

// A round trip takes 800 ms, an attempt may take 1 s: two requests in a row never end in one attempt.
const ROUND_TRIP_MS = 800;
const URL = "zookeeper://a:1/deep/base?session=60000&request-timeout=1000&timeout=5000";

for (const recursive of [true, false]) {
  test(`on a slow server everything ends all the same, if later: ${recursive ? "3.6 and later" : "3.5"}`, async () => {
    const b = new RegistryBench(testRuntime(), { recursive });
    b.server.latencyMs = ROUND_TRIP_MS / 2;
    const [provider, consumer] = [b.open(URL), b.open(URL)];
    const instance = b.instance(1);
    const service = createServiceInfo({
      name: "a.B",
      group: "",
      version: "",
      protocol: "tri",
      path: "a.B",
      params: {},
    });
    const wishes = [
      provider.register(instance),
      provider.mapping.add("a.B", "shop"),
      provider.metadata.publish({ app: "shop", revision: "r1", services: [] }),
      provider.interfaces?.register({ instance, service }),
    ];
    const seen = b.watch(consumer, "shop");
    let mapping: readonly string[] | undefined;
    consumer.mapping.watch("a.B", (event) => {
      if (event.kind === "mapping") mapping = event.applications;
    });
    let providers = -1;
    consumer.interfaces?.watch({ service: "a.B", group: "", version: "" }, (event) => {
      if (event.kind === "providers") providers = event.providers.length;
    });
    await b.clock.advance(40_000);
    for (const wish of wishes) assert.equal(wish?.state.value, "confirmed");
    assert.deepEqual(seen.addresses(), ["10.0.0.1:1"]);
    assert.deepEqual(mapping, ["shop"]);
    assert.equal(providers, 1);
    const fetched = consumer.metadata.fetch("shop", "r1", new AbortController().signal);
    await b.clock.advance(1_000);
    assert.ok((await fetched) !== undefined);
    const late = b.watch(b.open(URL), "shop"); // list and node are two requests
    await b.clock.advance(20_000);
    assert.deepEqual(late.addresses(), ["10.0.0.1:1"]);
    // Of updates in a row the last one stands, and none comes after it.
    for (const round of ["1", "2", "3"]) {
      const registration = wishes[0] as ReturnType<typeof provider.register>;
      registration.update(createInstance({ ...instance, metadata: { round } }));
      await b.clock.advance(900);
    }
    await b.clock.advance(20_000);
    const rounds = seen.events.flatMap((e) => (e.kind === "instances" ? e.instances.map((i) => i.metadata.round) : []));
    assert.equal(rounds.at(-1), "3");
    assert.deepEqual(
      rounds.filter((round) => round !== undefined),
      rounds.filter((round) => round !== undefined).sort(),
    );
    const disposed = Promise.all(wishes.map((wish) => wish?.[Symbol.asyncDispose]()));
    await b.clock.advance(20_000);
    await disposed;
    assert.deepEqual(seen.addresses(), []);
    assert.equal(providers, 0);
    await b.close();
    assert.deepEqual(b.reports, []);
  });
}
