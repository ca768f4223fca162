import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "@dubhe/testing";
import { lastPorts, RegistryBench } from "./test-support/registry-bench.js";

const info = (lastRefTime: number, ports: readonly number[], name = "shop"): Record<string, unknown> => ({
  requestId: "1",
  serviceInfo: {
    name,
    groupName: "DEFAULT_GROUP",
    lastRefTime,
    hosts: ports.map((port) => ({ ip: "10.0.0.1", port })),
  },
});

async function watching() {
  const bench = new RegistryBench(new VirtualClock());
  bench.start();
  const consumer = bench.open();
  const { events, handle } = bench.watch(consumer);
  await bench.clock.advance(100);
  assert.deepEqual(lastPorts(events), []);
  const now = bench.clock.wallTime();
  const push = async (at: number, ports: readonly number[], name = "shop"): Promise<void> => {
    bench.network.push(bench.server, "NotifySubscriberRequest", info(now + at, ports, name));
    await bench.clock.advance(5);
  };
  return { bench, consumer, events, handle, push };
}

test("each push is the whole list: what was in the first answer is replaced (D-11)", async () => {
  const { bench, events, push } = await watching();
  await push(1, [1]);
  await push(2, [2]);
  assert.deepEqual(lastPorts(events), [2]);
  await push(3, []);
  assert.deepEqual(lastPorts(events), [], "an empty push is real");
  await bench.end();
});

test("lists are ordered by lastRefTime: older ones are dropped, equally old ones are not (D-07)", async () => {
  const { bench, events, push } = await watching();
  await push(10, [1, 2]);
  await push(5, [1]);
  assert.deepEqual(lastPorts(events), [1, 2]);
  await push(10, [1, 2, 3]);
  assert.deepEqual(lastPorts(events), [1, 2, 3]);
  const seqs = events.map((event) => (event.kind === "instances" ? event.seq : Number.NaN));
  assert.deepEqual(
    seqs,
    seqs.slice().sort((a, b) => a - b),
  );
  await bench.end();
});

test("an answer that a push overtook does not undo it (D-06)", async () => {
  const bench = new RegistryBench(new VirtualClock());
  bench.start();
  bench.network.corrupt = (type, body) => {
    // The server made its answer long before the push that is on its way.
    if (type === "SubscribeServiceResponse") (body.serviceInfo as { lastRefTime: number }).lastRefTime -= 1_000;
    return body;
  };
  const { events } = bench.watch(bench.open());
  await bench.clock.advance(3);
  for (let n = 0; n < 10; n++) {
    bench.network.push(bench.server, "NotifySubscriberRequest", info(bench.clock.wallTime(), [7]));
    await bench.clock.advance(1);
  }
  await bench.clock.advance(100);
  assert.deepEqual(lastPorts(events), [7]);
  await bench.end();
});

test("what is not news is not delivered", async () => {
  const { bench, events, push } = await watching();
  await push(1, [1, 2]);
  const before = events.length;
  await push(2, [2, 1]);
  await push(3, [1, 2]);
  await push(4, [9], "other");
  assert.equal(events.length, before);
  await bench.end();
});

test("group and name as some servers write them", async () => {
  const { bench, events, push } = await watching();
  await push(1, [1], "DEFAULT_GROUP@@shop");
  assert.deepEqual(lastPorts(events), [1]);
  bench.network.push(bench.server, "NotifySubscriberRequest", {
    serviceInfo: { name: "shop", groupName: "OTHER", lastRefTime: bench.clock.wallTime() + 99, hosts: [] },
  });
  await bench.clock.advance(5);
  assert.deepEqual(lastPorts(events), [1], "the same name in another group is another application");
  await bench.end();
});

test("a push that makes no sense changes nothing but what it says (D-22)", async () => {
  const { bench, events, push } = await watching();
  await push(1, [1]);
  for (const body of [{}, { serviceInfo: null }, { serviceInfo: "x" }])
    bench.network.push(bench.server, "NotifySubscriberRequest", body);
  await bench.clock.advance(50);
  assert.deepEqual(lastPorts(events), [1]);
  await bench.end();
});

test("a subscription that fails three times is retried, and says so (D-59)", async () => {
  const bench = new RegistryBench(new VirtualClock());
  bench.start();
  let failures = 3;
  bench.network.fault = (type) =>
    type === "SubscribeServiceRequest" && failures-- > 0 ? new Error(`injected ${failures}`) : undefined;
  const { events } = bench.watch(bench.open());
  await bench.clock.advance(5_000);
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ["error", "error", "error", "instances"],
  );
  await bench.end();
});

test("without a server the first event is an error, and the same error is not repeated", async () => {
  const bench = new RegistryBench(new VirtualClock());
  const consumer = bench.open();
  await bench.clock.advance(2_000);
  const { events } = bench.watch(consumer);
  assert.equal(events.length, 0, "never inside watch");
  await bench.clock.advance(30_000);
  const [first, ...others] = events;
  assert.ok(first?.kind === "error" && /ECONNREFUSED/.test(first.error.message));
  assert.deepEqual(others, []);
  bench.start();
  await bench.clock.advance(11_000);
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ["error", "instances"],
  );
  await bench.end();
});

test("a lost session is an error, then the first list of the next one, even if it is the same", async () => {
  const { bench, events, push } = await watching();
  await push(1, [1]);
  await bench.clock.advance(6_000);
  const before = events.length;
  bench.network.corrupt = (_type, body) => {
    const service = body.serviceInfo as { hosts?: unknown } | undefined;
    if (service !== undefined) service.hosts = [{ ip: "10.0.0.1", port: 1 }];
    return body;
  };
  bench.network.breakLinks(bench.server);
  await bench.clock.advance(2_000);
  assert.deepEqual(
    events.slice(before).map((event) => [event.kind, event.epoch]),
    [
      ["error", 1],
      ["instances", 2],
    ],
  );
  await bench.end();
});

test("a lost push is found by the query of every minute", async () => {
  const bench = new RegistryBench(new VirtualClock());
  bench.start();
  const provider = bench.open();
  const consumer = bench.open();
  const { events } = bench.watch(consumer);
  await bench.clock.advance(100);
  bench.network.dropPush = (type) => type === "NotifySubscriberRequest";
  provider.register(bench.instance(1));
  await bench.clock.advance(10_000);
  assert.deepEqual(lastPorts(events), []);
  await bench.clock.advance(70_000);
  assert.deepEqual(lastPorts(events), [1]);
  assert.equal(
    (consumer.inspect() as { subscriptions: { counters: { repaired: number } } }).subscriptions.counters.repaired,
    1,
  );
  await bench.end();
});

test("refresh brings exactly one event, for several calls, in every state", async () => {
  const { bench, events, handle } = await watching();
  let before = events.length;
  handle.refresh?.();
  handle.refresh?.();
  assert.equal(events.length, before, "not inside the call");
  await bench.clock.advance(100);
  assert.equal(events.length, before + 1);
  bench.network.fault = (type) => (type === "ServiceQueryRequest" ? new Error("injected") : undefined);
  before = events.length;
  handle.refresh?.();
  await bench.clock.advance(100);
  assert.deepEqual(
    events.slice(before).map(({ kind }) => kind),
    ["error"],
  );
  await bench.clock.advance(6_000);
  bench.network.kill(bench.server);
  await bench.clock.advance(1_000);
  before = events.length;
  handle.refresh?.();
  await bench.clock.advance(20);
  assert.deepEqual(
    events.slice(before).map(({ kind }) => kind),
    ["error"],
  );
  await handle[Symbol.asyncDispose]();
  handle.refresh?.();
  await bench.clock.advance(100);
  assert.equal(events.length, before + 1);
  await bench.end();
});

test("after an error the same list is told again: it is good news", async () => {
  const { bench, events, handle, push } = await watching();
  await push(1, [1]);
  bench.network.fault = (type) => (type === "ServiceQueryRequest" ? new Error("injected") : undefined);
  handle.refresh?.();
  await bench.clock.advance(100);
  assert.equal(events.at(-1)?.kind, "error");
  await push(2, [1]);
  assert.equal(events.at(-1)?.kind, "instances");
  const { length } = events;
  await push(3, [1]);
  assert.equal(events.length, length);
  await bench.end();
});

test("an answer without a list is an error, not an empty list (D-20)", async () => {
  const bench = new RegistryBench(new VirtualClock());
  bench.start();
  bench.network.corrupt = (type, body) => (type === "SubscribeServiceResponse" ? { ...body, serviceInfo: {} } : body);
  const { events } = bench.watch(bench.open());
  await bench.clock.advance(1_000);
  assert.ok(events.length > 0 && events.every(({ kind }) => kind === "error"), JSON.stringify(events));
  bench.network.corrupt = (type, body) => {
    if (type === "NotifySubscriberRequest") delete (body.serviceInfo as { hosts?: unknown }).hosts;
    return body;
  };
  await bench.clock.advance(6_000);
  assert.deepEqual(lastPorts(events), []);
  const { length } = events;
  bench.network.push(bench.server, "NotifySubscriberRequest", info(bench.clock.wallTime() + 1, [1]));
  await bench.clock.advance(5);
  assert.equal(events.length, length, "a push without a list says nothing");
  await bench.end();
});

test("an unsubscription reaches the server, and without a server it does not wait", async () => {
  const { bench, consumer, handle } = await watching();
  await bench.resolves(handle[Symbol.asyncDispose](), 100);
  assert.equal(bench.network.requests.filter((type) => type === "SubscribeServiceRequest").length, 2);
  const second = bench.watch(consumer);
  await bench.clock.advance(6_000);
  bench.network.kill(bench.server);
  await bench.clock.settle();
  await bench.resolves(second.handle[Symbol.asyncDispose](), 10);
  await bench.end();
});

test("one watch an application", async () => {
  const { bench, consumer, handle } = await watching();
  assert.throws(() => consumer.watch("shop", () => undefined), /watched already/);
  const disposed = handle[Symbol.asyncDispose]();
  const again = bench.watch(consumer);
  await bench.resolves(disposed, 100);
  await bench.clock.advance(100);
  assert.deepEqual(lastPorts(again.events), []);
  await bench.end();
});

test("a sink that throws is reported and harms nobody", async () => {
  const { bench, consumer, events, push } = await watching();
  consumer.watch("other", () => {
    throw new Error("mine");
  });
  await bench.clock.advance(100);
  await push(1, [1]);
  assert.deepEqual(lastPorts(events), [1]);
  assert.match(String(bench.reports.splice(0)), /mine/);
  await bench.end();
});

const many = (count: number, weight = 1): unknown[] =>
  Array.from({ length: count }, (_, n) => ({ ip: `10.0.${n >> 8}.${n & 255}`, port: 1, weight, metadata: { n } }));
const long = (lastRefTime: number, hosts: unknown[], name = "shop"): Record<string, unknown> => ({
  requestId: String(lastRefTime),
  serviceInfo: { name, groupName: "DEFAULT_GROUP", lastRefTime, hosts, checksum: String(lastRefTime) },
});

interface Counters {
  readonly [name: string]: number;
}

function countersOf(registry: { inspect(): unknown }): Counters {
  return { ...(registry.inspect() as { subscriptions: { counters: Counters } }).subscriptions.counters };
}

/** Calls `fn` whenever somebody asks for another turn. */
function onTurn(bench: RegistryBench, fn: () => void): void {
  const nextTurn = bench.clock.nextTurn.bind(bench.clock);
  bench.clock.nextTurn = (then) => {
    fn();
    return nextTurn(then);
  };
}

test("a list of thousands is read over several turns, and what comes meanwhile after it, in order", async () => {
  const { bench, consumer, events } = await watching();
  const now = bench.clock.wallTime();
  const turns: number[] = [];
  const first = events.length;
  bench.network.push(bench.server, "NotifySubscriberRequest", long(now + 10, many(9_000, 50)));
  bench.network.push(bench.server, "NotifySubscriberRequest", long(now + 11, many(9_001, 60)));
  bench.network.push(bench.server, "NotifySubscriberRequest", long(now + 9, many(3)));
  onTurn(bench, () => void turns.push(events.length - first));
  await bench.clock.advance(20);
  const lists = events.slice(first).map((event) => (event.kind === "instances" ? event.instances.length : event.kind));
  assert.deepEqual(lists, [9_000, 9_001]);
  assert.ok(turns.filter((count) => count === 0).length >= 4, `${turns.join()}: turns before the first was read`);
  const { parsed, outdated } = countersOf(consumer);
  assert.deepEqual([parsed, outdated], [18_001, 1], "the hosts of the outdated list were not looked at");
  await bench.end();
});

test("an identical push is not parsed, however long; the server's stamps do not count", async () => {
  const { bench, consumer, events } = await watching();
  const now = bench.clock.wallTime();
  bench.network.push(bench.server, "NotifySubscriberRequest", long(now + 10, many(3_000)));
  await bench.clock.advance(20);
  const before = countersOf(consumer);
  const { length } = events;
  for (let n = 11; n < 16; n++) {
    bench.network.push(bench.server, "NotifySubscriberRequest", long(now + n, many(3_000)));
    await bench.clock.advance(20);
  }
  const after = countersOf(consumer);
  assert.equal((after.identical ?? 0) - (before.identical ?? 0), 5);
  assert.deepEqual([after.parsed, after.reused, after.whole], [before.parsed, before.reused, before.whole]);
  assert.equal(events.length, length);
  bench.network.push(bench.server, "NotifySubscriberRequest", long(now + 12, many(1)));
  await bench.clock.advance(20);
  assert.equal(events.length, length, "an identical push renews the stamp: what is older than it is outdated");
  await bench.end();
});

for (const what of ["disposed", "the session is lost"]) {
  test(`a list that is being read when its watch is ${what}, is told to nobody`, async () => {
    const { bench, events, handle } = await watching();
    bench.network.push(bench.server, "NotifySubscriberRequest", long(bench.clock.wallTime() + 10, many(9_000)));
    let done: unknown;
    const first = events.length;
    let turns = 0;
    onTurn(bench, () => {
      if (++turns !== 3) return;
      assert.equal(events.length, first, "it is being read");
      if (what === "disposed") done = handle[Symbol.asyncDispose]();
      else bench.network.breakLinks(bench.server);
    });
    await bench.clock.advance(100);
    await done;
    assert.ok(turns > 3, `${turns} turns`);
    const lists = events.slice(first).filter((event) => event.kind === "instances" && event.instances.length > 0);
    assert.deepEqual(lists, []);
    await bench.end();
  });
}

test("a push that is no JSON ends the session; the next one begins afresh", async () => {
  const { bench, events } = await watching();
  let broken = true;
  bench.network.mangle = (type, bytes) => (broken && type === "NotifySubscriberRequest" ? bytes.slice(0, -3) : bytes);
  bench.network.push(bench.server, "NotifySubscriberRequest", long(bench.clock.wallTime() + 10, many(3)));
  await bench.clock.advance(50);
  const error = events.find((event) => event.kind === "error");
  assert.match(error?.kind === "error" ? error.error.message : "", /NotifySubscriberRequest: the body is not JSON/);
  broken = false;
  await bench.clock.advance(15_000);
  assert.equal(events.at(-1)?.kind, "instances");
  await bench.end();
});
