import assert from "node:assert/strict";
import { test } from "node:test";
import { createRuntime } from "@dubhe/concurrency";
import {
  EchoService,
  echoHandlers,
  FakeCall,
  type FakeCallOptions,
  FakeNetwork,
  testRuntime,
  withLeakCheck,
} from "@dubhe/testing";
import { createServiceClient } from "../client/create-client.js";
import { Code } from "../code.js";
import { createRpcEnvironment } from "../environment.js";
import { RpcServer } from "../server/rpc-server.js";
import { DedicatedChannel, type DedicatedOptions } from "./dedicated-channel.js";

function world(options: DedicatedOptions = {}) {
  const { runtime, clock } = testRuntime();
  const network = new FakeNetwork(runtime);
  const channel = new DedicatedChannel(
    runtime,
    { host: "10.0.0.1", port: 9848 },
    { connect: network.connect, ...options },
  );
  const open = (callOptions?: FakeCallOptions): FakeCall => {
    const call = new FakeCall(callOptions);
    channel.open(call);
    return call;
  };
  return { clock, network, channel, open };
}

test("one connection at once, calls wait for it in order; it is never replaced", async () => {
  const { network, channel, open, clock } = world();
  assert.equal(network.connections.length, 1);
  const ready = channel.ready();
  const calls = [open(), open(), open()];
  network.last.ready(2);
  await ready;
  await channel.ready();
  assert.deepEqual(
    calls.map(({ state }) => state),
    ["running", "running", "waiting"],
  );
  calls[0]!.finish();
  assert.equal(calls[2]!.state, "running");
  network.last.fail(new Error("read ECONNRESET"));
  assert.deepEqual([calls[1]!.error?.processed, calls[2]!.error?.processed], ["maybe", "maybe"]);
  assert.equal((await channel.closed)?.message, "read ECONNRESET");
  const late = open({ waitForReady: true });
  assert.equal(late.error?.code, Code.Unavailable);
  assert.match(late.error!.message, /the connection to 10\.0\.0\.1:9848 is closed: read ECONNRESET/);
  await assert.rejects(channel.ready(), /is closed/);
  await clock.advance(100_000);
  assert.equal(network.connections.length, 1);
  assert.equal(clock.pendingTimers, 0);
});

test("cannot connect: those who wait hear why; nobody is listening: no unhandled rejection", async () => {
  const { network, channel, open } = world();
  const call = open();
  network.last.fail();
  assert.match(call.error!.message, /ECONNREFUSED/);
  assert.match((await channel.closed)!.message, /ECONNREFUSED/);
  assert.equal(channel.state, "closed");
});

test("no answer within 3 s, and a connector that throws, are failures like any other", async () => {
  const { network, channel, clock } = world();
  await clock.advance(3000);
  assert.match((await channel.closed)!.message, /timed out after 3000 ms/);
  assert.equal(network.last.state, "closed");
  const broken = world({
    connect: () => {
      throw new TypeError("bad key");
    },
  });
  assert.match((await broken.channel.closed)!.message, /bad key/);
});

test("GOAWAY: what runs finishes, what waits and comes fails, the session is over when the last stream is", async () => {
  const { network, channel, open } = world();
  network.last.ready(1);
  const [running, waiting] = [open(), open()];
  network.last.goaway();
  assert.deepEqual([running.state, waiting.state, channel.state], ["running", "failed", "draining"]);
  assert.match(open().error!.message, /said GOAWAY \(code 0\)/);
  running.finish();
  assert.match((await channel.closed)!.message, /GOAWAY/);
});

test("close waits for what runs, within the grace; nothing is replayed", async () => {
  const { network, channel, open, clock } = world();
  network.last.ready();
  const [quick, slow, refused] = [open(), open(), open()];
  refused.refuse();
  assert.deepEqual([refused.state, refused.attempts], ["failed", 1]);
  const closing = channel.close(500);
  quick.finish();
  await clock.advance(500);
  await closing;
  assert.deepEqual([quick.state, slow.state], ["done", "failed"]);
  assert.equal(await channel.closed, undefined, "closed on purpose: no reason");
  await channel.close();
  const never = world();
  await never.channel.close();
  assert.equal(never.network.last.state, "closed");
});

test("only the calls that say so hold the process", () => {
  const { network, open } = world({ holdsProcess: (call) => !call.control });
  const { last } = network;
  assert.equal(last.referenced, false);
  last.ready();
  const endless = open({ control: true });
  assert.equal(last.referenced, false);
  const [one, two] = [open(), open()];
  assert.equal(last.referenced, true);
  one.finish();
  assert.equal(last.referenced, true);
  two.refuse();
  assert.equal(last.referenced, false);
  endless.finish();
  assert.equal(last.referenced, false);
});

test("callers that leave are forgotten", () => {
  const { network, channel, open } = world();
  const [left, stays] = [open(), open()];
  left.leave(channel);
  network.last.ready(1);
  assert.deepEqual([left.state, stays.state], ["left", "running"]);
});

test(
  "unary and bidirectional calls over one real connection",
  withLeakCheck(async () => {
    const env = createRpcEnvironment(createRuntime());
    const server = new RpcServer(env).add(EchoService, echoHandlers());
    const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
    const channel = new DedicatedChannel(env.runtime, { host: "127.0.0.1", port });
    const client = createServiceClient(env, EchoService, channel);
    const said: string[] = [];
    async function* talk() {
      yield { text: "a" };
      assert.equal((await client.unary({ text: "beside" })).text, "beside");
      yield { text: "b" };
    }
    for await (const { text } of client.bidi(talk())) said.push(text);
    assert.deepEqual(said, ["a", "b"]);
    assert.equal(server.connections.size, 1);
    await server.close({ graceMs: 0 });
    await channel.closed;
    await assert.rejects(client.unary({ text: "late" }), { code: Code.Unavailable, processed: "no" });
  }),
);
