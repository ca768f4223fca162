import assert from "node:assert/strict";
import { test } from "node:test";
import { testRuntime } from "@dubhe/testing";
import { ConnectionLossError, isCode, RequestTooLargeError, SessionLostError } from "./errors.js";
import type { WatchEvent } from "./protocol.js";
import { sessionBench } from "./test-support/session-bench.js";

const DATA = Buffer.from("x");

test("a broken connection suspends; the next server resumes the same session, and nothing it holds has gone", async () => {
  const b = sessionBench(testRuntime());
  const session = await b.open();
  const { id } = session;
  await b.run(session.create("/a", DATA, { ephemeral: true }));
  b.server.breakConnections();
  await b.clock.advance(500);
  assert.deepEqual(b.seen, ["suspended", "resumed"]);
  assert.equal(session.id, id);
  assert.equal(b.server.handshakes, 2);
  assert.deepEqual(b.server.tree.ephemerals(), ["/a"]);
  await b.run(session.close());
});

test("while suspended, requests fail at once with a connection loss", async () => {
  const b = sessionBench(testRuntime());
  const session = await b.open();
  b.server.down.add(1).add(2);
  b.server.breakConnections();
  await b.clock.advance(100);
  assert.equal(session.state.kind, "suspended");
  await assert.rejects(session.exists("/a"), ConnectionLossError);
  b.server.down.clear();
  await b.clock.advance(5_000);
  assert.equal(session.state.kind, "connected");
  await b.run(session.close());
});

test("expiry: lost, told once, and every request rejects", async () => {
  const b = sessionBench(testRuntime());
  const session = await b.open();
  b.server.expire();
  await b.clock.advance(1_000);
  assert.deepEqual(b.seen, ["suspended", "lost"]);
  await assert.rejects(session.exists("/a"), SessionLostError);
  assert.equal(b.server.sessions, 0);
  assert.equal(b.server.connections, 0);
  await b.run(session.close());
  assert.deepEqual(b.seen, ["suspended", "lost"]);
});

test("a server that lost its data hangs up on us: asked after the timeout, it says that there is no such session", async () => {
  const b = sessionBench(testRuntime());
  const session = await b.open();
  for (let n = 0; n < 5; n++) await b.run(session.create(`/n${n}`, DATA));
  b.server.restart({ wipe: true });
  await b.clock.advance(5_000);
  assert.equal(session.state.kind, "suspended", "it may be one server that lags behind");
  await b.clock.advance(5_000);
  assert.deepEqual(b.seen, ["suspended", "lost"]);
});

test("servers without a quorum hang up on everybody, for as long as it takes: the session stands", async () => {
  const b = sessionBench(testRuntime());
  const session = await b.open();
  await b.run(session.create("/a", DATA, { ephemeral: true }));
  const { id } = session;
  b.server.alone = true;
  b.server.stopSessionTimers();
  b.server.breakConnections();
  await b.clock.advance(3_600_000);
  assert.deepEqual(b.seen, ["suspended"]);
  b.server.alone = false;
  await b.clock.advance(5_000);
  assert.deepEqual(b.seen, ["suspended", "resumed"]);
  assert.equal(session.id, id);
  await b.run(session.close());
});

test("a frozen server is found out within two thirds of the timeout, and another one resumes", async () => {
  const b = sessionBench(testRuntime());
  const session = await b.open("zookeeper://a:1,b:2?session=9000&timeout=1000");
  b.server.freeze();
  await b.clock.advance(6_100);
  assert.deepEqual(b.seen, ["suspended"]);
  b.server.thaw();
  await b.clock.advance(3_000);
  assert.ok(b.seen.at(-1) === "resumed" || b.seen.at(-1) === "lost", String(b.seen));
  await b.run(session.close());
});

test("an idle session lives on its pings", async () => {
  const b = sessionBench(testRuntime());
  const session = await b.open();
  await b.clock.advance(600_000);
  assert.deepEqual(b.seen, []);
  assert.equal(b.server.sessions, 1);
  await b.run(session.close());
  assert.equal(b.server.sessions, 0);
});

test("the first connection tries every server once, and says why none would do", async () => {
  const b = sessionBench(testRuntime());
  b.server.down.add(1);
  const session = await b.open();
  assert.equal(session.server?.port, 2);
  await b.run(session.close());
  b.server.down.add(2);
  await assert.rejects(b.open(), /no ZooKeeper server to be had: .*ECONNREFUSED.*; .*ECONNREFUSED/);
});

test("a server that takes connections and says nothing costs its connect timeout, no more", async () => {
  const b = sessionBench(testRuntime());
  b.server.freeze();
  const from = b.clock.now();
  await assert.rejects(b.open("zookeeper://a:1,b:2?timeout=700"), /no answer to the handshake within 700 ms/);
  assert.ok(b.clock.now() - from < 1_600);
});

test("a create whose answer was lost is found to be ours", async () => {
  const b = sessionBench(testRuntime());
  const session = await b.open();
  let once = true;
  b.server.fault = (name) => {
    if (name !== "create" || !once) return undefined;
    once = false;
    return "after";
  };
  await assert.rejects(b.run(session.create("/a", DATA, { ephemeral: true })), ConnectionLossError);
  await b.clock.advance(500);
  const node = await b.run(session.getData("/a"));
  assert.equal(node?.stat.ephemeralOwner, session.id);
  await b.run(session.close());
});

test("watches come back with SetWatches, and what was missed is told", async () => {
  const b = sessionBench(testRuntime());
  const session = await b.open();
  b.server.tree.put("/app/one", "1");
  const events: WatchEvent[] = [];
  const watch = (event: WatchEvent): number => events.push(event);
  await b.run(session.getData("/app/one", undefined, watch));
  await b.run(session.exists("/app/none", undefined, watch));
  await b.run(session.children("/app", undefined, watch));
  b.server.down.add(1).add(2);
  b.server.breakConnections();
  await b.clock.advance(100);
  b.server.tree.put("/app/one", "2");
  b.server.tree.put("/app/none", "now");
  b.server.down.clear();
  await b.clock.advance(5_000);
  assert.deepEqual(events.map(({ type, path }) => `${type} ${path}`).sort(), ["1 /app/none", "3 /app/one", "4 /app"]);
  assert.equal(b.server.count("setWatches"), 1);
  assert.equal(b.server.watches, 0);
  await b.run(session.close());
});

test("more than 1 MB of watched paths goes in packets far below it", async () => {
  const b = sessionBench(testRuntime());
  const session = await b.open();
  const name = "x".repeat(150);
  for (let n = 0; n < 8_000; n++) void session.exists(`/${name}${n}`, undefined, () => undefined);
  await b.clock.advance(100);
  assert.equal(b.server.watches, 8_000);
  b.server.breakConnections();
  await b.clock.advance(1_000);
  assert.equal(b.server.watches, 8_000);
  assert.ok(b.server.count("setWatches") >= 9);
  assert.ok((b.server.longest.get("setWatches") ?? 0) < 200_000);
  await b.run(session.close());
});

test("recursive watches come back with SetWatches2; where a server does not know it, the session is given up", async () => {
  const b = sessionBench(testRuntime());
  const session = await b.open();
  const events: string[] = [];
  await b.run(session.watchRecursively("/app", ({ path }) => events.push(path)));
  b.server.breakConnections();
  await b.clock.advance(500);
  assert.equal(b.server.count("setWatches2"), 1);
  b.server.tree.put("/app/one", "1");
  await b.clock.advance(10);
  assert.deepEqual(events, ["/app", "/app/one"]);
  b.server.recursive = false;
  b.server.breakConnections();
  await b.clock.advance(1_000);
  assert.equal(b.seen.at(-1), "lost");
});

test("a request that is larger than the server takes is not sent: it would hang up, each time anew", async () => {
  const b = sessionBench(testRuntime());
  const session = await b.open();
  await assert.rejects(session.create("/a", Buffer.alloc(1_048_576)), RequestTooLargeError);
  assert.equal(b.server.count("create"), 0);
  assert.deepEqual(b.seen, []);
  await b.run(session.close());
});

test("everybody who connects says who they are first, each time", async () => {
  const b = sessionBench(testRuntime());
  const session = await b.open("zookeeper://us:pw@a:1");
  assert.equal(session.acl, "creator");
  assert.deepEqual(b.server.users, ["us:pw"]);
  b.server.breakConnections();
  await b.clock.advance(500);
  assert.deepEqual(b.server.users, ["us:pw"]);
  await b.run(session.close());
});

test("paths are below the chroot, in events too, and missing parents are made", async () => {
  const b = sessionBench(testRuntime());
  const session = await b.open("zookeeper://a:1/c/d");
  const events: string[] = [];
  await b.run(session.watchRecursively("/", ({ path }) => events.push(path)));
  await b.run(session.create("/x/y", DATA));
  assert.ok(b.server.tree.find("/c/d/x/y") !== undefined);
  assert.deepEqual(events, ["/", "/x", "/x/y"]);
  await assert.rejects(b.run(session.create("/x/y", DATA)), (error) => isCode(error, "NODE_EXISTS"));
  await b.run(session.close());
});

test("close tells the server, is idempotent, and leaves no timer", async () => {
  const b = sessionBench(testRuntime());
  const session = await b.open();
  await b.run(session.create("/a", DATA, { ephemeral: true }));
  await b.run(Promise.all([session.close(), session.close()]));
  assert.deepEqual(b.server.tree.ephemerals(), []);
  assert.equal(b.server.count("closeSession"), 1);
  assert.equal(b.clock.pendingTimers, 0);
  assert.deepEqual(b.seen, []);
});

test("close is bounded when the server is frozen, and immediate when there is none", async () => {
  for (const lose of ["freeze", "down"]) {
    const b = sessionBench(testRuntime());
    const session = await b.open();
    if (lose === "freeze") b.server.freeze();
    else {
      b.server.down.add(1).add(2);
      b.server.breakConnections();
      await b.clock.advance(100);
    }
    const from = b.clock.now();
    await b.run(session.close());
    assert.ok(b.clock.now() - from <= 820);
  }
});

test("an aborted request rejects at once; its watch counts all the same", async () => {
  const b = sessionBench(testRuntime());
  const session = await b.open();
  b.server.tree.put("/a", "1");
  const events: string[] = [];
  const controller = new AbortController();
  const request = session.getData("/a", controller.signal, ({ path }) => events.push(path));
  controller.abort(new Error("enough"));
  await assert.rejects(request, /enough/);
  await b.clock.advance(10);
  b.server.tree.put("/a", "2");
  await b.clock.advance(10);
  assert.deepEqual(events, ["/a"]);
  await b.run(session.close());
});

test("servers that take less than a packet of watched paths get smaller ones", async () => {
  const b = sessionBench(testRuntime());
  const session = await b.open("zookeeper://a:1,b:2?session=6000&max-packet=1000");
  for (let n = 0; n < 100; n++) void session.exists(`/${"x".repeat(80)}${n}`, undefined, () => undefined);
  await b.clock.advance(100);
  b.server.breakConnections();
  await b.clock.advance(1_000);
  assert.deepEqual(b.seen, ["suspended", "resumed"]);
  assert.equal(b.server.watches, 100);
  assert.ok((b.server.longest.get("setWatches") ?? 0) <= 1_000);
  await b.run(session.close());
});
