import assert from "node:assert/strict";
import { test } from "node:test";
import { createServiceInfo, type InterfaceProvider, instanceKey } from "@dubhe/discovery";
import { testRuntime } from "@dubhe/testing";
import fc from "fast-check";
import { RegistryBench } from "./test-support/registry-bench.js";

/** What may happen to a registry and its servers, in any order. */
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("put" as const), port: fc.integer({ min: 1, max: 6 }), value: fc.nat(3) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("remove" as const), port: fc.integer({ min: 1, max: 6 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("map" as const), value: fc.constantFrom("one", "two", "one,two") }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("pass" as const),
      ms: fc.constantFrom(0, 1, 2, 5, 60, 900, 4_500, 9_000),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("update" as const), value: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("slow" as const), ms: fc.constantFrom(1, 40, 700, 1_700) }) },
  { weight: 2, arbitrary: fc.constant({ kind: "break" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "expire" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "freeze" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "thaw" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "lose" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "rewatch" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "wipe" as const }) },
);

for (const recursive of [true, false]) {
  test(`whatever happens, everything agrees in the end: ${recursive ? "3.6 and later" : "3.5"}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.nat(), async (steps, seed) => {
        const b = new RegistryBench(testRuntime({ seed }), { recursive });
        const registry = b.open();
        const registration = registry.register(b.instance(99));
        const provider = (methods: string): InterfaceProvider => ({
          instance: b.instance(99),
          service: createServiceInfo({
            name: "a.B",
            group: "",
            version: "",
            protocol: "tri",
            path: "a.B",
            params: { methods },
          }),
        });
        const published = registry.interfaces?.register(provider("first"));
        let wanted = "first";
        let providers: readonly string[] | undefined;
        registry.interfaces?.watch({ service: "a.B", group: "", version: "" }, (event) => {
          if (event.kind === "providers")
            providers = event.providers.map(({ service }) => service.params.methods ?? "");
        });
        let seen: readonly string[] | undefined;
        let revisions = "";
        let mapping: readonly string[] | undefined;
        let generation: readonly [number, number] = [0, 0];
        const watch = (): AsyncDisposable =>
          registry.watch("shop", (event) => {
            if (event.kind === "error") return;
            const next = [event.epoch, event.seq] as const;
            assert.ok(
              next[0] > generation[0] || (next[0] === generation[0] && next[1] > generation[1]),
              "generations grow",
            );
            generation = next;
            seen = event.instances.map(instanceKey).sort();
            revisions = event.instances
              .map(({ port, metadata }) => `${port}=${metadata.value ?? ""}`)
              .sort()
              .join();
          });
        let watching = watch();
        registry.mapping.watch("a.B", (event) => {
          if (event.kind === "mapping") mapping = event.applications;
        });
        for (const one of steps) {
          const path = "port" in one ? `/services/shop/10.0.0.1:${one.port}` : "";
          if (one.kind === "put") b.put(b.instance(one.port, { value: String(one.value) }));
          else if (one.kind === "remove" && b.server.tree.find(path) !== undefined) b.server.tree.delete(path, -1);
          else if (one.kind === "map") b.server.tree.put("/dubbo/mapping/a.B", one.value);
          else if (one.kind === "pass") await b.clock.advance(one.ms);
          else if (one.kind === "slow") b.server.latencyMs = one.ms;
          else if (one.kind === "update") {
            wanted = String(one.value);
            registration.update(b.instance(99, { value: wanted }));
            published?.update(provider(wanted));
          } else if (one.kind === "break") b.server.breakConnections();
          else if (one.kind === "expire") b.server.expire();
          else if (one.kind === "freeze") b.server.freeze();
          else if (one.kind === "thaw") b.server.thaw();
          else if (one.kind === "wipe") b.server.restart({ wipe: true });
          else if (one.kind === "lose") loseNext(b);
          else if (one.kind === "rewatch") {
            void watching[Symbol.asyncDispose]();
            watching = watch();
          }
        }
        b.server.thaw();
        b.server.latencyMs = 1;
        await b.clock.advance(90_000);
        const expected = [...(b.server.tree.find("/services/shop")?.children ?? [])].sort();
        assert.ok(expected.includes("10.0.0.1:99"), "registered");
        assert.equal(registration.state.value, "confirmed");
        assert.deepEqual(seen, expected);
        assert.equal(
          revisions,
          expected
            .map((name) => {
              const body = JSON.parse(b.server.tree.get(`/services/shop/${name}`).data.toString());
              return `${body.port}=${body.payload.metadata.value ?? ""}`;
            })
            .sort()
            .join(),
        );
        if (wanted !== "first") assert.ok(revisions.split(",").includes(`99=${wanted}`), revisions);
        assert.deepEqual(providers, [wanted]);
        assert.equal(b.server.tree.find("/dubbo/a.B/providers")?.children.size, 1);
        const value = b.server.tree.find("/dubbo/mapping/a.B")?.data.toString();
        assert.deepEqual(mapping, value === undefined ? [] : value.split(","));
        assert.equal(registry.health.value.state, "up");
        assert.equal(b.server.watches, (recursive ? 1 : 1 + expected.length) + 2, "watches at the server");
        assert.equal(b.server.sessions, 1);
        await b.close();
        assert.deepEqual(
          [b.server.watches, b.server.sessions, b.server.connections, b.clock.pendingTimers],
          [0, 0, 0, 0],
        );
        assert.deepEqual(b.reports, []);
      }),
      { numRuns: 25 },
    );
  });
}

/** The next request is done, and its answer lost with the connection. */
function loseNext(b: RegistryBench): void {
  b.server.fault = () => {
    b.server.fault = undefined;
    return "after";
  };
}
