import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "@dubhe/testing";
import { RegistryBench } from "./test-support/registry-bench.js";

// What is given up is gone in the end, also when nobody knows whether the server had taken it, and it refuses to give it back at first.

const REFUSAL = { type: "ErrorResponse", body: { resultCode: 500, errorCode: 500, message: "busy", success: false } };

/** The answers to what asks for it get lost; the first attempt to take it back is refused. */
function unknownThenRefused(bench: RegistryBench, asks: (type: string, body: object) => "for" | "back" | undefined) {
  const seen = { lost: 0, refused: 0 };
  bench.network.fault = (type, body) => {
    const asked = asks(type, body);
    if (asked === "for") {
      seen.lost += 1;
      return "lose-answer";
    }
    if (asked !== "back" || seen.refused > 0) return undefined;
    seen.refused += 1;
    return REFUSAL;
  };
  return seen;
}

async function begin() {
  const bench = new RegistryBench(new VirtualClock());
  bench.start();
  const registry = bench.open();
  await bench.clock.advance(1_000);
  const pushes: string[] = [];
  bench.network.dropPush = (type) => {
    pushes.push(type);
    return false;
  };
  return { bench, registry, pushes };
}

test("an instance whose registration was not answered, and whose removal is refused at first", async () => {
  const { bench, registry } = await begin();
  const seen = unknownThenRefused(bench, (type, body) => {
    if (type !== "InstanceRequest") return undefined;
    return (body as { type?: string }).type === "registerInstance" ? "for" : "back";
  });
  const registration = registry.register(bench.instance(1));
  await bench.clock.advance(100);
  assert.deepEqual(bench.ports(), [1]);
  await bench.resolves(registration[Symbol.asyncDispose](), 30_000);
  assert.ok(seen.lost > 0 && seen.refused === 1);
  assert.deepEqual(bench.ports(), []);
  await bench.end();
});

test("a subscription that was not answered, and is refused to be taken back at first", async () => {
  const { bench, registry, pushes } = await begin();
  const seen = unknownThenRefused(bench, (type, body) => {
    if (type !== "SubscribeServiceRequest") return undefined;
    return (body as { subscribe?: boolean }).subscribe === true ? "for" : "back";
  });
  const { handle } = bench.watch(registry);
  await bench.clock.advance(100);
  await bench.resolves(handle[Symbol.asyncDispose](), 30_000);
  assert.ok(seen.lost > 0 && seen.refused === 1);
  bench.network.fault = () => undefined;
  const other = bench.open();
  pushes.length = 0;
  const registration = other.register(bench.instance(1));
  await bench.clock.advance(5_000);
  assert.equal(registration.state.value, "confirmed");
  assert.ok(!pushes.includes("NotifySubscriberRequest"), pushes.join());
  await bench.end();
});

test("a configuration whose listening was not answered, and is refused to be ended at first", async () => {
  const { bench, registry, pushes } = await begin();
  const seen = unknownThenRefused(bench, (type, body) => {
    if (type !== "ConfigBatchListenRequest") return undefined;
    return (body as { listen?: boolean }).listen === true ? "for" : "back";
  });
  const watch = registry.mapping.watch("com.Foo", () => undefined);
  await bench.clock.advance(100);
  await bench.resolves(watch[Symbol.asyncDispose](), 30_000);
  assert.ok(seen.lost > 0 && seen.refused === 1);
  bench.network.fault = () => undefined;
  pushes.length = 0;
  bench.publish("shop");
  await bench.clock.advance(5_000);
  assert.ok(!pushes.includes("ConfigChangeNotifyRequest"), pushes.join());
  await bench.end();
});
