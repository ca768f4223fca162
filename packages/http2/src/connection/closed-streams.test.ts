import assert from "node:assert/strict";
import { test } from "node:test";
import { everySplit } from "@dubhe/testing";
import { HeaderTemplate } from "../types.js";

const server = { role: "server" } as const;
const POST = ":method=POST :scheme=http :path=/";
const OK = new HeaderTemplate([":status", "200"]);

test("half-closed: DATA and HEADERS after END_STREAM are a stream error STREAM_CLOSED", () =>
  everySplit(server, (script) => {
    script.handshake();
    script.receive(
      `HEADERS 1 END_STREAM ${POST}`,
      'DATA 1 "x"',
      `HEADERS 3 END_STREAM ${POST}`,
      "HEADERS 3 END_STREAM a=b",
    );
    assert.deepEqual(script.sent(), ["RST_STREAM 1 STREAM_CLOSED", "RST_STREAM 3 STREAM_CLOSED"]);
  }));

test("half-closed: WINDOW_UPDATE, PRIORITY and RST_STREAM are in order", () =>
  everySplit(server, (script) => {
    script.handshake();
    script.receive(`HEADERS 1 END_STREAM ${POST}`, "WINDOW_UPDATE 1 9", "PRIORITY 1 on=3", "RST_STREAM 1 CANCEL");
    assert.deepEqual(script.sent(), []);
    assert.equal(script.events().at(-1), "stream 1 reset by peer CANCEL processed=yes");
  }));

test("closed by the peer: DATA is a stream error, HEADERS a connection error", () =>
  everySplit(server, (script) => {
    script.handshake();
    script.receive(`HEADERS 1 ${POST}`, "RST_STREAM 1 CANCEL", 'DATA 1 "x"');
    assert.deepEqual(script.sent(), ["RST_STREAM 1 STREAM_CLOSED"]);
    script.receive(`HEADERS 1 ${POST}`);
    assert.match(script.sent()[0]!, /^GOAWAY 1 STREAM_CLOSED/);
  }));

test("closed: WINDOW_UPDATE, PRIORITY and RST_STREAM are ignored", () =>
  everySplit(server, (script) => {
    script.handshake();
    script.receive(`HEADERS 1 END_STREAM ${POST}`);
    script.stream(1).sendHeaders(OK, undefined, true);
    script.sent();
    script.receive("WINDOW_UPDATE 1 0", "WINDOW_UPDATE 1 5", "PRIORITY 1 on=3", "RST_STREAM 1 CANCEL");
    assert.deepEqual(script.sent(), []);
    assert.equal(script.connection.state, "open");
  }));

test("closed by us: everything under way is ignored, and header blocks still keep the tables in step", () =>
  everySplit(server, (script) => {
    script.handshake();
    script.receive(`HEADERS 1 ${POST}`);
    script.stream(1).reset(2);
    assert.deepEqual(script.sent(), ["RST_STREAM 1 INTERNAL_ERROR"]);
    // A literal with incremental indexing on the closed stream: "n: v" becomes entry 62.
    script.receive('DATA 1 "x"', "HEADERS 1 END_STREAM hex=40016e0176", "RST_STREAM 1 NO_ERROR");
    script.receive("HEADERS 3 flags=5 hex=828684be");
    assert.deepEqual(script.sent(), []);
    assert.equal(script.events().at(-1), "stream 3 request :method=GET :scheme=http :path=/ n=v END_STREAM");
  }));

const idle: readonly string[] = [
  'DATA 5 "x"',
  "RST_STREAM 5 CANCEL",
  "WINDOW_UPDATE 5 1",
  'DATA 2 "x"',
  "RST_STREAM 2 CANCEL",
];
for (const frame of idle) {
  test(`idle: ${frame} is a connection error`, () =>
    everySplit(server, (script) => {
      script.handshake();
      script.receive(`HEADERS 1 ${POST}`, frame);
      assert.match(script.sent().at(-1)!, /^GOAWAY 1 PROTOCOL_ERROR/);
    }));
}

const onStream: readonly (readonly [frame: string, sent: RegExp])[] = [
  ["WINDOW_UPDATE 1 0", /^RST_STREAM 1 PROTOCOL_ERROR/],
  ["WINDOW_UPDATE 1 2147483647", /^RST_STREAM 1 FLOW_CONTROL_ERROR/],
  ["WINDOW_UPDATE 0 0", /^GOAWAY 1 PROTOCOL_ERROR/],
  ["WINDOW_UPDATE 0 2147483647", /^GOAWAY 1 FLOW_CONTROL_ERROR/],
  ["WINDOW_UPDATE 1 hex=0000", /^GOAWAY 1 FRAME_SIZE_ERROR/],
  ["RST_STREAM 1 hex=0000", /^GOAWAY 1 FRAME_SIZE_ERROR/],
  ["RST_STREAM 0 CANCEL", /^GOAWAY 1 PROTOCOL_ERROR/],
  ['DATA 0 "x"', /^GOAWAY 1 PROTOCOL_ERROR/],
  ["PRIORITY 0 on=1", /^GOAWAY 1 PROTOCOL_ERROR/],
  ["PRIORITY 1 hex=00", /^RST_STREAM 1 FRAME_SIZE_ERROR/],
  ["PRIORITY 1 on=1", /^RST_STREAM 1 PROTOCOL_ERROR/],
  ["PING hex=00", /^GOAWAY 1 FRAME_SIZE_ERROR/],
  ["PING stream=1 1", /^GOAWAY 1 PROTOCOL_ERROR/],
  ["GOAWAY hex=0000", /^GOAWAY 1 FRAME_SIZE_ERROR/],
  ["GOAWAY stream=1 0", /^GOAWAY 1 PROTOCOL_ERROR/],
];
for (const [frame, expected] of onStream) {
  test(`open: ${frame} is answered ${expected.source}`, () =>
    everySplit(server, (script) => {
      script.handshake();
      script.receive(`HEADERS 1 ${POST}`, frame);
      assert.match(script.sent().at(-1)!, expected);
    }));
}

test("unknown frames are ignored, on any stream", () =>
  everySplit(server, (script) => {
    script.handshake();
    script.receive("0x16 0 hex=00", "0xff 99 flags=0xff hex=0011", `HEADERS 1 END_STREAM ${POST}`);
    assert.equal(script.events().length, 1);
    assert.deepEqual(script.sent(), []);
  }));

test("PING is answered with its payload", () =>
  everySplit(server, (script) => {
    script.handshake();
    script.receive("PING 7", "PING ACK 99");
    assert.deepEqual(script.sent(), ["PING ACK 7"]);
  }));
