import assert from "node:assert/strict";
import { test } from "node:test";
import type { Registration } from "@dubhe/discovery";
import { testRuntime } from "@dubhe/testing";
import fc from "fast-check";
import { EtcdBench, instance, watchPorts } from "./test-support/etcd-bench.js";
import { failure } from "./test-support/fake-store.js";

const ENDPOINTS = ["a:2379", "b:2379"];

type Step =
  | { readonly kind: "register" | "dispose" | "delete"; readonly port: number }
  | { readonly kind: "update"; readonly port: number; readonly value: string }
  | { readonly kind: "wait" | "stall"; readonly ms: number }
  | { readonly kind: "kill" | "start" | "freeze" | "thaw"; readonly at: number }
  | { readonly kind: "break" | "revoke" | "compact" | "failing" | "fine" | "silence" };

const port = fc.integer({ min: 1, max: 4 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constantFrom("register", "dispose", "delete"), port }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant("update" as const), port, value: fc.constantFrom("1", "2") }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constantFrom("wait", "wait", "wait", "stall"),
        ms: fc.constantFrom(2, 30, 700, 3_000, 16_000),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("kill", "start", "freeze", "thaw"), at: fc.nat(1) }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constantFrom("break", "revoke", "compact", "failing", "fine", "silence") }),
    },
  ),
  { maxLength: 30 },
);

/** Whatever happens: in the end there is what is wanted and nothing else, on one lease, and the watchers see it. */
async function run(script: readonly Step[], seed: number): Promise<void> {
  const bench = new EtcdBench(testRuntime({ seed }));
  const { etcd } = bench;
  const { random } = bench.test.runtime;
  const provider = bench.open({ endpoints: ENDPOINTS });
  const consumer = bench.open({ endpoints: ENDPOINTS });
  const seen = watchPorts(consumer);
  const wanted = new Map<number, { readonly registration: Registration; value: string }>();
  for (const step of script) {
    const address = "at" in step ? (ENDPOINTS[step.at] ?? "") : "";
    switch (step.kind) {
      case "register":
        if (!wanted.has(step.port))
          wanted.set(step.port, { registration: provider.register(instance(step.port, { n: "0" })), value: "0" });
        break;
      case "dispose":
        void wanted.get(step.port)?.registration[Symbol.asyncDispose]();
        wanted.delete(step.port);
        break;
      case "update": {
        const entry = wanted.get(step.port);
        if (entry === undefined) break;
        entry.value = step.value;
        entry.registration.update(instance(step.port, { n: step.value }));
        break;
      }
      case "delete":
        etcd.store.delete(`/services/shop/10.0.0.1:${step.port}`);
        break;
      case "wait":
        await bench.advance(step.ms);
        break;
      case "stall":
        bench.test.clock.stall(step.ms);
        break;
      case "kill":
        etcd.kill(address);
        break;
      case "start":
        etcd.start(address);
        break;
      case "freeze":
        etcd.freeze(address);
        break;
      case "thaw":
        etcd.thaw(address);
        break;
      case "break":
        etcd.breakLinks();
        break;
      case "revoke":
        for (const id of etcd.store.leases) etcd.store.revoke(id);
        break;
      case "compact":
        etcd.store.compact();
        break;
      case "failing":
        etcd.fault = () =>
          random.next() < 0.7 ? undefined : random.next() < 0.5 ? "lose-answer" : failure(14, "injected");
        break;
      case "fine":
        etcd.fault = undefined;
        break;
      case "silence":
        etcd.silence("watch");
        etcd.silence("keepAlive");
        break;
    }
  }
  etcd.fault = undefined;
  for (const address of ENDPOINTS) etcd.start(address);
  // Of what an operator deleted, the next check knows.
  await bench.advance(120_000);
  const shown = new Map(
    [...etcd.store.content].flatMap(([key, value]) =>
      key.startsWith("/services/") ? [[key, (JSON.parse(value) as { Metadata: { n: string } }).Metadata.n]] : [],
    ),
  );
  const expected = [...wanted].map(([n, { value }]) => [`/services/shop/10.0.0.1:${n}`, value] as const);
  assert.deepEqual(new Map([...shown].sort()), new Map(expected.sort()));
  assert.deepEqual(
    seen.ports,
    [...wanted.keys()].sort((a, b) => a - b),
  );
  for (const { registration } of wanted.values()) assert.equal(registration.state.value, "confirmed");
  assert.equal(etcd.store.leases.length, wanted.size > 0 ? 1 : 0, "leases");
  await bench.close();
  assert.deepEqual(etcd.store.leases, []);
}

test("model: in the end there is what is wanted and nothing else, whatever happened to leases, members and connections", async () => {
  await fc.assert(fc.asyncProperty(steps, fc.nat(1_000), run), { numRuns: 60 });
});
