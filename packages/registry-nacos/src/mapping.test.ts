import assert from "node:assert/strict";
import { test } from "node:test";
import { createMetadataInfo, type MappingEvent } from "@dubhe/discovery";
import { VirtualClock } from "@dubhe/testing";
import { RegistryBench } from "./test-support/registry-bench.js";

const applications = (events: readonly MappingEvent[]): readonly string[] | undefined => {
  const last = events.filter((event) => event.kind === "mapping").at(-1);
  return last?.kind === "mapping" ? last.applications : undefined;
};
const count = (bench: RegistryBench, type: string): number =>
  bench.network.requests.filter((name) => name === type).length;

async function started() {
  const bench = new RegistryBench(new VirtualClock());
  bench.start();
  return bench;
}

test("a mapping that does not exist costs one listen and no read", async () => {
  const bench = await started();
  const events = bench.watchMapping(bench.open());
  await bench.clock.advance(1_000);
  assert.deepEqual(applications(events), []);
  assert.equal(count(bench, "ConfigBatchListenRequest"), 1);
  assert.equal(count(bench, "ConfigQueryRequest"), 0);
  bench.publish("shop, cart");
  await bench.clock.advance(1_000);
  assert.deepEqual(applications(events), ["shop", "cart"]);
  assert.equal(count(bench, "ConfigQueryRequest"), 1);
  await bench.end();
});

test("what was just written is never told as absent to who looks next, though the server's notice is late", async () => {
  const bench = await started();
  const registry = bench.open();
  bench.network.dropPush = (type) => type === "ConfigChangeNotifyRequest";
  const entry = registry.mapping.add("com.Foo", "shop");
  await bench.resolves(entry.state.until((state) => state === "confirmed"));
  const events = bench.watchMapping(registry);
  await bench.clock.advance(1_000);
  assert.deepEqual(
    events.map((event) => event.kind === "mapping" && event.applications),
    [["shop"]],
  );
  await bench.end();
});

test("nor while the server answers from before the write for a moment, as real ones do", async () => {
  const bench = await started();
  const registry = bench.open();
  bench.network.dropPush = (type) => type === "ConfigChangeNotifyRequest";
  showLate(bench, 40, { resultCode: 500, errorCode: 300, message: "config data not exist", success: false });
  const entry = registry.mapping.add("com.Foo", "shop");
  await bench.resolves(entry.state.until((state) => state === "confirmed"));
  const events = bench.watchMapping(registry);
  await bench.clock.advance(1_000);
  assert.deepEqual(
    events.map((event) => event.kind === "mapping" && event.applications),
    [["shop"]],
  );
  await bench.end();
});

test("what is put back counts as one healing, however late the server shows it", async () => {
  const bench = await started();
  const registry = bench.open();
  const entry = registry.mapping.add("com.Foo", "shop");
  await bench.resolves(entry.state.until((state) => state === "confirmed"));
  await bench.clock.advance(1_000);
  bench.publish("theirs");
  const { body } = bench.network.ask(bench.server, "ConfigQueryRequest", {
    tenant: "",
    group: "mapping",
    dataId: "com.Foo",
  });
  showLate(bench, 40, { ...body });
  await bench.clock.advance(2_000);
  assert.deepEqual([bench.config(), entry.state.value], ["theirs,shop", "confirmed"]);
  const { kept } = registry.inspect() as { kept: { counters: { healed: number } } };
  assert.equal(kept.counters.healed, 1);
  await bench.end();
});

/** For so long after a publish queries are answered with this. */
function showLate(bench: RegistryBench, ms: number, old: Record<string, unknown>): void {
  let shownAt = 0;
  bench.network.corrupt = (type, body) => {
    if (type === "ConfigPublishResponse") shownAt = bench.clock.now() + ms;
    return type === "ConfigQueryResponse" && bench.clock.now() < shownAt ? old : body;
  };
}

test("who watches after the first refusal is told why as well", async () => {
  const bench = await started();
  const registry = bench.open();
  const entry = registry.mapping.add("com.Foo Inner", "shop");
  await bench.resolves(entry.state.until((state) => state === "failed"));
  const events = bench.watchMapping(registry, "com.Foo Inner");
  await bench.clock.advance(100);
  assert.match(events[0]?.kind === "error" ? events[0].error.message : "", /'dataId' is illegal/);
  await bench.end();
});

test("three hundred interfaces are listened to by few requests, and one illegal name hides no other", async () => {
  const bench = await started();
  const consumer = bench.open();
  const good = Array.from({ length: 300 }, (_, n) => bench.watchMapping(consumer, `com.Foo${n}`));
  const bad = bench.watchMapping(consumer, "com.Foo Inner");
  await bench.clock.advance(2_000);
  assert.ok(good.every((events) => applications(events)?.length === 0));
  assert.ok(count(bench, "ConfigBatchListenRequest") <= 5, `${count(bench, "ConfigBatchListenRequest")} requests`);
  assert.ok(bad.length === 1 && bad[0]?.kind === "error" && /'dataId' is illegal/.test(bad[0].error.message));
  await bench.end();
});

test("after a reconnect only what changed is read, and a change during the outage is seen at once (D-52)", async () => {
  const bench = await started();
  const consumer = bench.open();
  for (let n = 0; n < 20; n++) bench.publish("shop", `com.Foo${n}`);
  const all = Array.from({ length: 20 }, (_, n) => bench.watchMapping(consumer, `com.Foo${n}`));
  await bench.clock.advance(6_000);
  bench.network.requests.length = 0;
  bench.network.breakLinks(bench.server);
  bench.publish("shop,cart", "com.Foo7");
  await bench.clock.advance(2_000);
  assert.deepEqual(applications(all[7] ?? []), ["shop", "cart"]);
  assert.equal(count(bench, "ConfigQueryRequest"), 1);
  await bench.end();
});

test("a lost notification is found by listening again", async () => {
  const bench = await started();
  const events = bench.watchMapping(bench.open());
  await bench.clock.advance(1_000);
  bench.network.dropPush = (type) => type === "ConfigChangeNotifyRequest";
  bench.publish("shop");
  await bench.clock.advance(100_000);
  assert.deepEqual(applications(events), []);
  await bench.clock.advance(130_000);
  assert.deepEqual(applications(events), ["shop"]);
  await bench.end();
});

test("an answer without content is an error, and nothing is written on the strength of it", async () => {
  const bench = await started();
  bench.publish("theirs");
  bench.network.corrupt = (type, body) => {
    if (type !== "ConfigQueryResponse") return body;
    const { content, md5, ...rest } = body;
    return rest;
  };
  const registry = bench.open();
  const events = bench.watchMapping(registry);
  const entry = registry.mapping.add("com.Foo", "ours");
  await bench.clock.advance(1_000);
  assert.ok(events.length > 0 && events.every(({ kind }) => kind === "error"), JSON.stringify(events));
  assert.equal(entry.state.value, "failed");
  assert.equal(bench.config(), "theirs");
  bench.network.corrupt = (type, body) => {
    if (type !== "ConfigQueryResponse") return body;
    const { md5, ...rest } = body;
    return rest; // content, but no md5: the write must have a condition all the same
  };
  await bench.resolves(entry.state.until((state) => state === "confirmed"));
  assert.equal(bench.config(), "theirs,ours");
  assert.ok(bench.network.requests.includes("ConfigPublishRequest"));
  await bench.end();
});

test("after an error the same mapping is told again: it is good news", async () => {
  const bench = await started();
  bench.publish("shop");
  const events = bench.watchMapping(bench.open());
  await bench.clock.advance(1_000);
  assert.equal(events.at(-1)?.kind, "mapping");
  let faults = 1;
  bench.network.fault = (type) => (type === "ConfigQueryRequest" && faults-- > 0 ? new Error("injected") : undefined);
  bench.network.push(bench.server, "ConfigChangeNotifyRequest", { tenant: "", group: "mapping", dataId: "com.Foo" });
  await bench.clock.advance(5_000);
  assert.deepEqual(
    events.slice(-2).map(({ kind }) => kind),
    ["error", "mapping"],
  );
  await bench.end();
});

test("the last listener leaves while another comes: the survivor hears (D-32)", async () => {
  for (let delay = 0; delay < 12; delay++) {
    const bench = await started();
    const consumer = bench.open();
    const first = consumer.mapping.watch("com.Foo", () => undefined);
    await bench.clock.advance(100);
    const left = first[Symbol.asyncDispose]();
    if (delay > 0) await bench.clock.advance(delay);
    const events = bench.watchMapping(consumer);
    await bench.resolves(left);
    await bench.clock.advance(50);
    bench.publish("shop");
    await bench.clock.advance(100);
    assert.deepEqual(applications(events), ["shop"], `after ${delay} ms`);
    await bench.end();
  }
});

test("a watcher and a writer of one interface share the listener; each leaves alone (D-16)", async () => {
  const bench = await started();
  const registry = bench.open();
  const events = bench.watchMapping(registry);
  const entry = registry.mapping.add("com.Foo", "shop");
  await bench.clock.advance(500);
  assert.equal(entry.state.value, "confirmed");
  await bench.resolves(entry[Symbol.asyncDispose]());
  bench.publish("shop,cart");
  await bench.clock.advance(100);
  assert.deepEqual(applications(events), ["shop", "cart"]);
  await bench.end();
});

test("first writers without a condition, and an overwriting one: our application is in it at the end (D-12, D-13)", async () => {
  const bench = await started();
  const registry = bench.open();
  bench.network.fault = (type) => {
    // Somebody writes, without looking, between our read and our write: once.
    if (type === "ConfigPublishRequest" && bench.config() === undefined) bench.publish("go-app");
    return undefined;
  };
  const entry = registry.mapping.add("com.Foo", "shop");
  await bench.clock.advance(3_000);
  assert.equal(entry.state.value, "confirmed");
  assert.equal(bench.config(), "go-app,shop");
  bench.publish("go-app");
  await bench.clock.advance(1_000);
  assert.equal(bench.config(), "go-app,shop", "it was lost, and is healed");
  await bench.end();
});

test("what is wiped is written again, until the entry is disposed", async () => {
  const bench = await started();
  const registry = bench.open();
  const entry = registry.mapping.add("com.Foo", "shop");
  await bench.clock.advance(6_000);
  bench.network.kill(bench.server);
  await bench.clock.advance(500);
  assert.equal(entry.state.value, "pending");
  bench.start();
  await bench.clock.advance(3_000);
  assert.equal(bench.config(), "shop");
  await bench.resolves(entry[Symbol.asyncDispose]());
  bench.network.ask(bench.server, "ConfigRemoveRequest", { tenant: "", group: "mapping", dataId: "com.Foo" });
  await bench.clock.advance(3_000);
  assert.equal(bench.config(), undefined);
  await bench.end();
});

test("what is wiped before the notification of its own publish comes is written again", async () => {
  const bench = await started();
  const registry = bench.open();
  const events = bench.watchMapping(registry);
  const entry = registry.mapping.add("com.Foo", "shop");
  for (let waited = 0; entry.state.value !== "confirmed"; waited++) {
    assert.ok(waited < 1_000);
    await bench.clock.advance(1);
  }
  // One notification for both: what it makes us read is what we had before.
  bench.network.ask(bench.server, "ConfigRemoveRequest", { tenant: "", group: "mapping", dataId: "com.Foo" });
  await bench.clock.advance(1_000);
  assert.equal(bench.config(), "shop");
  assert.deepEqual(applications(events), ["shop"]);
  await bench.end();
});

test("to dispose of a watch twice does not let go of the next one", async () => {
  const bench = await started();
  const registry = bench.open();
  const watches = [
    () => registry.mapping.watch("com.Foo", () => undefined),
    () => registry.configuration.watch("dubbo", "com.Foo", () => undefined),
  ];
  for (const watch of watches) {
    const first = watch();
    const gone = first[Symbol.asyncDispose]();
    watch();
    await bench.resolves(Promise.all([gone, first[Symbol.asyncDispose]()]));
    assert.throws(watch, /watched already/);
  }
  await bench.end();
});

test("a server that shows a publish late is waited for, and not written to again", async () => {
  const bench = await started();
  const registry = bench.open();
  let shownAt = Infinity;
  bench.network.corrupt = (type, body) => {
    if (type === "ConfigPublishResponse") shownAt = Math.min(shownAt, bench.clock.now() + 1_500);
    if (type !== "ConfigQueryResponse" || bench.clock.now() >= shownAt) return body;
    return { resultCode: 500, errorCode: 300, message: "config data not exist", success: false };
  };
  const entry = registry.mapping.add("com.Foo", "shop");
  await bench.clock.advance(1_000);
  assert.equal(entry.state.value, "pending", "what cannot be read is not confirmed");
  await bench.clock.advance(2_000);
  assert.equal(entry.state.value, "confirmed");
  assert.equal(count(bench, "ConfigPublishRequest"), 1);
  await bench.end();
});

test("a server that refuses for ever the very md5 that it tells is written to without a condition", async () => {
  const bench = await started();
  bench.publish("go-app");
  bench.network.fault = (type, body) => {
    if (type !== "ConfigPublishRequest" || body.casMd5 === "") return undefined;
    const message = "Cas publish fail, server md5 may have changed.";
    return { type: "ConfigPublishResponse", body: { resultCode: 500, errorCode: 500, message, success: false } };
  };
  const registry = bench.open();
  const entry = registry.mapping.add("com.Foo", "shop");
  await bench.clock.advance(2_500);
  assert.equal(entry.state.value, "pending", "not before it is certain that nobody else is writing");
  await bench.clock.advance(10_000);
  assert.equal(entry.state.value, "confirmed");
  assert.equal(bench.config(), "go-app,shop");
  await bench.end();
});

test("metadata is published once, found under both places, and garbage there is an error", async () => {
  const bench = await started();
  const registry = bench.open();
  const { signal } = new AbortController();
  const info = createMetadataInfo({ app: "shop", services: [{ name: "com.Foo" }] });
  const entry = registry.metadata.publish(info);
  await bench.clock.advance(500);
  assert.equal(entry.state.value, "confirmed");
  assert.equal(count(bench, "ConfigPublishRequest"), 2, "where dubbo-java looks, and where dubbo-go before 3.1 does");
  const text = bench.config("shop", info.revision);
  assert.ok(text !== undefined && text === bench.config(`shop:${info.revision}`, "DEFAULT_GROUP"));
  assert.deepEqual(await bench.resolves(registry.metadata.fetch("shop", info.revision, signal)), info);
  bench.publish('{"app":"go","revision":"r","services":{}}', "go:r", "DEFAULT_GROUP");
  assert.equal(
    (await bench.resolves(registry.metadata.fetch("go", "r", signal)))?.app,
    "go",
    "where dubbo-go keeps its second copy",
  );
  bench.publish("<html>", "bad", "r");
  await assert.rejects(
    bench.resolves(registry.metadata.fetch("bad", "r", signal)),
    /metadata of bad, revision r: metadata is not JSON/,
  );
  await bench.end();
});

test("inspect tells the state, and no secret", async () => {
  const bench = await started();
  const registry = bench.open({ username: "nacos", password: "s3cret" });
  registry.mapping.add("com.Foo", "shop");
  registry.register(bench.instance(1));
  bench.watch(registry);
  await bench.clock.advance(100);
  const text = JSON.stringify(registry.inspect());
  assert.ok(!text.includes("s3cret"));
  for (const part of ["com.Foo", "10.0.0.1:1", "confirmed", "settled"])
    assert.ok(text.includes(part), `${part} in ${text}`);
  await bench.end();
});

test("metadata that one of its places gives is used, whatever is wrong with the other", async () => {
  const bench = await started();
  const registry = bench.open();
  const { signal } = new AbortController();
  const good = '{"app":"shop","revision":"r","services":{}}';
  const places = [
    { dataId: "shop", group: "r" },
    { dataId: "shop:r", group: "DEFAULT_GROUP" },
  ];
  for (const [at, wrong] of places.entries()) {
    const right = places[1 - at] ?? wrong;
    bench.publish("{", wrong.dataId, wrong.group);
    await assert.rejects(bench.resolves(registry.metadata.fetch("shop", "r", signal)), /not JSON/);
    bench.publish(good, right.dataId, right.group);
    assert.equal((await bench.resolves(registry.metadata.fetch("shop", "r", signal)))?.app, "shop");
    bench.network.fault = (type, { dataId }) =>
      type === "ConfigQueryRequest" && dataId === wrong.dataId
        ? {
            type: "ConfigQueryResponse",
            body: { resultCode: 500, errorCode: 403, message: "authorization failed", success: false },
          }
        : undefined;
    assert.equal((await bench.resolves(registry.metadata.fetch("shop", "r", signal)))?.app, "shop");
    bench.network.ask(bench.server, "ConfigRemoveRequest", { tenant: "", ...right });
    await assert.rejects(bench.resolves(registry.metadata.fetch("shop", "r", signal)), /authorization failed/);
    bench.network.fault = () => undefined;
    bench.network.ask(bench.server, "ConfigRemoveRequest", { tenant: "", ...wrong });
  }
  await bench.end();
});
