import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameScript, frameBytes, PREFACE } from "@dubhe/testing";

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

const REQUEST = ":method=POST :scheme=http :path=/";

/** One frame, cut in two: [most of it, the rest]. */
function cut(line: string): [Uint8Array, Uint8Array] {
  const bytes = frameBytes(line);
  return [bytes.subarray(0, bytes.length - 1), bytes.subarray(bytes.length - 1)];
}

test("a frame that was begun must end in time, or the peer is given up", async () => {
  const script = new FrameScript({ role: "server", options: { frameTimeoutMs: 1_000 } });
  script.handshake();
  const [most, rest] = cut(`HEADERS 1 ${REQUEST}`);
  script.receiveBytes(most);
  await script.advance(999);
  script.receiveBytes(rest);
  await script.advance(5_000);
  assert.equal(script.connection.state, "open");
  script.receiveBytes(cut('DATA 1 "hello"')[0]);
  await script.advance(1_000);
  assert.match(script.sent().at(-1)!, /^GOAWAY 1 ENHANCE_YOUR_CALM "a frame was begun/);
  assert.equal(script.connection.counters.timeouts, 1);
  assert.equal(script.testRuntime.clock.pendingTimers, 0);
});

test("a header block is one thing, however many CONTINUATIONs it dribbles in", async () => {
  const script = new FrameScript({ role: "server", split: "whole", options: { frameTimeoutMs: 1_000 } });
  script.handshake();
  script.receive(`HEADERS 1 -END_HEADERS ${REQUEST}`);
  for (let i = 0; i < 9; i++) {
    await script.advance(100);
    script.receive("CONTINUATION 1 -END_HEADERS x=y");
  }
  assert.equal(script.connection.state, "open");
  await script.advance(100);
  assert.equal(script.connection.state, "closed");
});

test("frames that each straddle two chunks have their own time each", async () => {
  const script = new FrameScript({ role: "server", options: { frameTimeoutMs: 1_000, keepalive: false } });
  script.handshake();
  script.receive(`HEADERS 1 ${REQUEST}`);
  let [most, rest] = cut('DATA 1 "x"');
  for (let i = 0; i < 20; i++) {
    script.receiveBytes(most);
    await script.advance(400);
    const [nextMost, nextRest] = cut('DATA 1 "x"');
    script.receiveBytes(Buffer.concat([rest, nextMost]));
    await script.advance(400);
    script.receiveBytes(nextRest);
    [most, rest] = cut('DATA 1 "y"');
  }
  assert.equal(script.connection.state, "open");
});
