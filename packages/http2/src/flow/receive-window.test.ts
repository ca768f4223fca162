import assert from "node:assert/strict";
import { test } from "node:test";
import { everySplit, FrameScript } from "@dubhe/testing";
import { HeaderTemplate } from "../types.js";

const KIB = 1024;
const POST = ":method=POST :scheme=http :path=/";
const OK = new HeaderTemplate([":status", "200"]);
const small = {
  initialWindowSize: 64 * KIB,
  connectionWindowSize: 128 * KIB,
  receiveBufferLimit: 256 * KIB,
  keepalive: false,
} as const;
const server = { role: "server", options: small } as const;

test("a stream is credited when half its window was consumed, not when it was received", () =>
  everySplit({ ...server, options: { initialWindowSize: 65_536 }, consume: false }, (script) => {
    script.handshake();
    script.receive(`HEADERS 1 ${POST}`, "DATA 1 *16384", "DATA 1 *16384", "DATA 1 *16384");
    assert.deepEqual(script.sent(), []);
    script.stream(1).consumed(20_000);
    script.stream(1).consumed(12_767);
    assert.deepEqual(script.sent(), []);
    script.stream(1).consumed(1);
    assert.deepEqual(script.sent(), ["WINDOW_UPDATE 1 32768"]);
    // No more than was received, whatever the application says.
    script.stream(1).consumed(1_000_000);
    assert.deepEqual(script.sent(), []);
  }));

test("padding is credited by the engine", () =>
  everySplit({ ...server, options: { initialWindowSize: 65_536 }, consume: false }, (script) => {
    script.handshake();
    script.receive(`HEADERS 1 ${POST}`);
    // Each carries 1 byte of payload and 256 of padding.
    for (let i = 0; i < 127; i++) script.receive("DATA 1 pad=255 *1");
    assert.deepEqual(script.sent(), []);
    script.receive("DATA 1 pad=255 *1");
    assert.deepEqual(script.sent(), ["WINDOW_UPDATE 1 32768"]);
  }));

test("DATA over the stream's window resets it, over the connection's window ends the connection", () =>
  everySplit({ ...server, consume: false }, (script) => {
    script.handshake();
    const full = ["DATA 1 *16384", "DATA 1 *16384", "DATA 1 *16384", "DATA 1 *16384"];
    script.receive(`HEADERS 1 ${POST}`, ...full);
    script.receive("DATA 1 *1");
    assert.deepEqual(script.sent().at(-1), "RST_STREAM 1 FLOW_CONTROL_ERROR");
    assert.equal(script.connection.state, "open");
  }));

test("the connection's window is enforced", () => {
  const options = { initialWindowSize: 1024 * KIB, connectionWindowSize: 64 * KIB, receiveBufferLimit: 64 * KIB };
  const script = new FrameScript({ role: "server", options, consume: false, split: "whole" });
  script.handshake();
  script.receive(`HEADERS 1 ${POST}`);
  for (let i = 0; i < 4; i++) script.receive("DATA 1 *16384");
  assert.equal(script.connection.state, "open");
  script.receive("DATA 1 *1");
  assert.match(script.sent().at(-1)!, /^GOAWAY 1 FLOW_CONTROL_ERROR/);
});

test("the connection's window is credited on receipt, whoever reads or not", () =>
  everySplit({ ...server, consume: false }, (script) => {
    script.handshake();
    script.receive(`HEADERS 1 ${POST}`, "DATA 1 *16384", "DATA 1 *16384", "DATA 1 *16384", "DATA 1 *16384");
    assert.deepEqual(script.sent(), ["WINDOW_UPDATE 0 65536"]);
  }));

test("padding longer than the frame is a connection error", () =>
  everySplit(server, (script) => {
    script.handshake();
    script.receive(`HEADERS 1 ${POST}`, "DATA 1 flags=8 hex=0261");
    assert.match(script.sent().at(-1)!, /^GOAWAY 1 PROTOCOL_ERROR/);
  }));

test("DATA on closed streams counts against the connection's window and is given back", () =>
  everySplit(server, (script) => {
    script.handshake();
    script.receive(`HEADERS 1 ${POST}`);
    script.stream(1).sendHeaders(OK, undefined, true);
    script.sent();
    for (let i = 0; i < 12; i++) script.receive("DATA 1 *16384");
    assert.deepEqual(script.sent(), ["WINDOW_UPDATE 0 65536", "WINDOW_UPDATE 0 65536", "WINDOW_UPDATE 0 65536"]);
    assert.deepEqual(script.connection.state, "open");
  }));

/** Fills the receive buffer of 256 KiB with four streams that read nothing; each holds its window of 64 KiB. */
function fill(script: FrameScript): void {
  script.handshake();
  for (const id of [1, 3, 5, 7]) {
    script.receive(`HEADERS ${id} ${POST}`);
    for (let i = 0; i < 4; i++) script.receive(`DATA ${id} *${i === 3 && id !== 5 ? 16_000 : 16_384}`);
  }
}

test("near the limit crediting stops; consuming resumes it", () =>
  everySplit({ ...server, consume: false }, (script) => {
    fill(script);
    const credits = script.sent();
    const total = credits.reduce(
      (sum, line) => sum + Number(/^WINDOW_UPDATE 0 (\d+)$/.exec(line)?.[1] ?? Number.NaN),
      0,
    );
    assert.ok(total <= 128 * KIB, `at most the limit is open to the peer, credited ${credits.join()}`);
    script.stream(3).consumed(60_000);
    assert.deepEqual(script.sent().slice(0, 1), ["WINDOW_UPDATE 3 60000"]);
    assert.ok(script.testRuntime.clock.pendingTimers > 0);
  }));

test("at the limit, the stream with most unread is reset after the grace, and the others go on", async () => {
  const script = new FrameScript({ ...server, options: { ...small, stallGraceMs: 1_000 }, consume: false });
  fill(script);
  script.sent();
  script.events();
  await script.advance(999);
  assert.deepEqual(script.events(), []);
  await script.advance(1);
  assert.deepEqual(script.events(), ["stream 5 reset by local ENHANCE_YOUR_CALM processed=yes"]);
  const sent = script.sent();
  assert.equal(sent[0], "RST_STREAM 5 ENHANCE_YOUR_CALM");
  assert.match(sent[1]!, /^WINDOW_UPDATE 0 6\d{4}$/);
  await script.advance(60_000);
  assert.deepEqual(script.events(), [], "relieved");
});

test("who reads in time is not reset", async () => {
  const script = new FrameScript({ ...server, options: { ...small, stallGraceMs: 1_000 }, consume: false });
  fill(script);
  script.events();
  await script.advance(900);
  for (const id of [1, 3, 5, 7]) script.stream(id).consumed(65_536);
  await script.advance(5_000);
  assert.deepEqual(script.events(), []);
  assert.ok(script.sent().includes("WINDOW_UPDATE 0 65536") || script.connection.state === "open");
});
