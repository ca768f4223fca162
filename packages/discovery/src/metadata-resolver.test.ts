import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeProviders, ScriptedRegistry, testRuntime } from "@dubhe/testing";
import { DiscoveryHub } from "./discovery-events.js";
import { type DiscoveryOptions, discoverySettings } from "./discovery-options.js";
import { type Instance, revisionOf } from "./instance.js";
import { type ApplicationMetadata, MetadataResolver, type RevisionWish } from "./metadata-resolver.js";
import type { MetadataReport } from "./registry.js";

class Bench {
  readonly world = testRuntime();
  readonly clock = this.world.clock;
  readonly providers: FakeProviders = new FakeProviders(this.clock);
  readonly hub: DiscoveryHub = new DiscoveryHub(this.world.runtime);
  readonly registry: ScriptedRegistry;
  readonly resolver: MetadataResolver;
  readonly app: ApplicationMetadata;
  changes = 0;

  constructor(options: DiscoveryOptions = {}, metadata?: MetadataReport) {
    this.registry = new ScriptedRegistry(this.world.runtime, metadata === undefined ? {} : { metadata });
    this.resolver = new MetadataResolver(
      this.world.runtime,
      discoverySettings(options),
      this.hub,
      this.providers.fetch,
    );
    this.app = this.resolver.application(this.registry, "shop");
  }

  want(candidates: () => readonly Instance[], spread = false): RevisionWish {
    const revision = revisionOf(candidates()[0] as Instance);
    return this.app.want({ revision, spread, candidates, changed: () => this.changes++ });
  }
}

test("D-39: one fetch for a revision, whatever the number of its instances", async () => {
  const bench = new Bench();
  const instances = Array.from({ length: 100 }, (_, n) => bench.providers.instance({ port: 1 + n }, ["a.A"]));
  const wish = bench.want(() => instances);
  assert.equal(wish.state.kind, "pending");
  await bench.clock.settle();
  assert.equal(wish.state.kind, "resolved");
  assert.equal(bench.providers.asked.length, 1);
  assert.equal(bench.changes, 1);
});

test("D-39: when one instance does not answer, another is asked next", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const bench = new Bench();
    const dead = bench.providers.instance({ port: 1 }, ["a.A"]);
    const alive = bench.providers.instance({ port: 2 }, ["a.A"]);
    bench.providers.behave(dead, "refuses");
    const wish = bench.want(() => [dead, alive]);
    await bench.clock.advance(100);
    assert.equal(wish.state.kind, "resolved");
    assert.ok(bench.providers.asked.length <= 2);
  }
});

test("D-35: a failed revision is retried with backoff until it is resolved, without any event", async () => {
  const bench = new Bench();
  const instance = bench.providers.instance({ port: 1 }, ["a.A"]);
  bench.providers.behave(instance, "refuses");
  const wish = bench.want(() => [instance]);
  await bench.clock.advance(60_000);
  assert.ok(wish.state.kind === "failed");
  assert.match(wish.state.error.message, /ECONNREFUSED/);
  const asked = bench.providers.asked.length;
  assert.ok(asked >= 8 && asked <= 40, `asked ${asked} times in a minute`);
  assert.ok((wish.retryAt ?? 0) > bench.clock.now());
  bench.providers.behave(instance, "answers");
  await bench.clock.advance(10_000);
  assert.equal(wish.state.kind, "resolved");
});

test("D-37: retries end when nobody wants the revision, and ask only who has it now", async () => {
  const bench = new Bench();
  const old = bench.providers.instance({ port: 1 }, ["a.A"]);
  const fresh = bench.providers.instance({ port: 2 }, ["a.A"]);
  bench.providers.behave(old, "hangs");
  let candidates = [old];
  const wish = bench.want(() => candidates);
  await bench.clock.advance(1_000);
  candidates = [fresh];
  wish.candidatesChanged();
  await bench.clock.advance(5_100);
  assert.equal(wish.state.kind, "resolved", "within one limit of a fetch");
  const other = bench.providers.instance({ port: 3 }, ["b.B"]);
  bench.providers.behave(other, "refuses");
  const wish2 = bench.want(() => [other]);
  await bench.clock.advance(1_000);
  wish2[Symbol.dispose]();
  const asked = bench.providers.asked.length;
  await bench.clock.advance(100_000);
  assert.equal(bench.providers.asked.length, asked);
  assert.equal(bench.clock.pendingTimers, 0);
});

test("a new candidate is asked at once, without waiting for the backoff", async () => {
  const bench = new Bench({ metadataBackoff: { initialMs: 50_000, jitter: 0 } });
  const dead = bench.providers.instance({ port: 1 }, ["a.A"]);
  bench.providers.behave(dead, "refuses");
  let candidates = [dead];
  const wish = bench.want(() => candidates);
  await bench.clock.advance(10);
  assert.equal(wish.state.kind, "failed");
  candidates = [dead, bench.providers.instance({ port: 2 }, ["a.A"])];
  wish.candidatesChanged();
  await bench.clock.advance(10);
  assert.equal(wish.state.kind, "resolved");
});

test("a candidate that comes while the revision resolves causes no second fetch", async () => {
  const bench = new Bench({ metadataBackoff: { initialMs: 10, jitter: 0 } });
  const dead = bench.providers.instance({ port: 1 }, ["a.A"]);
  bench.providers.behave(dead, "refuses");
  bench.providers.answerMs = () => 100;
  const wish = bench.want(() => [dead]);
  await bench.clock.advance(105);
  bench.providers.behave(dead, "answers");
  await bench.clock.advance(50);
  assert.equal(wish.state.kind, "failed");
  wish.candidatesChanged();
  await bench.clock.advance(1_000);
  assert.equal(wish.state.kind, "resolved");
  assert.equal(bench.providers.asked.length, 2);
});

test("an instance that hangs is given up after its limit; what it answers later is dropped", async () => {
  const bench = new Bench({ metadataTimeoutMs: 2_000 });
  const instance = bench.providers.instance({ port: 1 }, ["a.A"]);
  bench.providers.behave(instance, "hangs");
  const wish = bench.want(() => [instance]);
  const kinds: string[] = [];
  for (const ms of [1_999, 1]) {
    await bench.clock.advance(ms);
    kinds.push(wish.state.kind);
  }
  assert.deepEqual(kinds, ["pending", "failed"]);
  assert.equal(bench.providers.pending, 0, "the fetch was aborted");
});

test("answers that are no metadata, or of another revision, are refused with a reason", async () => {
  for (const [behaviour, reason] of [
    ["answers garbage", /answered no metadata/],
    ["answers another revision", /answered revision ffff instead/],
  ] as const) {
    const bench = new Bench();
    const instance = bench.providers.instance({ port: 1 }, ["a.A"]);
    bench.providers.behave(instance, behaviour);
    const wish = bench.want(() => [instance]);
    await bench.clock.settle();
    assert.ok(wish.state.kind === "failed");
    assert.match(wish.state.error.message, reason);
  }
});

test("local metadata that its instance does not give is read from the report, after a failure at once, else after 1 s", async () => {
  const bench = new Bench(
    {},
    {
      fetch: async (app, revision) => (revision === "none" ? undefined : { app, revision, services: [] }),
      publish: () => {
        throw new Error("not used here");
      },
    },
  );
  const refuses = bench.providers.instance({ port: 1 }, ["a.A"]);
  const hangs = bench.providers.instance({ port: 2 }, ["b.B"]);
  bench.providers.behave(refuses, "refuses");
  bench.providers.behave(hangs, "hangs");
  const wishes = [refuses, hangs].map((instance) => bench.want(() => [instance]));
  await bench.clock.settle();
  assert.deepEqual(
    wishes.map((wish) => wish.state.kind),
    ["resolved", "pending"],
  );
  await bench.clock.advance(1_100);
  assert.equal(wishes[1]?.state.kind, "resolved");
  await bench.clock.settle();
  assert.equal(bench.providers.pending, 0, "the one that hangs is asked no longer");
});

test("remote metadata whose report is silent is asked of the instance after 1 s", async () => {
  const bench = new Bench(
    {},
    {
      fetch: (_app, _revision, signal) =>
        new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
      publish: () => {
        throw new Error("not used here");
      },
    },
  );
  const instance = bench.providers.instance({ port: 1, metadata: { "dubbo.metadata.storage-type": "remote" } }, [
    "a.A",
  ]);
  const wish = bench.want(() => [instance]);
  await bench.clock.advance(900);
  assert.equal(wish.state.kind, "pending");
  await bench.clock.advance(200);
  assert.equal(wish.state.kind, "resolved");
});

test("D-44: metadata of storage type remote comes from the report; without it there, from the instance", async () => {
  const stored = new Map<string, string>();
  let reads = 0;
  const report: MetadataReport = {
    fetch: async (app, revision) => {
      reads++;
      const name = stored.get(revision);
      if (name === "broken") throw new Error("no connection");
      return name === undefined ? undefined : { app, revision, services: [] };
    },
    publish: () => {
      throw new Error("not used here");
    },
  };
  const bench = new Bench({}, report);
  const remote = { "dubbo.metadata.storage-type": "remote" };
  const there = bench.providers.instance({ port: 1, metadata: remote }, ["a.A"]);
  stored.set(revisionOf(there), "there");
  const missing = bench.providers.instance({ port: 2, metadata: remote }, ["b.B"]);
  const broken = bench.providers.instance({ port: 3, metadata: remote }, ["c.C"]);
  stored.set(revisionOf(broken), "broken");
  const hopeless = bench.providers.instance({ port: 4, metadata: remote }, ["d.D"]);
  bench.providers.behave(hopeless, "refuses");
  const local = bench.providers.instance({ port: 5 }, ["e.E"]);
  const wishes = [there, missing, broken, hopeless, local].map((instance) => bench.want(() => [instance]));
  await bench.clock.settle();
  assert.deepEqual(
    wishes.map((wish) => wish.state.kind),
    ["resolved", "resolved", "resolved", "failed", "resolved"],
  );
  assert.equal(reads, 4, "local is not read from the report");
  assert.deepEqual(
    [there, missing, broken].map((instance) => bench.providers.askedOf(instance)),
    [0, 1, 1],
  );
  const state = wishes[3]?.state;
  assert.match(
    state?.kind === "failed" ? state.error.message : "",
    /the metadata report has none; connect ECONNREFUSED/,
  );
});

test("what is resolved is cached by registry, application and revision (D-24), within a bound", async () => {
  const bench = new Bench({ metadataCacheSize: 2 });
  const instances = ["a.A", "b.B", "c.C"].map((name, n) => bench.providers.instance({ port: 1 + n }, [name]));
  for (const instance of instances) {
    const wish = bench.want(() => [instance]);
    await bench.clock.settle();
    wish[Symbol.dispose]();
  }
  assert.equal(bench.providers.asked.length, 3);
  for (const n of [1, 2]) {
    const wish = bench.want(() => [instances[n] as Instance]);
    assert.equal(wish.state.kind, "resolved", "from the cache, at once");
    wish[Symbol.dispose]();
  }
  bench.want(() => [instances[0] as Instance]);
  const otherRegistry = bench.resolver.application(new ScriptedRegistry(bench.world.runtime, { id: "other" }), "shop");
  const elsewhere = otherRegistry.want({
    revision: revisionOf(instances[2] as Instance),
    spread: false,
    candidates: () => [instances[2] as Instance],
    changed: () => undefined,
  });
  assert.equal(elsewhere.state.kind, "pending", "another registry is asked anew");
  await bench.clock.settle();
  assert.equal(bench.providers.asked.length, 5);
});

test("D-78: at most so many fetches of one application at a time, and another application does not wait for them", async () => {
  const bench = new Bench({ metadataConcurrency: 4 });
  for (let n = 0; n < 20; n++) {
    const instance = bench.providers.instance({ port: 1 + n }, [`a.A${n}`]);
    bench.providers.behave(instance, "hangs");
    bench.want(() => [instance]);
  }
  await bench.clock.settle();
  assert.equal(bench.providers.pending, 4);
  const other = bench.resolver.application(bench.registry, "other");
  const good = bench.providers.instance({ application: "other", port: 99 }, ["b.B"]);
  const wish = other.want({
    revision: revisionOf(good),
    spread: false,
    candidates: () => [good],
    changed: () => undefined,
  });
  await bench.clock.settle();
  assert.equal(wish.state.kind, "resolved");
});

test("silent peers give up their places: as many as there are do not keep another revision from being asked", async () => {
  const bench = new Bench({ metadataConcurrency: 4 });
  for (let n = 0; n < 20; n++) {
    const instance = bench.providers.instance({ port: 1 + n }, [`a.A${n}`]);
    bench.providers.behave(instance, "hangs");
    bench.want(() => [instance]);
  }
  const good = bench.providers.instance({ port: 99 }, ["b.B"]);
  const wish = bench.want(() => [good]);
  await bench.clock.advance(299);
  assert.equal(bench.providers.pending, 4);
  assert.equal(wish.state.kind, "pending");
  await bench.clock.advance(1_201);
  assert.equal(wish.state.kind, "resolved");
  assert.equal(bench.providers.pending, 20);
  bench.app.close();
  await bench.clock.settle();
  assert.equal(bench.providers.pending, 0);
  assert.equal(bench.clock.pendingTimers, 0);
});

test("D-40: fetches of a revision that comes while others are in use start spread over time", async () => {
  const starts: number[] = [];
  for (let seed = 1; seed <= 50; seed++) {
    const bench = new Bench({ metadataJitterMs: 100 });
    for (let n = 0; n < seed; n++) bench.world.random.next();
    const instance = bench.providers.instance({ port: 1 }, ["a.A"]);
    const wish = bench.want(() => [instance], true);
    const from = bench.clock.now();
    while (wish.state.kind === "pending") await bench.clock.advance(5);
    starts.push(bench.clock.now() - from);
  }
  assert.ok(Math.max(...starts) <= 105);
  assert.ok(new Set(starts).size > 10, `they start after ${starts.join(", ")} ms`);
});

test("close aborts what is under way and leaves no timer", async () => {
  const bench = new Bench();
  for (const behaviour of ["hangs", "refuses"] as const) {
    const instance = bench.providers.instance({ port: behaviour === "hangs" ? 1 : 2 }, [behaviour]);
    bench.providers.behave(instance, behaviour);
    bench.want(() => [instance]);
  }
  await bench.clock.advance(1_000);
  bench.app.close();
  const { changes } = bench;
  await bench.clock.settle();
  assert.equal(bench.providers.pending, 0);
  assert.equal(bench.clock.pendingTimers, 0);
  assert.equal(bench.changes, changes);
  assert.deepEqual(bench.world.reports, []);
});
