import assert from "node:assert/strict";
import { test } from "node:test";
import { everySplit, FrameScript } from "@dubhe/testing";
import { HeaderTemplate } from "../types.js";

const KIB = 1024;
const GET = "END_STREAM :method=GET :scheme=http :path=/";
const OK = new HeaderTemplate([":status", "200"]);
const TRAILERS = new HeaderTemplate(["grpc-status", "0"]);
const server = { role: "server" } as const;

function serving(script: FrameScript, settings: string, ...ids: readonly number[]): void {
  script.handshake(settings);
  for (const id of ids) {
    script.receive(`HEADERS ${id} ${GET}`);
    script.stream(id).sendHeaders(OK, undefined, false);
  }
  script.sent();
  script.events();
}

test("DATA is cut to the stream's window and goes on when it grows; trailers follow the last byte", () =>
  everySplit(server, (script) => {
    serving(script, "INITIAL_WINDOW_SIZE=4", 1);
    script.stream(1).sendPrefixed(0, Buffer.from("hello"), false);
    script.stream(1).sendHeaders(TRAILERS, undefined, true);
    assert.deepEqual(script.sent(), ["DATA 1 *4"]);
    script.receive("WINDOW_UPDATE 1 4");
    assert.deepEqual(script.sent(), ["DATA 1 *4"]);
    script.receive("WINDOW_UPDATE 1 100");
    assert.deepEqual(script.sent(), ['DATA 1 "lo"', "HEADERS 1 END_STREAM grpc-status=0"]);
    assert.deepEqual(script.events(), ["stream 1 complete"]);
  }));

test("the connection's window binds all streams; trailers need none", () =>
  everySplit(server, (script) => {
    serving(script, "INITIAL_WINDOW_SIZE=100000", 1, 3, 5);
    script.stream(1).send(new Uint8Array(65_535), false);
    script.stream(3).send(Buffer.from("abc"), true);
    script.stream(5).sendHeaders(TRAILERS, undefined, true);
    const sent = script.sent();
    assert.equal(sent.at(-1), "HEADERS 5 END_STREAM grpc-status=0");
    assert.ok(!sent.some((line) => line.startsWith("DATA 3")));
    script.receive("WINDOW_UPDATE 0 2");
    assert.deepEqual(script.sent(), ['DATA 3 "ab"']);
    script.receive("WINDOW_UPDATE 0 2");
    assert.deepEqual(script.sent(), ['DATA 3 END_STREAM "c"']);
  }));

test("streams that are ready share the connection in turns of 16 KiB", () =>
  everySplit(server, (script) => {
    serving(script, "INITIAL_WINDOW_SIZE=1000000", 1, 3);
    // 65 535 bytes of connection window; stream 1 has its turns first.
    script.stream(1).send(new Uint8Array(200_000), true);
    script.sent();
    script.stream(3).send(new Uint8Array(40_000), true);
    script.receive("WINDOW_UPDATE 0 80000");
    const order = script.sent().map((line) => line.split(" ")[1]);
    assert.deepEqual(order.slice(0, 5), ["1", "3", "1", "3", "1"]);
  }));

test("send says false at the high-water mark, and onWritable follows when the queue is short again", () =>
  everySplit(server, (script) => {
    serving(script, "INITIAL_WINDOW_SIZE=0", 1);
    const stream = script.stream(1);
    assert.equal(stream.send(new Uint8Array(60_000), false), true);
    assert.equal(stream.send(new Uint8Array(6_000), false), false);
    assert.equal(stream.writable, false);
    script.receive("WINDOW_UPDATE 1 40000");
    assert.deepEqual(script.events(), []);
    script.receive("WINDOW_UPDATE 1 10000");
    assert.deepEqual(script.events(), ["stream 1 writable"]);
    assert.equal(stream.writable, true);
  }));

test("small payloads are copied at once, also when they must wait", () => {
  const script = new FrameScript(server);
  serving(script, "INITIAL_WINDOW_SIZE=0", 1);
  const payload = Buffer.from("abc");
  for (let i = 0; i < 3; i++) script.stream(1).send(payload, false);
  payload.fill(0);
  script.stream(1).send(new Uint8Array(0), true);
  script.receive("WINDOW_UPDATE 1 100");
  assert.deepEqual(script.sent(), ['DATA 1 END_STREAM "abcabcabc"'], "and joined into one frame");
});

test("DATA stays in the streams while the transport holds 256 KiB, and HEADERS of the server too", () => {
  const script = new FrameScript(server);
  serving(script, "INITIAL_WINDOW_SIZE=10000000", 1, 3);
  script.receive("WINDOW_UPDATE 0 10000000");
  script.output.blocked = true;
  script.stream(1).send(new Uint8Array(1_000 * KIB), true);
  script.output.endTurn();
  assert.ok(
    script.output.queuedBytes >= 256 * KIB && script.output.queuedBytes < 290 * KIB,
    `${script.output.queuedBytes}`,
  );
  script.receive(`HEADERS 5 ${GET}`);
  script.stream(5).sendHeaders(OK, undefined, true);
  script.output.endTurn();
  assert.equal(script.connection.activeStreams, 3, "its HEADERS wait");
  script.output.unblock();
  const sent = script.sent();
  assert.equal(sent.filter((line) => line.startsWith("DATA 1")).length, 63);
  assert.ok(sent.includes("HEADERS 5 END_STREAM :status=200"));
  assert.equal(script.connection.activeStreams, 1);
});

test("a flush waits for the turn's end below 64 KiB, and does not above", () => {
  const script = new FrameScript(server);
  serving(script, "INITIAL_WINDOW_SIZE=10000000", 1);
  script.receive("WINDOW_UPDATE 0 10000000");
  const before = script.output.writes;
  for (let i = 0; i < 6; i++) script.stream(1).send(new Uint8Array(10_000), false);
  assert.equal(script.output.writes, before);
  script.stream(1).send(new Uint8Array(10_000), false);
  assert.equal(script.output.writes, before + 1);
});

test("a stream that closes leaves no queue behind", () =>
  everySplit(server, (script) => {
    serving(script, "INITIAL_WINDOW_SIZE=100000", 1, 3, 5);
    script.stream(1).send(new Uint8Array(80_000), true);
    script.stream(3).send(new Uint8Array(10), true);
    script.stream(5).send(new Uint8Array(10), true);
    script.sent();
    script.receive("RST_STREAM 3 CANCEL");
    script.stream(1).reset(8);
    script.receive("WINDOW_UPDATE 0 100000");
    assert.deepEqual(script.sent(), ["RST_STREAM 1 CANCEL", "DATA 5 END_STREAM *10"]);
  }));

test("the order of calls is checked", () => {
  const script = new FrameScript(server);
  script.handshake();
  script.receive(`HEADERS 1 ${GET}`);
  const stream = script.stream(1);
  assert.throws(() => stream.send(Buffer.from("x"), false), /DATA before HEADERS/);
  assert.throws(() => stream.sendHeaders(OK, ["bad name", "x"], false), TypeError);
  stream.sendHeaders(OK, undefined, false);
  assert.throws(() => stream.sendHeaders(TRAILERS, undefined, false), /trailers must end/);
  assert.throws(() => stream.sendHeaders(TRAILERS, ["x", "a\nb"], true), TypeError);
  stream.sendHeaders(TRAILERS, undefined, true);
  assert.equal(stream.send(Buffer.from("x"), false), false, "closed: nothing happens");
  assert.deepEqual(script.sent(), ["HEADERS 1 :status=200", "HEADERS 1 END_STREAM grpc-status=0"]);
});

test("sending after the own end is an error while the stream is open", () => {
  const script = new FrameScript({ role: "client" });
  script.handshake();
  const stream = script.open(new HeaderTemplate([":method", "GET"]), true)!;
  assert.throws(() => stream.send(Buffer.from("x"), true), /after its end/);
});

test("queued headers that cannot be encoded reset their stream", () => {
  const script = new FrameScript(server);
  serving(script, "INITIAL_WINDOW_SIZE=0", 1);
  script.stream(1).send(Buffer.from("x"), false);
  script.stream(1).sendHeaders(TRAILERS, ["x", "a\nb"], true);
  script.receive("WINDOW_UPDATE 1 1");
  assert.deepEqual(script.sent(), ['DATA 1 "x"', "RST_STREAM 1 INTERNAL_ERROR"]);
  assert.equal(script.testRuntime.reports.length, 1);
});

test("a header block above the frame size goes out in CONTINUATIONs", () => {
  const script = new FrameScript(server);
  script.handshake();
  script.receive(`HEADERS 1 ${GET}`);
  const value = "z".repeat(40_000);
  script.stream(1).sendHeaders(OK, ["x-big", value], true);
  const sent = script.sent();
  assert.deepEqual(sent.slice(0, -1), ["HEADERS 1 END_STREAM -END_HEADERS", "CONTINUATION 1 -END_HEADERS"]);
  assert.equal(sent.at(-1), `CONTINUATION 1 :status=200 x-big=${value}`);
});

test("above four times the send buffer's limit new requests are refused; without progress the greediest streams are reset", async () => {
  const options = { sendBufferLimit: 64 * KIB, stallGraceMs: 1_000 };
  const script = new FrameScript({ role: "server", options });
  serving(script, "INITIAL_WINDOW_SIZE=0", 1, 3);
  script.stream(1).send(new Uint8Array(200 * KIB), true);
  script.stream(3).send(new Uint8Array(57 * KIB), true);
  script.receive(`HEADERS 5 ${GET}`);
  assert.deepEqual(script.sent(), ["RST_STREAM 5 REFUSED_STREAM"]);
  await script.advance(900);
  script.receive(`WINDOW_UPDATE 3 ${16 * KIB}`);
  await script.advance(200);
  assert.deepEqual(script.events(), [], "there was progress");
  script.receive("WINDOW_UPDATE 3 1");
  await script.advance(1_000);
  assert.deepEqual(script.events(), ["stream 1 reset by local ENHANCE_YOUR_CALM processed=yes"]);
  script.receive(`HEADERS 7 ${GET}`);
  assert.equal(script.events().length, 1, "there is room again");
});
