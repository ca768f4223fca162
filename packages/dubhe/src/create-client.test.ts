import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { systemClock } from "@dubhe/concurrency";
import { EchoService, echoHandlers, leakCheck, testRuntime, VirtualClock } from "@dubhe/testing";
import { makeDirectClient } from "./create-client.js";
import { createServer } from "./create-server.js";
import type { Server } from "./server.js";

async function started(): Promise<Server> {
  const server = createServer({ listen: "127.0.0.1:0" }).add(EchoService, echoHandlers());
  await server.start();
  return server;
}

function connectionsOf(server: Server): number {
  return (server.inspect() as { connections: number }).connections;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    systemClock.setTimeout(resolve, ms, { ref: true });
  });
}

/** Lets real I/O happen, at most for a second, until `done`. */
async function until(done: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !done(); i++) await sleep(1);
}

/** Calls through `count` clients that nobody closes; only weak references to them come back. */
async function abandon(clock: VirtualClock, server: Server, count: number): Promise<WeakRef<object>[]> {
  const { runtime } = testRuntime({ clock });
  const refs: WeakRef<object>[] = [];
  for (let i = 0; i < count; i++) {
    const client = makeDirectClient(runtime, EchoService, `tri://${server.address}`);
    assert.equal((await client.unary({ text: "x" })).text, "x");
    refs.push(new WeakRef(client));
  }
  return refs;
}

test("the connection closes 30 s after the last call, and the next call opens another one", async (t) => {
  leakCheck(t);
  await using server = await started();
  const { runtime, clock } = testRuntime();
  await using client = makeDirectClient(runtime, EchoService, `tri://${server.address}`);
  await client.unary({});
  await clock.advance(20_000);
  await client.unary({});
  await clock.advance(29_000);
  assert.equal(connectionsOf(server), 1, "29 s after the second call");
  await clock.advance(1_100);
  await until(() => connectionsOf(server) === 0);
  assert.equal(connectionsOf(server), 0, "30 s after the second call");
  assert.equal((await client.unary({ text: "again" })).text, "again");
});

test("clients that nobody closes leak nothing: their sockets and timers end 30 s after the last call, then they are collected", async (t) => {
  leakCheck(t);
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  await using server = await started();
  const clock = new VirtualClock();
  const refs = await abandon(clock, server, 20);
  await until(() => connectionsOf(server) === 20);
  assert.equal(connectionsOf(server), 20);
  await clock.advance(30_100);
  await until(() => connectionsOf(server) === 0);
  assert.equal(connectionsOf(server), 0);
  await until(() => clock.pendingTimers === 0);
  assert.equal(clock.pendingTimers, 0, "timers");
  await until(() => {
    collect();
    return refs.every((ref) => ref.deref() === undefined);
  });
  assert.equal(refs.filter((ref) => ref.deref() !== undefined).length, 0, "clients in memory");
});
