import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameScript, ScriptOutput, testRuntime } from "@dubhe/testing";
import { HeaderTemplate } from "../types.js";
import { createCore } from "./core.js";

const OK = new HeaderTemplate([":status", "200"]);
const REQUEST = "END_STREAM :method=GET :scheme=http :path=/";
const HOUR = 3_600_000;

test("a server drains a connection that carried no stream for an hour, and up to a quarter more", async () => {
  const script = new FrameScript({ role: "server", options: { keepalive: false } });
  script.handshake();
  await script.advance(0.9 * HOUR);
  script.receive(`HEADERS 1 ${REQUEST}`);
  await script.advance(3 * HOUR);
  assert.equal(script.connection.state, "open", "a stream that runs is use, however long");
  script.stream(1).sendHeaders(OK, undefined, true);
  script.sent();
  await script.advance(HOUR);
  assert.deepEqual(script.sent(), []);
  await script.advance(0.25 * HOUR);
  assert.deepEqual(script.sent(), ['GOAWAY 2147483647 NO_ERROR "max_idle"', "PING 1", "GOAWAY 1 NO_ERROR"]);
  assert.equal(script.connection.state, "closed");
  assert.equal(script.testRuntime.clock.pendingTimers, 0);
});

test("calls that are short and rare keep it too, and one under way when the time is up is served", async () => {
  const script = new FrameScript({
    role: "server",
    split: "whole",
    options: { maxConnectionIdleMs: 1_000, keepalive: false },
    onStream: (stream) => stream.sendHeaders(OK, undefined, true),
  });
  script.handshake();
  for (let id = 1; id < 60; id += 2) {
    script.receive(`HEADERS ${id} ${REQUEST}`);
    await script.advance(990);
  }
  assert.equal(script.connection.state, "open");
  await script.advance(260);
  assert.match(script.sent().at(-2)!, /max_idle/);
  script.receive(`HEADERS 61 ${REQUEST}`, "PING ACK 1");
  assert.ok(script.events().includes("stream 61 complete"));
  assert.equal(script.connection.state, "closed");
});

test("maxConnectionAgeMs: drained at that age, give or take a tenth; what still runs after the grace is cut", async () => {
  const options = { maxConnectionAgeMs: 100_000, maxConnectionAgeGraceMs: 5_000, keepalive: false as const };
  const script = new FrameScript({ role: "server", options });
  script.handshake();
  script.receive(`HEADERS 1 ${REQUEST}`, `HEADERS 3 ${REQUEST}`);
  script.events();
  await script.advance(90_000);
  assert.deepEqual(script.sent(), []);
  let age = 90_000;
  for (; script.connection.state === "open"; age += 100) await script.advance(100);
  assert.ok(age > 90_000 && age <= 110_000, `${age}`);
  assert.deepEqual(script.sent(), ['GOAWAY 2147483647 NO_ERROR "max_age"', "PING 1"]);
  script.receive("PING ACK 1");
  script.stream(3).sendHeaders(OK, undefined, true);
  await script.advance(4_800);
  assert.deepEqual(script.events(), ["stream 3 complete"]);
  await script.advance(200);
  assert.deepEqual(script.events(), ["stream 1 connection by local CANCEL processed=yes", "closed"]);
});

test("ages differ from connection to connection", async () => {
  const { runtime, clock } = testRuntime();
  const ages = new Set<number>();
  for (let i = 0; i < 10; i++) {
    const options = { maxConnectionAgeMs: 5_000, maxConnectionIdleMs: Infinity, keepalive: false as const };
    const core = createCore(runtime, "server", new ScriptOutput(), options);
    ages.add(clock.nextTimerAt! - clock.now());
    core.connection.destroy();
  }
  assert.equal(ages.size, 10);
  for (const age of ages) assert.ok(age >= 4_500 && age <= 5_500, `${age}`);
});

test("without an age a stream may run for ever; a client has neither age nor idle time", async () => {
  const server = new FrameScript({ role: "server", options: { keepalive: false } });
  server.handshake();
  server.receive(`HEADERS 1 ${REQUEST}`);
  const client = new FrameScript({
    role: "client",
    options: { maxConnectionAgeMs: 1_000, maxConnectionIdleMs: 1_000 },
  });
  client.handshake();
  await server.advance(100 * HOUR);
  await client.advance(100 * HOUR);
  assert.equal(server.connection.state, "open");
  assert.equal(client.connection.state, "open");
});

test("a drain that is under way keeps its own grace", async () => {
  const options = { maxConnectionAgeMs: 1_000, maxConnectionIdleMs: 400, keepalive: false as const };
  const script = new FrameScript({ role: "server", options });
  script.handshake();
  script.receive(`HEADERS 1 ${REQUEST}`);
  script.connection.drain({ graceMs: 2_000 });
  await script.advance(2_000);
  assert.equal(script.connection.state, "closed");
});

test("a client that says GOAWAY, or never finishes its handshake, does not outlive the age and its grace", async () => {
  const options = { maxConnectionAgeMs: 1_000, maxConnectionAgeGraceMs: 500, handshakeTimeoutMs: 60_000 };
  const leaving = new FrameScript({ role: "server", options: { ...options, keepalive: false } });
  leaving.handshake();
  leaving.receive(`HEADERS 1 ${REQUEST}`, "GOAWAY 0 NO_ERROR");
  const silent = new FrameScript({ role: "server", options });
  for (const script of [leaving, silent]) {
    await script.advance(1_100 + 500);
    assert.equal(script.connection.state, "closed");
    assert.equal(script.testRuntime.clock.pendingTimers, 0);
  }
});
