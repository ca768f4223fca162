import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameScript, PREFACE } from "@dubhe/testing";
import { HeaderTemplate } from "../types.js";

const GET = new HeaderTemplate([":method", "GET", ":scheme", "http", ":path", "/"]);

for (const role of ["client", "server"] as const) {
  test(`${role}: a peer without a handshake is given up`, async () => {
    const script = new FrameScript({ role, options: { handshakeTimeoutMs: 500 } });
    if (role === "server") script.receive(PREFACE);
    await script.advance(499);
    assert.deepEqual(script.events(), []);
    await script.advance(1);
    assert.deepEqual(script.events(), ["closed: no HTTP/2 handshake within 500 ms"]);
    assert.equal(script.output.ended, "destroyed");
  });
}

test("SETTINGS must be acknowledged in time", async () => {
  const script = new FrameScript({ role: "server", options: { settingsAckTimeoutMs: 500 } });
  script.receive(PREFACE, "SETTINGS");
  await script.advance(600);
  assert.match(script.sent().at(-1)!, /^GOAWAY 0 SETTINGS_TIMEOUT/);
});

test("no timer is left after the handshake, and none after the end", async () => {
  const script = new FrameScript({ role: "server", options: { keepalive: { intervalMs: 1_000 } } });
  script.handshake();
  await script.advance(900);
  script.connection.drain();
  script.connection.destroy();
  // What may be left is the output buffer's idle timer.
  await script.advance(2_000);
  assert.equal(script.testRuntime.clock.pendingTimers, 0);
});

test("bytes that wait in the socket when a stall ends count: the timer looks once more after a poll phase", async () => {
  const script = new FrameScript({ role: "client", options: { handshakeTimeoutMs: 500 } });
  const { clock } = script.testRuntime;
  clock.stall(5_000); // the process was suspended; the server's SETTINGS lie in the socket
  clock.advanceSync(0);
  script.receive("SETTINGS", "SETTINGS ACK");
  await script.advance(5_000);
  assert.deepEqual(script.events(), ["ready"]);
});

test("keepalive: PING after silence while streams are open, and the end without an answer", async () => {
  const script = new FrameScript({ role: "client", options: { keepalive: { intervalMs: 1_000, timeoutMs: 200 } } });
  script.handshake();
  await script.advance(5_000);
  assert.deepEqual(script.sent(), [], "idle: no PING");
  script.open(GET, true);
  script.sent();
  await script.advance(1_000);
  assert.deepEqual(script.sent(), ["PING 1"]);
  script.receive("PING ACK 1");
  await script.advance(999);
  assert.deepEqual(script.sent(), []);
  await script.advance(100);
  assert.deepEqual(script.sent(), ["PING 2"]);
  await script.advance(400);
  assert.deepEqual(script.events(), [
    "stream 1 connection by transport CONNECT_ERROR processed=maybe",
    "closed: keepalive: nothing received within 200 ms of a PING",
  ]);
});

test("keepalive: any byte is a sign of life", async () => {
  const options = { keepalive: { intervalMs: 1_000, timeoutMs: 200, whenIdle: true } };
  const script = new FrameScript({ role: "server", options });
  script.handshake();
  await script.advance(1_000);
  assert.deepEqual(script.sent(), ["PING 1"]);
  script.receive("WINDOW_UPDATE 0 1");
  await script.advance(900);
  assert.equal(script.connection.state, "open");
  for (let i = 0; i < 10; i++) {
    script.receive("WINDOW_UPDATE 0 1");
    await script.advance(900);
  }
  assert.deepEqual(script.sent(), [], "not silent, no PING");
});

test("ping measures the round trip, and ends with the connection", async () => {
  const script = new FrameScript({ role: "client" });
  script.handshake();
  const results: (number | Error)[] = [];
  script.connection.ping((result) => results.push(result));
  assert.deepEqual(script.sent(), ["PING 1"]);
  await script.advance(7);
  script.receive("PING ACK 1");
  script.connection.ping((result) => results.push(result));
  script.connection.destroy();
  script.connection.ping((result) => results.push(result));
  await script.advance(0);
  assert.equal(results[0], 7);
  assert.equal(results.length, 3);
  assert.ok(results.slice(1).every((result) => result instanceof Error));
});

test("a handshake that came late, after a stall, leaves no timer behind when the connection ends", async () => {
  const script = new FrameScript({ role: "client", options: { handshakeTimeoutMs: 500 } });
  const { clock } = script.testRuntime;
  clock.stall(5_000);
  clock.advanceSync(0);
  script.receive("SETTINGS"); // our own are not acknowledged: that has a timer now
  await clock.settle();
  script.connection.destroy();
  assert.equal(clock.pendingTimers, 0);
});
