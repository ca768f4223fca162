import assert from "node:assert/strict";
import { test } from "node:test";
import { everySplit, type FrameScript, type FrameScriptOptions } from "@dubhe/testing";
import { HeaderTemplate } from "../types.js";

const client: FrameScriptOptions = { role: "client" };
const POST = new HeaderTemplate([":method", "POST", ":scheme", "http", ":path", "/"]);

/** A client with stream 1 open, and its request sent. */
function opened(script: FrameScript, endStream = true): FrameScript {
  script.handshake();
  script.open(POST, endStream);
  script.sent();
  return script;
}

test("a response: headers, data, trailers, end", () =>
  everySplit(client, (script) => {
    opened(script).receive("HEADERS 1 :status=200 a=b", 'DATA 1 "hello"', "HEADERS 1 END_STREAM grpc-status=0");
    assert.deepEqual(script.events(), [
      "stream 1 response :status=200 a=b",
      "stream 1 data 5",
      "stream 1 trailers grpc-status=0",
      "stream 1 complete",
    ]);
    assert.deepEqual(script.sent(), []);
    assert.equal(script.connection.activeStreams, 0);
  }));

test("a response without a body is whole at once", () =>
  everySplit(client, (script) => {
    opened(script).receive("HEADERS 1 END_STREAM :status=200 grpc-status=5");
    assert.deepEqual(script.events(), ["stream 1 response :status=200 grpc-status=5 END_STREAM", "stream 1 complete"]);
  }));

test("1xx is skipped", () =>
  everySplit(client, (script) => {
    opened(script).receive("HEADERS 1 :status=100", "HEADERS 1 :status=103 link=x", "HEADERS 1 END_STREAM :status=204");
    assert.deepEqual(script.events(), ["stream 1 response :status=204 END_STREAM", "stream 1 complete"]);
  }));

for (const fields of [
  "grpc-status=0",
  ":status=200 :status=200",
  ":status=200 :path=/",
  ":path=/",
  ":status=20",
  ":status=0200",
  ":status=2x0",
  ":status=101",
  "x=1 :status=200",
  ":status=200 Upper=1",
  ":status=200 connection=close",
  ":status=200 content-length=x",
]) {
  test(`malformed: ${fields}`, () =>
    everySplit(client, (script) => {
      opened(script).receive(`HEADERS 1 ${fields}`);
      assert.deepEqual(script.sent(), ["RST_STREAM 1 PROTOCOL_ERROR"]);
      assert.deepEqual(script.events(), ["stream 1 reset by local PROTOCOL_ERROR processed=maybe"]);
      assert.equal(script.connection.state, "open");
    }));
}

test("1xx must not end the stream, DATA must not come before the response", () =>
  everySplit(client, (script) => {
    opened(script).receive("HEADERS 1 END_STREAM :status=100");
    script.open(POST, true);
    script.sent();
    script.receive('DATA 3 "x"');
    assert.deepEqual(script.sent(), ["RST_STREAM 3 PROTOCOL_ERROR"]);
    assert.equal(script.connection.state, "open");
  }));

test("content-length must match, unless there is no body at all", () =>
  everySplit(client, (script) => {
    opened(script).receive("HEADERS 1 :status=200 content-length=3", 'DATA 1 END_STREAM "ab"');
    assert.deepEqual(script.sent(), ["RST_STREAM 1 PROTOCOL_ERROR"]);
    script.open(POST, true);
    script.receive("HEADERS 3 END_STREAM :status=304 content-length=3");
    assert.equal(script.events().at(-1), "stream 3 complete");
  }));

test("a response that is whole before the request cancels the rest of it", () =>
  everySplit(client, (script) => {
    opened(script, false).receive("HEADERS 1 END_STREAM :status=200 grpc-status=3");
    assert.deepEqual(script.sent(), ["RST_STREAM 1 NO_ERROR"]);
    assert.equal(script.events().at(-1), "stream 1 complete");
    assert.equal(script.stream(1).send(Buffer.from("late"), true), false);
    assert.deepEqual(script.sent(), []);
  }));

test("a header list above the limit ends its stream", () =>
  everySplit({ ...client, options: { maxHeaderListSize: 1024 } }, (script) => {
    opened(script).receive(`HEADERS 1 :status=200 x=${"y".repeat(1000)}`);
    assert.deepEqual(script.sent(), ["RST_STREAM 1 ENHANCE_YOUR_CALM"]);
    assert.deepEqual(script.events(), ["stream 1 reset by local ENHANCE_YOUR_CALM processed=maybe"]);
  }));

test("REFUSED_STREAM before the response proves that nothing was processed; after it, it does not", () =>
  everySplit(client, (script) => {
    opened(script).receive("RST_STREAM 1 REFUSED_STREAM");
    assert.deepEqual(script.events(), ["stream 1 reset by peer REFUSED_STREAM processed=no"]);
    script.open(POST, true);
    script.receive("HEADERS 3 :status=200", "RST_STREAM 3 REFUSED_STREAM");
    assert.equal(script.events().at(-1), "stream 3 reset by peer REFUSED_STREAM processed=yes");
    script.open(POST, true);
    script.receive("RST_STREAM 5 CANCEL");
    assert.equal(script.events().at(-1), "stream 5 reset by peer CANCEL processed=maybe");
  }));

for (const [frame, code] of [
  ["PUSH_PROMISE 1 hex=00000002", "PROTOCOL_ERROR"],
  ["HEADERS 2 :status=200", "PROTOCOL_ERROR"],
  ["HEADERS 3 :status=200", "PROTOCOL_ERROR"],
  ['DATA 3 "x"', "PROTOCOL_ERROR"],
  ["RST_STREAM 3 CANCEL", "PROTOCOL_ERROR"],
  ["WINDOW_UPDATE 3 1", "PROTOCOL_ERROR"],
] as const) {
  test(`connection error ${code}: ${frame} while only stream 1 is open`, () =>
    everySplit(client, (script) => {
      opened(script).receive(frame);
      assert.match(script.sent().at(-1)!, new RegExp(`^GOAWAY 0 ${code} `));
      assert.deepEqual(script.events()[0], `stream 1 connection by local ${code} processed=maybe`);
    }));
}

test("frames that were under way when we reset the stream are ignored", () =>
  everySplit(client, (script) => {
    opened(script);
    script.stream(1).reset(8);
    assert.deepEqual(script.sent(), ["RST_STREAM 1 CANCEL"]);
    script.receive(
      "HEADERS 1 :status=200 x=1",
      'DATA 1 "late"',
      "WINDOW_UPDATE 1 5",
      "HEADERS 1 END_STREAM x=2",
      "RST_STREAM 1 NO_ERROR",
    );
    assert.deepEqual(script.sent(), []);
    assert.deepEqual(script.events(), ["stream 1 reset by local CANCEL processed=maybe"]);
  }));
