import assert from "node:assert/strict";
import { test } from "node:test";
import { testRuntime } from "@dubhe/testing";
import { parseZookeeperUrl } from "./config.js";
import { ZookeeperSession } from "./session.js";
import { RegistryBench } from "./test-support/registry-bench.js";
import { sessionBench } from "./test-support/session-bench.js";

const DATA = Buffer.from("x");
const ignore = (): void => undefined;

const OPERATIONS: Readonly<Record<string, (session: ZookeeperSession) => Promise<unknown>>> = {
  create: (session) => session.create("/p/q/r", DATA, { ephemeral: true }),
  exists: (session) => session.exists("/none", undefined, ignore),
  getData: (session) => session.getData("/a", undefined, ignore),
  children: (session) => session.children("/", undefined, ignore),
  setData: (session) => session.setData("/a", DATA, -1),
  delete: (session) => session.delete("/a", -1),
  transact: (session) => session.transact([{ kind: "create", path: "/t", data: DATA }]),
  watchRecursively: (session) => session.watchRecursively("/a", ignore),
  ephemerals: (session) => session.ephemerals("/"),
  renewConnection: (session) => session.renewConnection(new AbortController().signal),
  async removeWatches(session) {
    const read = session.getData("/a", undefined, ignore);
    await session.removeWatches("/a", ignore);
    await read;
  },
};

for (const [name, operation] of Object.entries(OPERATIONS)) {
  test(`close during ${name}: it settles, and nothing is left here or at the server`, async () => {
    for (const withServer of ["answering", "frozen"]) {
      for (let afterMs = 0; afterMs <= 6; afterMs++) {
        const b = sessionBench(testRuntime());
        b.server.tree.put("/a", "1");
        const session = await b.open();
        let settled = false;
        const end = (): void => {
          settled = true;
        };
        operation(session).then(end, end);
        if (withServer === "frozen") b.server.freeze();
        await b.clock.advance(afterMs);
        await b.run(session.close());
        await b.clock.advance(1_000);
        const where = `${withServer}, after ${afterMs} ms`;
        if (name !== "renewConnection" || withServer === "answering") assert.ok(settled, where);
        await assert.rejects(session.exists("/a"), /session is closed/);
        assert.equal(session.watches.size, 0, where);
        b.server.thaw();
        await b.clock.advance(10_000);
        const left = [b.server.watches, b.server.sessions, b.server.connections, b.clock.pendingTimers];
        assert.deepEqual(left, [0, 0, 0, 0], where);
        assert.deepEqual(b.server.tree.ephemerals(), [], where);
      }
    }
  });
}

test("opening that is given up at any moment leaves no connection and no timer", async () => {
  for (let afterMs = 0; afterMs <= 6; afterMs++) {
    const b = sessionBench(testRuntime());
    const config = parseZookeeperUrl("zookeeper://us:pw@a:1,b:2?session=6000");
    const controller = new AbortController();
    const opened = ZookeeperSession.open(
      b.runtime,
      { ...config, transport: b.server, auth: { username: "us", password: "pw" } },
      0,
      controller.signal,
    );
    opened.then((session) => session.close()).catch(ignore);
    await b.clock.advance(afterMs);
    controller.abort(new Error("enough"));
    await b.clock.advance(10_000);
    assert.deepEqual(
      [b.server.connections, b.server.sessions, b.clock.pendingTimers],
      [0, 0, 0],
      `after ${afterMs} ms`,
    );
  }
});

test("close of a suspended session waits for a server that can be reached soon: its nodes go at once", async () => {
  const b = sessionBench(testRuntime());
  const session = await b.open("zookeeper://a:1,b:2?session=30000");
  await b.run(session.create("/a", DATA, { ephemeral: true }));
  b.server.down.add(1).add(2);
  b.server.breakConnections();
  await b.clock.advance(100);
  assert.equal(session.state.kind, "suspended");
  const closed = session.close();
  await b.clock.advance(200);
  b.server.down.clear();
  await b.clock.advance(600);
  await closed;
  assert.deepEqual(b.server.tree.ephemerals(), []);
  assert.equal(b.server.sessions, 0);
});

test("a registry that closes while its session is suspended takes its instances away", async () => {
  const b = new RegistryBench(testRuntime());
  const registry = b.open("zookeeper://a:1,b:2?session=30000");
  const registration = registry.register(b.instance(1));
  await b.clock.advance(100);
  assert.equal(registration.state.value, "confirmed");
  b.server.down.add(1).add(2);
  b.server.breakConnections();
  await b.clock.advance(100);
  assert.equal(registry.health.value.state, "down");
  const closed = registry.close();
  await b.clock.advance(200);
  b.server.down.clear();
  await b.clock.advance(800);
  await closed;
  assert.deepEqual(b.server.tree.ephemerals(), []);
  await b.close();
});
