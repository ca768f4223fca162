import assert from "node:assert/strict";
import { test } from "node:test";
import { createMetadataInfo } from "@dubhe/discovery";
import { testRuntime } from "@dubhe/testing";
import { benchTest } from "./test-support/etcd-bench.js";
import { failure } from "./test-support/fake-store.js";

const INFO = createMetadataInfo({ app: "shop", services: [{ name: "a.A", port: 1 }] });
const { revision } = INFO;
const [KEY, OLD_KEY] = [`/dubbo/shop/${revision}`, `/dubboshop/${revision}`];

test(
  "metadata is read, written and removed where dubbo-go 3.3.0 has it as well: without the slash",
  benchTest(testRuntime, async (bench) => {
    const registry = bench.open();
    const entry = registry.metadata.publish(INFO);
    await bench.until(() => bench.etcd.store.content.size === 2, "both");
    assert.deepEqual([...bench.etcd.store.content.keys()].sort(), [KEY, OLD_KEY]);
    bench.etcd.store.delete(KEY);
    const signal = new AbortController().signal;
    let found: unknown;
    void registry.metadata.fetch("shop", revision, signal).then((info) => {
      found = info?.services[0]?.name;
    });
    await bench.until(() => found !== undefined, "metadata");
    assert.equal(found, "a.A");
    await Promise.all([entry[Symbol.asyncDispose](), bench.advance(1_000)]);
    await Promise.all([registry.metadata.remove?.("shop", revision, signal), bench.advance(1_000)]);
    assert.equal(bench.etcd.store.content.size, 0);
  }),
);

test(
  "a user who may not write there loses nothing",
  benchTest(testRuntime, async (bench) => {
    let puts = 0;
    bench.etcd.fault = (method) => {
      if (method !== "put") return undefined;
      puts += 1;
      return puts % 2 === 0 ? failure(7, "etcdserver: permission denied") : undefined;
    };
    const registry = bench.open();
    const entry = registry.metadata.publish(INFO);
    await bench.advance(60_000);
    assert.equal(puts, 2, "it is not tried for ever");
    assert.equal(entry.state.value, "confirmed");
    assert.deepEqual([...bench.etcd.store.content.keys()], [KEY]);
  }),
);
