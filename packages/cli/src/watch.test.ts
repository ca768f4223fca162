import assert from "node:assert/strict";
import { test } from "node:test";
import { createInstance, MetadataKey, type Registration, type Registry } from "@dubhe/discovery";
import { EchoService, echoHandlers, leakCheck } from "@dubhe/testing";
import { createApp } from "dubhe";
import { closedPort, dubhe, filledRegistry, memoryUrl } from "./test-support/bench.js";

/** Runs `dubhe watch`; `expect` waits for the next line. */
function watching(...args: readonly string[]) {
  const controller = new AbortController();
  const lines: string[] = [];
  const errLines: string[] = [];
  let wake = (): void => {};
  const run = dubhe(["watch", ...args], {
    signal: controller.signal,
    onLine: (line) => {
      lines.push(line);
      wake();
    },
    onErrLine: (line) => {
      errLines.push(line);
      wake();
    },
  });
  const next = async (from: string[], line: string): Promise<void> => {
    while (from.length === 0)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    const found = from.shift();
    if (found !== line) controller.abort();
    assert.equal(found, line);
  };
  const expect = (line: string): Promise<void> => next(lines, line);
  const expectErr = (line: string): Promise<void> => next(errLines, line);
  const stop = async (): Promise<void> => {
    controller.abort();
    const { code } = await run;
    assert.deepEqual([code, errLines, lines], [0, [], []]);
  };
  return { expect, expectErr, stop };
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
  const { expect, stop } = watching("instances", "-r", down, "-r", url, "--timeout", "60s", "--json");
  const instance = { application: "shop", address: "127.0.0.1:1", weight: 100, healthy: true, enabled: true };
  await expect(JSON.stringify({ event: "added", ...instance, revision: "r1", registry: url }));
  const error = "port 1 of 127.0.0.1 refuses connections: nobody listens there. Start the registry, or correct its URL";
  await expect(JSON.stringify({ event: "error", error, registry: `${down}/dubbo` }));
  await stop();
});

test("nobody is there: it says so once, whatever is watched, goes on trying, and says when there is somebody", async () => {
  const port = await closedPort();
  const [url, id] = [`embedded://127.0.0.1:${port}`, `embedded://127.0.0.1:${port}/public/DEFAULT_GROUP`];
  const nobody = `! ${id}: nobody serves the embedded registry: 127.0.0.1:${port} is not open, so no Dubhe process of this machine runs with it. Start one, or name another registry: --registry URL (still trying)`;
  const other = memoryUrl();
  const all = watching("applications", "-r", url, "-r", other, "--timeout", "60s");
  const named = watching("applications", "shop", "cart", "-r", url, "--timeout", "60s");
  for (const { expectErr } of [all, named]) await expectErr(nobody);
  await using app = createApp({ name: "shop", registry: url });
  await app.createServer({ listen: "127.0.0.1:0" }).add(EchoService, echoHandlers()).start();
  for (const { expectErr } of [all, named]) await expectErr(`✓ ${id} answers again`);
  await all.expect(`+ shop: 1 instance  (${id})`);
  await named.expect("+ shop: 1 instance");
  await Promise.all([all.stop(), named.stop()]);
  await app.close({ graceMs: 0 });
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
