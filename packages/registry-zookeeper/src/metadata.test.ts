import assert from "node:assert/strict";
import { test } from "node:test";
import type { MetadataInfo } from "@dubhe/discovery";
import { testRuntime } from "@dubhe/testing";
import { RegistryBench } from "./test-support/registry-bench.js";
import type { ZookeeperRegistry } from "./zookeeper.js";

const [JAVA, GO] = ["/dubbo/metadata/shop/r1", "/dubbo/shop/r1"];
const GOOD = '{"app":"shop","revision":"r1","services":{}}';

async function fetch(b: RegistryBench, registry: ZookeeperRegistry): Promise<MetadataInfo | undefined> {
  const fetched = registry.metadata.fetch("shop", "r1", new AbortController().signal);
  fetched.catch(() => undefined);
  await b.clock.advance(100);
  return fetched;
}

for (const [name, readable, unreadable] of [
  ["dubbo-go's", GO, JAVA],
  ["dubbo-java's", JAVA, GO],
] as const) {
  test(`metadata that only ${name} place gives is used, whatever is wrong with the other`, async () => {
    const b = new RegistryBench(testRuntime());
    const registry = b.open();
    await b.clock.advance(100);
    b.server.tree.put(readable, GOOD);
    b.server.refuse = (_request, path) => (path === unreadable ? "NO_AUTH" : undefined);
    assert.equal((await fetch(b, registry))?.revision, "r1");
    b.server.refuse = undefined;
    for (const garbage of ["{", "[]", "no metadata"]) {
      b.server.tree.put(unreadable, garbage);
      assert.equal((await fetch(b, registry))?.revision, "r1", garbage);
    }
    await b.close();
  });

  test(`metadata that ${name} place does not have either: what is wrong with the other one is told`, async () => {
    const b = new RegistryBench(testRuntime());
    const registry = b.open();
    await b.clock.advance(100);
    b.server.refuse = (_request, path) => (path === unreadable ? "NO_AUTH" : undefined);
    await assert.rejects(fetch(b, registry), /NO_AUTH/);
    b.server.tree.put(readable, "{");
    await assert.rejects(fetch(b, registry), /NO_AUTH/);
    b.server.refuse = undefined;
    await assert.rejects(fetch(b, registry));
    b.server.tree.put(unreadable, "{");
    await assert.rejects(fetch(b, registry));
    b.server.tree.put(readable, "");
    b.server.tree.put(unreadable, "");
    assert.equal(await fetch(b, registry), undefined);
    await b.close();
  });
}

test("metadata whose publishing broke off between its two places is in both in the end", async () => {
  for (const lost of ["before", "after"] as const) {
    const b = new RegistryBench(testRuntime());
    b.server.tree.put("/dubbo/metadata/shop", "");
    b.server.tree.put("/dubbo/shop", "");
    const registry = b.open();
    await b.clock.advance(100);
    let creates = 0;
    b.server.fault = (request) => (request === "create" && ++creates === 2 ? lost : undefined);
    const entry = registry.metadata.publish({ app: "shop", revision: "r1", services: [] });
    await b.clock.advance(5_000);
    assert.ok(creates >= 2);
    assert.equal(entry.state.value, "confirmed");
    assert.equal(b.server.tree.find(JAVA)?.data.toString(), b.server.tree.find(GO)?.data.toString());
    await b.close();
  }
});

test("what was published and is spoilt in one place is put right by who published it", async () => {
  for (const place of [JAVA, GO]) {
    const b = new RegistryBench(testRuntime());
    const registry = b.open();
    const entry = registry.metadata.publish({ app: "shop", revision: "r1", services: [] });
    await b.clock.advance(1_000);
    assert.equal(entry.state.value, "confirmed");
    b.server.tree.put(place, "{");
    await b.clock.advance(60_000);
    assert.equal(b.server.tree.get(JAVA).data.toString(), b.server.tree.get(GO).data.toString(), place);
    await b.close();
  }
});
