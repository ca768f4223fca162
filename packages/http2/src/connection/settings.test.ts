import assert from "node:assert/strict";
import { test } from "node:test";
import { everySplit, FrameScript } from "@dubhe/testing";
import { HeaderTemplate } from "../types.js";

const server = { role: "server" } as const;
const GET = "HEADERS 1 END_STREAM :method=GET :scheme=http :path=/";
const OK = new HeaderTemplate([":status", "200"]);

const wrong: readonly (readonly [frame: string, code: string])[] = [
  ["SETTINGS INITIAL_WINDOW_SIZE=2147483648", "FLOW_CONTROL_ERROR"],
  ["SETTINGS MAX_FRAME_SIZE=16383", "PROTOCOL_ERROR"],
  ["SETTINGS MAX_FRAME_SIZE=16777216", "PROTOCOL_ERROR"],
  ["SETTINGS ENABLE_PUSH=2", "PROTOCOL_ERROR"],
  ["SETTINGS stream=1", "PROTOCOL_ERROR"],
  ["SETTINGS hex=0001000000", "FRAME_SIZE_ERROR"],
  ["SETTINGS ACK ENABLE_PUSH=0", "FRAME_SIZE_ERROR"],
];
for (const [frame, code] of wrong) {
  test(`${frame} is a connection error`, () =>
    everySplit(server, (script) => {
      script.handshake();
      script.receive(frame);
      assert.match(script.sent().at(-1)!, new RegExp(`^GOAWAY 0 ${code} `));
    }));
}

test("a server must not allow pushing", () => {
  const script = new FrameScript({ role: "client" });
  script.receive("SETTINGS ENABLE_PUSH=1");
  assert.match(script.sent().at(-1)!, /^GOAWAY 0 PROTOCOL_ERROR/);
});

test("the acknowledgement goes before the DATA that the new window allows", () =>
  everySplit(server, (script) => {
    script.handshake("INITIAL_WINDOW_SIZE=0");
    script.receive(GET);
    script.stream(1).sendHeaders(OK, undefined, false);
    script.stream(1).send(Buffer.from("hello"), true);
    assert.deepEqual(script.sent(), ["HEADERS 1 :status=200"]);
    script.receive("SETTINGS INITIAL_WINDOW_SIZE=3");
    assert.deepEqual(script.sent(), ["SETTINGS ACK", 'DATA 1 "hel"']);
  }));

test("the last value in a frame counts", () => {
  const script = new FrameScript(server);
  script.handshake("INITIAL_WINDOW_SIZE=0 INITIAL_WINDOW_SIZE=5 INITIAL_WINDOW_SIZE=2");
  script.receive(GET);
  script.stream(1).sendHeaders(OK, undefined, false);
  script.stream(1).send(Buffer.from("hello"), true);
  assert.deepEqual(script.sent(), ["HEADERS 1 :status=200", 'DATA 1 "he"']);
});

test("a window that shrinks below zero must be earned back (RFC 9113 §6.9.2)", () =>
  everySplit(server, (script) => {
    script.handshake("INITIAL_WINDOW_SIZE=10");
    script.receive(GET);
    const stream = script.stream(1);
    stream.sendHeaders(OK, undefined, false);
    stream.send(Buffer.from("0123456789abc"), true);
    assert.deepEqual(script.sent().at(-1), 'DATA 1 "0123456789"');
    script.receive("SETTINGS INITIAL_WINDOW_SIZE=4");
    script.receive("WINDOW_UPDATE 1 6");
    assert.deepEqual(script.sent(), ["SETTINGS ACK"], "the window is 0 now");
    script.receive("WINDOW_UPDATE 1 2");
    assert.deepEqual(script.sent(), ['DATA 1 "ab"']);
    script.receive("SETTINGS INITIAL_WINDOW_SIZE=5");
    assert.deepEqual(script.sent(), ["SETTINGS ACK", 'DATA 1 END_STREAM "c"']);
    assert.deepEqual(script.events().at(-1), "stream 1 complete");
  }));

test("END_STREAM alone passes a negative window", () => {
  const script = new FrameScript(server);
  script.handshake("INITIAL_WINDOW_SIZE=10");
  script.receive(GET);
  const stream = script.stream(1);
  stream.sendHeaders(OK, undefined, false);
  stream.send(Buffer.from("0123456789"), false);
  script.receive("SETTINGS INITIAL_WINDOW_SIZE=0");
  script.sent();
  stream.send(new Uint8Array(0), true);
  assert.deepEqual(script.sent(), ["DATA 1 END_STREAM"]);
});

test("a new initial window that overflows a stream's window is a connection error", () =>
  everySplit(server, (script) => {
    script.handshake();
    script.receive(GET, "WINDOW_UPDATE 1 2147418112");
    assert.equal(script.connection.state, "open");
    script.receive("SETTINGS INITIAL_WINDOW_SIZE=65536");
    assert.match(script.sent().at(-1)!, /^GOAWAY 1 FLOW_CONTROL_ERROR/);
  }));

test("a smaller header table is announced in the next block", () =>
  everySplit(server, (script) => {
    script.handshake("HEADER_TABLE_SIZE=0");
    script.receive(GET);
    // The reader's decoder fails if the size update is missing or too large.
    script.stream(1).sendHeaders(OK, ["x-a", "1"], true);
    assert.deepEqual(script.sent(), ["HEADERS 1 END_STREAM :status=200 x-a=1"]);
  }));

test("the peer's limit of streams is the client's capacity, and a higher one wakes", () => {
  const script = new FrameScript({ role: "client" });
  script.handshake("MAX_CONCURRENT_STREAMS=1");
  const request = new HeaderTemplate([":method", "GET", ":scheme", "http", ":path", "/"]);
  assert.notEqual(script.open(request, true), undefined);
  assert.equal(script.connection.capacity, 0);
  assert.equal(script.open(request, true), undefined);
  script.receive("SETTINGS MAX_CONCURRENT_STREAMS=2");
  assert.equal(script.connection.capacity, 1);
  assert.equal(script.open(request, true)?.id, 3);
  script.receive("SETTINGS MAX_CONCURRENT_STREAMS=0");
  assert.equal(script.connection.capacity, 0, "lower than what runs");
});

test("the peer's limit of header lists is there for the layer above", () => {
  const script = new FrameScript({ role: "client" });
  assert.equal(script.connection.peerMaxHeaderListSize, Infinity);
  script.handshake("MAX_HEADER_LIST_SIZE=8192");
  assert.equal(script.connection.peerMaxHeaderListSize, 8_192);
  script.receive("SETTINGS MAX_HEADER_LIST_SIZE=4096");
  assert.equal(script.connection.peerMaxHeaderListSize, 4_096);
});
