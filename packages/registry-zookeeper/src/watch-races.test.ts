import assert from "node:assert/strict";
import { test } from "node:test";
import { testRuntime } from "@dubhe/testing";
import { Directory } from "./directory.js";
import { NodeWatch } from "./node-watch.js";
import { OwnedNodes } from "./owned-nodes.js";
import type { WatchEvent } from "./protocol.js";
import type { ZookeeperSession } from "./session.js";
import { sessionBench } from "./test-support/session-bench.js";

// What is between a request that sets a watch and its answer: a server has one watch a path, however many wait for it here.

const ignore = (): void => undefined;

function directory(
  runtime: Parameters<typeof sessionBench>[0]["runtime"],
  session: ZookeeperSession,
): Directory<string> {
  const options = { recursive: false, data: true, decode: (name: string) => name, unreadable: (name: string) => name };
  return new Directory(runtime, session, "/app", options, ignore);
}

test("one stops listening to a path while another begins: the other one hears", async () => {
  const b = sessionBench(testRuntime());
  const session = await b.open();
  b.server.tree.put("/a", "1");
  const events: WatchEvent[] = [];
  const first = (): void => undefined;
  await b.run(session.getData("/a", undefined, first));
  const [, removed] = [
    session.getData("/a", undefined, (event) => events.push(event)),
    session.removeWatches("/a", first),
  ];
  await b.run(removed);
  b.server.tree.put("/a", "2");
  await b.clock.advance(10);
  assert.equal(events.length, 1);
  await b.run(session.close());
});

test("a listener that goes while its watch is being set is forgotten, at the server too", async () => {
  const b = sessionBench(testRuntime());
  const session = await b.open();
  b.server.tree.put("/a", "1");
  const request = session.getData("/a", undefined, ignore);
  await b.run(session.removeWatches("/a", ignore));
  await b.run(request);
  assert.deepEqual([b.server.watches, session.watches.size], [0, 0]);
  // Nor does one come back whose request nobody waited for.
  const controller = new AbortController();
  const aborted = session.exists("/b", controller.signal, ignore);
  controller.abort(new Error("enough"));
  await assert.rejects(aborted, /enough/);
  await b.run(session.removeWatches("/b", ignore));
  assert.deepEqual([b.server.watches, session.watches.size], [0, 0]);
  await b.run(session.close());
});

test("waiting for a watch to be set ends with the signal, and with the connection", async () => {
  const b = sessionBench(testRuntime());
  const session = await b.open();
  b.server.freeze();
  const request = session.exists("/b", undefined, ignore);
  const controller = new AbortController();
  const removed = session.removeWatches("/b", ignore, controller.signal);
  controller.abort(new Error("enough"));
  await assert.rejects(removed, /enough/);
  const again = session.removeWatches("/b", ignore);
  b.server.breakConnections();
  b.server.thaw();
  await assert.rejects(b.run(request), /connection lost/);
  await b.run(again);
  await b.clock.advance(1_000);
  assert.deepEqual([b.server.watches, session.watches.size], [0, 0]);
  await b.run(session.close());
});

test("a directory that goes at any moment of its reading leaves no watch (3.5)", async () => {
  for (let afterMs = 0; afterMs <= 8; afterMs++) {
    for (const exists of [true, false]) {
      const time = testRuntime();
      const b = sessionBench(time);
      b.server.recursive = false;
      const session = await b.open();
      if (exists) for (let n = 0; n < 5; n++) b.server.tree.put(`/app/${n}`, "1");
      const watched = directory(time.runtime, session);
      const read = watched.read();
      await b.clock.advance(afterMs);
      if (exists) b.server.tree.put("/app/3", "2");
      b.server.tree.put("/app/late", "1");
      await b.clock.advance(afterMs % 3);
      await b.run(watched.dispose());
      await b.run(read.catch(ignore));
      await b.clock.advance(100);
      assert.deepEqual([b.server.watches, session.watches.size], [0, 0], `after ${afterMs} ms, ${exists}`);
      await b.run(session.close());
    }
  }
});

test("a watch of one node that goes at any moment leaves nothing", async () => {
  for (let afterMs = 0; afterMs <= 6; afterMs++) {
    const b = sessionBench(testRuntime());
    const session = await b.open();
    const watch = new NodeWatch(session, "/a");
    watch.begin(ignore);
    const armed = watch.arm();
    await b.clock.advance(afterMs);
    if (afterMs > 2) b.server.tree.put("/a", "1");
    await b.clock.advance(afterMs % 3);
    await b.run(watch.dispose());
    await b.run(armed.catch(ignore));
    await b.clock.advance(100);
    assert.deepEqual([b.server.watches, session.watches.size], [0, 0], `after ${afterMs} ms`);
    await b.run(session.close());
  }
});

test("who waits for a foreign owner in vain leaves no watch, also when the server is slow", async () => {
  const time = testRuntime();
  const b = sessionBench(time);
  const session = await b.open("zookeeper://a:1?session=60000");
  b.server.tree.put("/a", "theirs", 77n);
  b.server.latencyMs = 300;
  const never = new AbortController().signal;
  for (const waitMs of [10, 500, 700, 2_000]) {
    const nodes = new OwnedNodes(time.runtime, session, waitMs);
    const put = nodes.put("/a", Buffer.from("ours"), "ours", String, never);
    await assert.rejects(b.run(put), /held by another owner/);
    await b.clock.advance(5_000);
    assert.deepEqual([b.server.watches, session.watches.size], [0, 0], `after ${waitMs} ms`);
  }
  await b.run(session.close());
});

test("a check of every child that is asked for during a list is one, whoever else waits", async () => {
  const time = testRuntime();
  const b = sessionBench(time);
  b.server.recursive = false;
  const session = await b.open();
  b.server.tree.put("/app/1", "1");
  const watched = directory(time.runtime, session);
  await b.run(watched.read());
  b.server.latencyMs = 10;
  b.server.tree.put("/app/2", "1"); // its list is under way
  await b.clock.advance(25);
  b.server.tree.put("/app/3", "1"); // another one will follow
  await b.clock.advance(15);
  const before = b.server.count("exists");
  await b.run(watched.read());
  assert.ok(b.server.count("exists") > before, "the children that were known are looked at");
  await b.run(watched.dispose());
  await b.run(session.close());
});

test("a node that is read while nobody watches it any more is not watched again", async () => {
  const b = sessionBench(testRuntime());
  const session = await b.open();
  b.server.tree.put("/a", "1");
  for (const path of ["/a", "/none"]) {
    const watch = new NodeWatch(session, path);
    watch.begin(ignore);
    await b.run(watch.arm());
    const [disposed, read] = [watch.dispose(), watch.arm()];
    await b.run(disposed);
    assert.equal((await b.run(read))?.data.toString(), path === "/a" ? "1" : undefined);
    assert.deepEqual([b.server.watches, session.watches.size], [0, 0], path);
  }
  await b.run(session.close());
});
