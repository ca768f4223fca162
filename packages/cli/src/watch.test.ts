import assert from "node:assert/strict";
import { test } from "node:test";
import { createInstance, MetadataKey, type Registration, type Registry } from "@dubhe/discovery";
import { leakCheck } from "@dubhe/testing";
import { dubhe, filledRegistry, memoryUrl } from "./test-support/bench.js";

/** Runs `dubhe watch`; `expect` waits for the next line. */
function watching(...args: readonly string[]) {
  const controller = new AbortController();
  const lines: string[] = [];
  let wake = (): void => {};
  const run = dubhe(["watch", ...args], {
    signal: controller.signal,
    onLine: (line) => {
      lines.push(line);
      wake();
    },
  });
  const expect = async (line: string): Promise<void> => {
    while (lines.length === 0)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    const next = lines.shift();
    if (next !== line) controller.abort();
    assert.equal(next, line);
  };
  const stop = async (): Promise<void> => {
    controller.abort();
    const { code, err } = await run;
    assert.deepEqual([code, err, lines], [0, "", []]);
  };
  return { expect, stop };
}

function put(registry: Registry, port: number, weight = 100): Registration {
  const metadata = { [MetadataKey.revision]: "r1" };
  return registry.register(createInstance({ application: "shop", host: "127.0.0.1", port, weight, metadata }));
}

test("instances: what is there, then what is added, changed and gone; Ctrl-C is its proper end", async (t) => {
  leakCheck(t);
  const url = memoryUrl();
  await using filled = await filledRegistry(url);
  const first = put(filled.registry, 1);
  await first.state.until((state) => state === "confirmed");
  const { expect, stop } = watching("instances", "shop", "-r", url);
  await expect("+ 127.0.0.1:1 shop: weight 100, revision r1");
  const second = put(filled.registry, 2);
  await expect("+ 127.0.0.1:2 shop: weight 100, revision r1");
  second.update(
    createInstance({
      application: "shop",
      host: "127.0.0.1",
      port: 2,
      weight: 0,
      metadata: { [MetadataKey.revision]: "r2" },
    }),
  );
  await expect("~ 127.0.0.1:2 shop: weight 0, revision r2, has weight 0");
  await first[Symbol.asyncDispose]();
  await expect("- 127.0.0.1:1 shop");
  await stop();
});

test("of several registries one that is down is said so, and hides nothing of the others", async (t) => {
  leakCheck(t);
  const url = memoryUrl();
  await using filled = await filledRegistry(url);
  await put(filled.registry, 1).state.until((state) => state === "confirmed");
  const down = "etcd://127.0.0.1:1";
  const { expect, stop } = watching("instances", "-r", down, "-r", url, "--timeout", "1500ms", "--json");
  const instance = { application: "shop", address: "127.0.0.1:1", weight: 100, healthy: true, enabled: true };
  await expect(JSON.stringify({ event: "added", ...instance, revision: "r1", registry: url }));
  const error = "connect ECONNREFUSED 127.0.0.1:1";
  await expect(JSON.stringify({ event: "error", error, registry: `${down}/dubbo` }));
  await stop();
});

test("applications and services that appear later are found, as lines of JSON", async (t) => {
  leakCheck(t);
  const url = memoryUrl();
  await using filled = await filledRegistry(url);
  const applications = watching("applications", "-r", url, "--json");
  const services = watching("services", "-r", url, "--json");
  const entry = filled.registry.mapping.add("greet.GreetService", "shop");
  const instance = put(filled.registry, 1);
  await applications.expect(JSON.stringify({ event: "added", application: "shop", instances: 1, registry: url }));
  await services.expect(
    JSON.stringify({ event: "added", service: "greet.GreetService", applications: ["shop"], registry: url }),
  );
  await instance[Symbol.asyncDispose]();
  await applications.expect(JSON.stringify({ event: "removed", application: "shop", registry: url }));
  await entry[Symbol.asyncDispose]();
  await applications.stop();
  await services.stop();
});
