import assert from "node:assert/strict";
import { test } from "node:test";
import type { RegistrySession, SessionInstances } from "@dubhe/discovery";
import { ModelRegistryServer } from "./model-registry-server.js";
import { testRuntime } from "./test-runtime.js";
import type { VirtualClock } from "./virtual-clock.js";

const never = new AbortController().signal;

function model(options: ConstructorParameters<typeof ModelRegistryServer>[1] = {}): {
  readonly clock: VirtualClock;
  readonly server: ModelRegistryServer;
  readonly session: RegistrySession;
} {
  const { runtime, clock } = testRuntime();
  const server = new ModelRegistryServer(runtime, options);
  return { clock, server, session: server.connect("client") };
}

async function within<T>(clock: VirtualClock, ms: number, promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  await clock.advance(ms);
  return promise;
}

test("a read right after a change may show what was true before it; a later one does not", async () => {
  const { clock, server, session } = model();
  server.put({ application: "shop", host: "a", port: 1 });
  await clock.advance(1_000);
  let late = 0;
  for (let n = 0; n < 20; n++) {
    server.put({ application: "shop", host: "b", port: 1 + n });
    const size = server.addresses("shop").length;
    const read = await within(clock, 50, session.readInstances("shop", never));
    if (read.instances.length < size) late++;
    await clock.advance(400);
    assert.equal((await within(clock, 50, session.readInstances("shop", never))).instances.length, size);
  }
  assert.ok(late > 5 && late < 20, `${late} of 20 were late`);
});

test("changes of half a second are one push; pushes may overtake each other, and their seq tells", async () => {
  const { clock, server, session } = model({ latencyMs: [1, 400], pushMergeMs: 100 });
  const pushes: SessionInstances[] = [];
  await within(
    clock,
    1_000,
    session.watchInstances("shop", (list) => pushes.push(list), never),
  );
  for (let n = 1; n <= 50; n++) {
    server.put({ application: "shop", host: "a", port: n });
    await clock.advance(20);
  }
  await clock.advance(1_000);
  assert.ok(pushes.length <= 11, `${pushes.length} pushes`);
  const seqs = pushes.map(({ seq }) => seq);
  assert.notDeepEqual(
    seqs,
    seqs.slice().sort((a, b) => a - b),
    "some came out of order",
  );
  const newest = pushes.find(({ seq }) => seq === Math.max(...seqs));
  assert.equal(newest?.instances.length, 50);
});

test("a watch that is armed when a change is not visible to reads yet is pushed the change", async () => {
  const { clock, server, session } = model({ lateReadMs: 300 });
  server.put({ application: "shop", host: "a", port: 1 });
  const pushes: SessionInstances[] = [];
  await within(
    clock,
    50,
    session.watchInstances("shop", (list) => pushes.push(list), never),
  );
  await clock.advance(1_000);
  assert.deepEqual(
    pushes.map(({ instances }) => instances.length),
    [1],
  );
});

test("what a vanished client registered stays for a while; what was taken over stays for good", async () => {
  const { clock, server, session } = model({ sessionTimeoutMs: 10_000 });
  const instance = { ...server.put({ application: "other", host: "x", port: 1 }), application: "shop" };
  await within(clock, 50, session.register(instance, never));
  await within(clock, 50, session.register({ ...instance, port: 2 }, never));
  server.dropSessions();
  await clock.advance(5_000);
  assert.equal(server.addresses("shop").length, 2);
  const next = server.connect("client");
  await within(clock, 50, next.register(instance, never));
  await clock.advance(6_000);
  assert.deepEqual(server.addresses("shop"), ["x:1"]);
});

test("a cut off client gets no answers and no pushes, and notices after a while", async () => {
  const { clock, server, session } = model({ detectMs: 5_000, sessionTimeoutMs: 10_000 });
  let ended: Error | undefined;
  session.onEnd((reason) => {
    ended = reason;
  });
  let pushes = 0;
  await within(
    clock,
    50,
    session.watchInstances("shop", () => pushes++, never),
  );
  const registered = server.put({ application: "other", host: "x", port: 1 });
  await within(clock, 50, session.register({ ...registered, application: "mine" }, never));
  server.cutOff("client");
  let answered = false;
  const read = session.readInstances("shop", never).finally(() => {
    answered = true;
  });
  read.catch(() => undefined);
  server.put({ application: "shop", host: "a", port: 1 });
  await clock.advance(4_000);
  assert.deepEqual([answered, pushes, ended], [false, 0, undefined]);
  await clock.advance(2_000);
  assert.equal(ended?.message, "no answer to keep-alive");
  await assert.rejects(read, /keep-alive/);
  assert.deepEqual(server.addresses("mine"), ["x:1"]);
  await clock.advance(5_000);
  assert.deepEqual(server.addresses("mine"), []);
});

test("an expired session fails at its next request", async () => {
  const { clock, server, session } = model();
  server.expireSessions("client");
  await assert.rejects(within(clock, 50, session.readInstances("shop", never)), /expired/);
});

test("compare-and-set lets one of two writers win", async () => {
  const { clock, server, session } = model();
  const read = await within(clock, 50, session.readMapping("a.A", never));
  const results = await within(
    clock,
    50,
    Promise.all(["x", "y"].map((value) => session.writeMapping("a.A", value, read, never))),
  );
  assert.deepEqual(results.slice().sort(), [false, true]);
  assert.equal(server.counters.mappingConflicts, 1);
});

test("the same seed is the same story", async () => {
  const stories = await Promise.all(
    [1, 1, 2].map(async (seed) => {
      const { clock, server, session } = model({ seed, failureRate: 0.3 });
      const story: string[] = [];
      for (let n = 0; n < 20; n++) {
        server.put({ application: "shop", host: "a", port: 1 + n });
        const from = clock.now();
        let done = false;
        const read = session.readInstances("shop", never).then(
          (list) => `${list.instances.length}`,
          () => "failed",
        );
        void read.then(() => {
          done = true;
        });
        while (!done) await clock.advance(1);
        story.push(`${await read} after ${clock.now() - from}`);
      }
      return story.join();
    }),
  );
  assert.equal(stories[0], stories[1]);
  assert.notEqual(stories[0], stories[2]);
});
