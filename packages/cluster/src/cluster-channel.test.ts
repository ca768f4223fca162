import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, Pool, type PoolOptions } from "@dubhe/rpc";
import {
  callStates,
  FakeCall,
  type FakeCallOptions,
  type FakeConnection,
  FakeNetwork,
  FakeServiceView,
  testRuntime,
} from "@dubhe/testing";
import { roundRobin } from "./balancer/round-robin.js";
import { ClusterChannel, type ClusterOptions } from "./cluster-channel.js";

const A = "10.0.0.1:1";
const B = "10.0.0.2:1";
const C = "10.0.0.3:1";

function world(options: ClusterOptions = {}, poolOptions: PoolOptions = {}) {
  const { runtime, clock } = testRuntime();
  const network = new FakeNetwork(runtime);
  const pool = new Pool(runtime, {
    connect: network.connect,
    backoff: { initialMs: 1000, maxMs: 2000, jitter: 0 },
    ...poolOptions,
  });
  const view = new FakeServiceView(runtime, { service: "greet.GreetService" });
  const channel = new ClusterChannel(view, pool, options);
  const open = (count: number, callOptions?: FakeCallOptions): FakeCall[] =>
    Array.from({ length: count }, () => {
      const call = new FakeCall(callOptions);
      channel.open(call);
      return call;
    });
  const openOne = (callOptions?: FakeCallOptions): FakeCall => open(1, callOptions)[0]!;
  return { runtime, clock, network, pool, view, channel, open, openOne };
}

function inFlight(channel: ClusterChannel): number {
  return channel.inspect().endpoints.reduce((sum, endpoint) => sum + endpoint.inFlight, 0);
}

test("pending: calls wait, and start in the turn in which the first endpoint is ready", async () => {
  const { view, network, clock, open } = world();
  const calls = open(3);
  await clock.advance(2000);
  assert.equal(network.connections.length, 0);
  view.put({ address: A });
  await clock.settle();
  assert.equal(network.connections.length, 1);
  network.last.ready();
  assert.deepEqual(callStates(calls), { running: 3 });
});

test("pending: after 3 s the answer is UNAVAILABLE, unprocessed, and says why; with waitForReady never", async () => {
  const { clock, openOne } = world();
  const call = openOne();
  const patient = openOne({ waitForReady: true });
  await clock.advance(2999);
  assert.equal(call.state, "waiting");
  await clock.advance(1);
  assert.equal(call.error?.code, Code.Unavailable);
  assert.equal(call.error?.processed, "no");
  assert.equal(
    call.error?.rawMessage,
    "no endpoint for greet.GreetService: the registry has not answered yet (waited 3000 ms)",
  );
  await clock.advance(1_000_000);
  assert.equal(patient.state, "waiting");
});

test("negative and failed: at once, with the reason; also for those who wait already; not with waitForReady", async () => {
  const { view, clock, openOne } = world();
  const waiting = openOne();
  view.set({ state: "negative", reason: "no application is mapped to greet.GreetService" });
  await clock.settle();
  assert.equal(
    waiting.error?.rawMessage,
    "no endpoint for greet.GreetService: no application is mapped to greet.GreetService",
  );
  const cause = new Error("registry nacos://10.9.9.9:8848 is unreachable");
  view.set({ state: "failed", error: cause });
  const call = openOne();
  assert.equal(call.state, "failed");
  assert.match(
    call.error!.message,
    /no endpoint for greet\.GreetService: registry nacos:\/\/10\.9\.9\.9:8848 is unreachable/,
  );
  assert.equal(call.error?.cause, cause);
  assert.equal(call.error?.source, "registry");
  const patient = openOne({ waitForReady: true });
  const late = openOne();
  assert.deepEqual(
    [patient.state, late.state],
    ["waiting", "failed"],
    "a patient one in the queue makes nobody else wait",
  );
});

test("waitForReady outlasts negative, and ends with discovery itself", async () => {
  const { view, network, clock, openOne } = world();
  view.set({ state: "negative", reason: "none" });
  const patient = openOne({ waitForReady: true });
  await clock.advance(60_000);
  view.put({ address: A });
  await clock.settle();
  network.last.ready();
  assert.equal(patient.state, "running");
  const other = openOne({ waitForReady: true });
  patient.finish();
  other.finish();
  network.last.fail();
  const last = openOne({ waitForReady: true });
  view.set({ state: "closed" });
  await clock.settle();
  assert.match(last.error!.message, /discovery is closed/);
  assert.match(openOne({ waitForReady: true }).error!.message, /discovery is closed/);
});

test("the error of design.md: mapping, instances, exclusions with cause and time of the next try", async () => {
  const { view, clock, openOne } = world();
  view.excluded = [1, 2, 3].map((host) => ({
    key: `fake|shop|10.0.0.${host}:20880`,
    registryId: "fake",
    application: "shop",
    reason: "metadata-unresolved",
    message: "metadata of revision ab12 unresolved (connect ECONNREFUSED 10.0.0.3:20880, retry in 2 s)",
  }));
  view.resolving = true;
  view.bind();
  const call = openOne();
  assert.equal(call.state, "waiting", "a fetch is under way");
  await clock.advance(3000);
  assert.equal(
    call.error?.rawMessage,
    "no endpoint for greet.GreetService: mapping names [shop], 3 instances, 3 excluded: metadata of revision ab12 unresolved" +
      " (connect ECONNREFUSED 10.0.0.3:20880, retry in 2 s) (10.0.0.1:20880, 10.0.0.2:20880, 10.0.0.3:20880) (waited 3000 ms)",
  );
  view.resolving = false;
  view.bind();
  assert.equal(openOne().state, "failed", "nothing is under way: waiting is no use");
});

test("endpoints that nobody may call: at once, every reason named, the many counted", () => {
  const { view, openOne } = world();
  view.put(
    { address: A, healthy: false },
    { address: B, enabled: false, application: "till" },
    { address: C, weight: 0 },
  );
  assert.equal(
    openOne().error?.rawMessage,
    "no endpoint for greet.GreetService: mapping names [shop, till], 3 instances, 3 excluded: reported unhealthy by the registry (10.0.0.1:1);" +
      " disabled in the registry (10.0.0.2:1); has weight 0 (10.0.0.3:1)",
  );
  view.put(...Array.from({ length: 5 }, (_, index) => ({ address: `10.1.0.${index}:1`, healthy: false })));
  assert.match(
    openOne().error!.message,
    /unhealthy by the registry \(10\.0\.0\.1:1, 10\.1\.0\.0:1, 10\.1\.0\.1:1 and 3 more\)/,
  );
  view.complete = false;
  view.bind({ stale: new Error("the registry is down") });
  const waiting = openOne();
  assert.equal(waiting.state, "waiting", "another registry has not answered yet");
});

test("10 000 first calls to 3 endpoints: none fails, first come first served, connections within the limit", async () => {
  const { view, network, clock, channel, open } = world();
  network.onConnect = () => undefined;
  const calls = open(10_000);
  view.put({ address: A }, { address: B }, { address: C });
  await clock.settle();
  for (let round = 0; round < 20; round++) for (const connection of network.open) connection.ready(1024);
  let next = 0;
  for (const call of calls) {
    assert.equal(call.state, "running", `call ${next} is served before later ones`);
    next += 1;
    call.finish();
    for (const connection of network.open) connection.ready(1024);
  }
  assert.deepEqual(callStates(calls), { done: 10_000 });
  for (const address of [A, B, C]) {
    const count = network.to(address).length;
    assert.ok(count >= 1 && count <= 4, `${count} connections to ${address}`);
  }
  assert.deepEqual([channel.waiting, inFlight(channel)], [0, 0]);
});

test("no call waits for a connect while another endpoint is ready; the cold ones are connected beside", () => {
  const { view, network, open } = world();
  view.put({ address: A }, { address: B }, { address: C });
  open(1);
  network.connections[0]!.ready();
  const calls = open(5);
  assert.deepEqual(callStates(calls), { running: 5 });
  assert.equal(network.connections.length, 3, "one more with each call, until all are connected");
  for (const connection of network.connections) connection.ready();
  const more = open(90);
  const used = new Set(more.flatMap(({ endpoints }) => endpoints));
  assert.deepEqual(used, new Set([A, B, C]));
});

test("with nothing connected two are tried at a time, lest all wait for a host that does not answer", () => {
  const { view, network, openOne } = world();
  view.put({ address: A }, { address: B }, { address: C });
  const call = openOne();
  assert.equal(network.connections.length, 2);
  network.connections[1]!.ready();
  assert.equal(call.state, "running");
});

test("an endpoint that refuses is out at once; the others take its calls; it comes back by itself", async () => {
  const { view, network, clock, open, channel } = world({ balancer: roundRobin });
  network.onConnect = (connection) => {
    if (connection.address === A) connection.fail();
    else connection.ready();
  };
  view.put({ address: A }, { address: B });
  const calls = open(20);
  assert.deepEqual(callStates(calls), { running: 20 });
  assert.ok(calls.every(({ endpoints }) => endpoints[0] === B));
  assert.equal(network.to(A).length, 1, "backoff: not one connect a call");
  assert.equal(channel.directory.counts.backoff, 1);
  network.onConnect = (connection) => connection.ready();
  await clock.advance(1000);
  const later = open(20);
  assert.ok(later.filter(({ endpoints }) => endpoints[0] === A).length >= 9);
});

test("all refuse: calls wait for 3 s of tries, no longer, and the error names address and cause", async () => {
  const { view, network, clock, openOne } = world();
  network.onConnect = (connection) => connection.fail();
  view.put({ address: A });
  const call = openOne();
  await clock.advance(2999);
  assert.equal(call.state, "waiting");
  await clock.advance(1);
  assert.equal(call.state, "failed");
  assert.match(
    call.error!.message,
    /1 instance, 1 excluded: connect ECONNREFUSED 10\.0\.0\.1:1(, retry in \d.*)? \(waited 3000 ms\)/,
  );
  assert.equal(call.error?.source, "transport");
  const second = openOne();
  network.onConnect = (connection) => connection.ready();
  await clock.advance(2999);
  assert.equal(second.state, "running", "it listens again in time");
});

test("a provider that registers before it listens becomes usable without another event", async () => {
  const { view, network, clock, openOne } = world();
  network.onConnect = (connection) => connection.fail();
  view.put({ address: A });
  const first = openOne({ waitForReady: true });
  await clock.advance(2000);
  network.onConnect = (connection) => connection.ready();
  await clock.advance(8000);
  assert.equal(first.state, "running");
});

test("every stream taken: calls wait for their deadline, not for 3 s, and one more connection is opened", async () => {
  const { view, network, clock, open, openOne, channel } = world({}, { maxConnectionsPerEndpoint: 2 });
  network.onConnect = (connection) => connection.ready(10);
  view.put({ address: A });
  const running = open(16);
  assert.deepEqual(callStates(running), { running: 16 });
  assert.equal(network.connections.length, 2);
  const waiting = openOne();
  await clock.advance(100_000);
  assert.equal(waiting.state, "waiting");
  assert.equal(channel.inspect().endpoints[0]?.reason, "at its limit of concurrent streams");
  running[0]!.finish();
  assert.equal(waiting.state, "running");
  const another = openOne();
  const control = openOne({ control: true });
  assert.deepEqual(
    [another.state, control.state],
    ["waiting", "running"],
    "control calls do not queue behind users' calls",
  );
});

test("a limit of 0 is not ready; calls go on when it is raised, and other endpoints are used meanwhile", () => {
  const { view, network, openOne } = world();
  view.put({ address: A });
  const call = openOne();
  network.last.ready(0);
  assert.equal(call.state, "waiting");
  view.put({ address: B });
  openOne();
  network.to(B)[0]!.ready();
  assert.equal(call.state, "running");
  network.to(A)[0]!.setLimit(100);
  const places = new Set(Array.from({ length: 20 }, () => openOne().endpoints[0]));
  assert.deepEqual(places, new Set([A, B]));
});

test("the last connection is lost while calls wait for capacity: from then on they wait for 3 s", async () => {
  const { view, network, clock, open, openOne } = world({}, { maxConnectionsPerEndpoint: 1 });
  network.onConnect = (connection) => connection.ready(10);
  view.put({ address: A });
  const running = open(8);
  const waiting = openOne();
  await clock.advance(60_000);
  network.onConnect = () => undefined;
  network.last.fail(new Error("read ECONNRESET"));
  assert.deepEqual(callStates(running), { failed: 8 });
  assert.ok(running.every(({ error }) => error?.processed === "maybe"));
  await clock.advance(2999);
  assert.equal(waiting.state, "waiting");
  await clock.advance(1);
  assert.equal(waiting.state, "failed");
});

test("what a peer did not process is replayed elsewhere, at most 5 attempts in all, never where it was", async () => {
  const { view, network, clock, openOne, channel, pool } = world();
  network.onConnect = (connection) => connection.ready(100);
  view.put({ address: A }, { address: B });
  const call = openOne();
  for (let attempt = 1; attempt <= 5; attempt++) {
    assert.deepEqual([call.attempts, call.state], [attempt, "running"]);
    call.refuse();
    await clock.settle();
  }
  assert.deepEqual([call.attempts, call.state], [5, "failed"]);
  assert.deepEqual([channel.counters.replays, pool.counters.replays], [4, 4]);
  assert.equal(inFlight(channel), 0);
});

test("GOAWAY in a burst: what the peer saw goes on there, the rest moves, nothing fails", async () => {
  const { view, network, clock, open, channel } = world();
  network.onConnect = (connection) => connection.ready(100);
  view.put({ address: A }, { address: B });
  open(2).forEach((call) => call.finish());
  await clock.advance(2000);
  const calls = open(60);
  const [leaving] = network.to(A) as [FakeConnection];
  const onIt = leaving.activeStreams;
  assert.ok(onIt > 10);
  const seen = leaving.streams[4]!.id;
  network.onConnect = () => undefined;
  leaving.goaway(seen);
  await clock.settle();
  assert.deepEqual(callStates(calls), { running: 60 });
  assert.equal(leaving.activeStreams, 5);
  assert.equal(channel.counters.replays, onIt - 5);
  for (const call of calls) call.finish();
  assert.deepEqual(callStates(calls), { done: 60 });
  assert.equal(inFlight(channel), 0);
});

test("a single connection that is not allowed a second: a refused stream is final", () => {
  const { view, network, openOne } = world({}, { maxConnectionsPerEndpoint: 1 });
  network.onConnect = (connection) => connection.ready(100);
  view.put({ address: A });
  const call = openOne();
  call.refuse();
  assert.equal(call.state, "failed");
  assert.equal(call.error?.processed, "no");
});

test("an endpoint that leaves the directory gets no new calls; those that run there finish, then it is closed", () => {
  const { view, network, pool, open, openOne } = world();
  network.onConnect = (connection) => connection.ready();
  view.put({ address: A }, { address: B });
  const calls = open(20);
  view.remove(A);
  assert.equal(openOne().endpoints[0], B, "in the very turn, before anybody was told");
  const [old] = network.to(A) as [FakeConnection];
  assert.equal(old.state, "open");
  for (const call of calls) call.finish();
  assert.equal(old.state, "closed");
  assert.deepEqual(callStates(calls), { done: 20 });
  assert.equal(pool.size, 1);
});

test("the list is replaced all the time under load: no call fails (D-64)", async () => {
  const { view, network, clock, open, channel } = world();
  network.onConnect = (connection) => connection.ready(100);
  view.put({ address: A }, { address: B });
  const calls: FakeCall[] = [];
  for (let round = 0; round < 200; round++) {
    const [goes, comes] = round % 2 === 0 ? [A, C] : [C, A];
    calls.push(...open(10));
    view.put({ address: comes, revision: `r${round}` });
    view.remove(goes);
    calls.push(...open(10));
    await clock.advance(10);
    for (const call of calls) if (call.state === "running" && call.attempts > 0) call.finish();
  }
  assert.deepEqual(callStates(calls), { done: 4000 });
  assert.deepEqual([channel.counters.noEndpoint, inFlight(channel), channel.waiting], [0, 0, 0]);
  assert.ok(network.open.length <= 2, "what left is closed (D-66)");
});

test("more than the queue holds: RESOURCE_EXHAUSTED, unprocessed; the bound is one for all channels of a pool", () => {
  const { view, pool, open, openOne, channel } = world({}, { maxWaitingCalls: 5, maxWaitingBytes: 1000 });
  const other = new ClusterChannel(view, pool);
  const calls = open(4);
  const elsewhere = new FakeCall();
  other.open(elsewhere);
  const over = openOne();
  assert.deepEqual([callStates(calls)["waiting"], elsewhere.state, over.state], [4, "waiting", "failed"]);
  assert.equal(over.error?.code, Code.ResourceExhausted);
  assert.equal(over.error?.processed, "no");
  assert.equal(channel.counters.overflow, 1);
  calls[0]!.leave(channel);
  assert.equal(openOne({ bufferedBytes: 970 }).state, "failed", "by bytes");
  assert.equal(openOne({ bufferedBytes: 900 }).state, "waiting");
});

test("callers that leave while they wait: forgotten at once, their place in line goes to the next", async () => {
  const { view, network, clock, open, channel } = world();
  const calls = open(5);
  for (const call of calls.slice(0, 4)) call.leave(channel);
  assert.equal(channel.waiting, 1);
  view.put({ address: A });
  await clock.settle();
  network.last.ready(4);
  assert.equal(calls[4]!.state, "running");
});

test("close: those who wait fail, those who run finish, nothing is left", async () => {
  const { view, network, clock, pool, open, openOne, channel } = world();
  network.onConnect = (connection) => connection.ready(10);
  view.put({ address: A });
  const calls = open(40);
  const running = calls.filter(({ state }) => state === "running");
  channel.close();
  channel.close();
  assert.deepEqual(callStates(calls), { running: running.length, failed: 40 - running.length });
  assert.match(openOne().error!.message, /the channel of greet\.GreetService is closed/);
  for (const call of running) call.finish();
  await clock.settle();
  assert.equal(pool.size, 0);
  assert.equal(network.open.length, 0);
  assert.equal(clock.pendingTimers, 0);
  view.put({ address: B });
  await clock.settle();
  assert.equal(pool.size, 0, "it does not look any more");
});

test("the pool closes under it: calls end with words, nothing is thrown, later updates are survived", async () => {
  const { view, network, clock, pool, open, openOne } = world();
  network.onConnect = (connection) => connection.ready(10);
  view.put({ address: A });
  const calls = open(10);
  const closing = pool.close(0);
  await clock.settle();
  await closing;
  assert.deepEqual(callStates(calls), { failed: 10 });
  assert.equal(openOne().state, "failed");
  view.put({ address: B });
  assert.equal(openOne().state, "failed");
});

test("load is counted per pick and given back exactly once, whatever the end", async () => {
  const { view, network, clock, open, channel } = world();
  network.onConnect = (connection) => connection.ready(100);
  view.put({ address: A });
  const [done, refused, broken, left] = open(4) as [FakeCall, FakeCall, FakeCall, FakeCall];
  assert.equal(inFlight(channel), 4);
  done.finish();
  assert.equal(inFlight(channel), 3);
  left.leave(channel);
  assert.equal(inFlight(channel), 2);
  refused.refuse();
  assert.equal(inFlight(channel), 1);
  await clock.settle();
  assert.equal(inFlight(channel), 2, "the replay is another pick");
  network.connections[0]!.fail();
  assert.deepEqual([broken.state, inFlight(channel)], ["failed", 1]);
  refused.finish();
  assert.equal(inFlight(channel), 0);
});

test("inspect shows what is believed about each endpoint, and why", async () => {
  const { view, network, channel, openOne } = world();
  view.put({ address: A, weight: 200 }, { address: B, healthy: false });
  openOne();
  network.to(A)[0]!.fail();
  const snapshot = JSON.parse(JSON.stringify(channel.inspect()));
  assert.equal(snapshot.state, "bound");
  assert.equal(snapshot.waiting, 1);
  assert.deepEqual(
    snapshot.endpoints.map(({ address, eligibility, reason, weight }: Record<string, unknown>) => [
      address,
      eligibility,
      reason,
      weight,
    ]),
    [
      [A, "backoff", `connect ECONNREFUSED ${A}, retry in 1 s`, 200],
      [B, "unhealthy", "reported unhealthy by the registry", 0],
    ],
  );
});
