import assert from "node:assert/strict";
import { test } from "node:test";
import { everySplit, FrameScript } from "@dubhe/testing";
import { HeaderTemplate } from "../types.js";

const server = { role: "server" } as const;
const PSEUDO = ":method=POST :scheme=http :path=/a";
const OK = new HeaderTemplate([":status", "200"]);

test("a request, its body and its trailers reach the sink", () =>
  everySplit(server, (script) => {
    script.handshake();
    script.receive(
      `HEADERS 1 ${PSEUDO} :authority=h te=trailers`,
      'DATA 1 "hello"',
      "DATA 1 pad=9",
      "HEADERS 1 END_STREAM x-sum=5",
    );
    assert.deepEqual(script.events(), [
      `stream 1 request ${PSEUDO} :authority=h te=trailers`,
      "stream 1 data 5",
      "stream 1 data 0",
      "stream 1 trailers x-sum=5",
    ]);
  }));

test("a block may come in parts, with padding and priority", () =>
  everySplit(server, (script) => {
    script.handshake();
    script.receive(
      "HEADERS 1 -END_HEADERS END_STREAM pad=3 on=5 :method=GET",
      "CONTINUATION 1 -END_HEADERS :scheme=http",
      "CONTINUATION 1 -END_HEADERS",
      "CONTINUATION 1 :path=/x",
    );
    assert.deepEqual(script.events(), ["stream 1 request :method=GET :scheme=http :path=/x END_STREAM"]);
  }));

const malformed: readonly string[] = [
  ":method=GET :path=/",
  ":method=GET :scheme=http",
  ":scheme=http :path=/",
  ":method=GET :scheme=http :path=/ :path=/",
  ':method=GET :scheme=http :path=""',
  ":method=GET :scheme=http :path=/ :status=200",
  ":method=GET :scheme=http :path=/ :unknown=1",
  ":method=GET :scheme=http x=1 :path=/",
  `${PSEUDO} X-Upper=1`,
  `${PSEUDO} connection=close`,
  `${PSEUDO} transfer-encoding=chunked`,
  `${PSEUDO} te=gzip`,
  `${PSEUDO} x="a\\nb"`,
  `${PSEUDO} x="a\\u0000b"`,
  `${PSEUDO} content-length=1x`,
  `${PSEUDO} content-length=1 content-length=2`,
  ":method=CONNECT :scheme=http :path=/ :authority=h",
  ":method=CONNECT",
];
for (const fields of malformed) {
  test(`malformed: ${fields}`, () =>
    everySplit(server, (script) => {
      script.handshake();
      script.receive(`HEADERS 1 ${fields}`, `HEADERS 3 END_STREAM ${PSEUDO}`);
      assert.deepEqual(script.sent(), ["RST_STREAM 1 PROTOCOL_ERROR"]);
      assert.deepEqual(script.events(), [`stream 3 request ${PSEUDO} END_STREAM`], "the connection lives on");
    }));
}

test("CONNECT needs an authority only", () => {
  const script = new FrameScript(server);
  script.handshake();
  script.receive("HEADERS 1 :method=CONNECT :authority=h:1");
  assert.deepEqual(script.events(), ["stream 1 request :method=CONNECT :authority=h:1"]);
});

const fatal: readonly (readonly [frames: readonly string[], code: string])[] = [
  [[`HEADERS 0 ${PSEUDO}`], "PROTOCOL_ERROR"],
  [[`HEADERS 2 ${PSEUDO}`], "PROTOCOL_ERROR"],
  [[`HEADERS 5 END_STREAM ${PSEUDO}`, `HEADERS 3 ${PSEUDO}`], "STREAM_CLOSED"],
  [[`HEADERS 1 on=1 ${PSEUDO}`], "PROTOCOL_ERROR"],
  [["HEADERS 1 flags=0x0c hex=ff00"], "PROTOCOL_ERROR"],
  [["HEADERS 1 flags=0x0c hex="], "PROTOCOL_ERROR"],
  [["HEADERS 1 flags=0x24 hex=00000000"], "FRAME_SIZE_ERROR"],
  [["HEADERS 1 hex=ff"], "COMPRESSION_ERROR"],
  [["HEADERS 1 hex=be"], "COMPRESSION_ERROR"],
  [[`HEADERS 1 -END_HEADERS ${PSEUDO}`, "PING 1"], "PROTOCOL_ERROR"],
  [[`HEADERS 1 -END_HEADERS ${PSEUDO}`, "CONTINUATION 3 x=1"], "PROTOCOL_ERROR"],
  [["CONTINUATION 1 x=1"], "PROTOCOL_ERROR"],
  [["PUSH_PROMISE 1"], "PROTOCOL_ERROR"],
];
for (const [frames, code] of fatal) {
  test(`connection error ${code}: ${frames.join(", ")}`, () =>
    everySplit(server, (script) => {
      script.handshake();
      script.receive(...frames);
      assert.match(script.sent().at(-1)!, new RegExp(`^GOAWAY \\d+ ${code} `));
      assert.match(script.events().at(-1)!, /^closed: /);
    }));
}

test("trailers must end the stream and carry no pseudo-header fields", () =>
  everySplit(server, (script) => {
    script.handshake();
    script.receive(`HEADERS 1 ${PSEUDO}`, "HEADERS 1 x=1");
    script.receive(`HEADERS 3 ${PSEUDO}`, "HEADERS 3 END_STREAM :path=/");
    assert.deepEqual(script.sent(), ["RST_STREAM 1 PROTOCOL_ERROR", "RST_STREAM 3 PROTOCOL_ERROR"]);
    const [first, second] = script.events().filter((line) => line.includes("reset"));
    assert.equal(first, "stream 1 reset by local PROTOCOL_ERROR processed=yes");
    assert.equal(second, "stream 3 reset by local PROTOCOL_ERROR processed=yes");
  }));

test("content-length must match the body", () =>
  everySplit(server, (script) => {
    script.handshake();
    script.receive(`HEADERS 1 ${PSEUDO} content-length=5`, 'DATA 1 "abc"', 'DATA 1 END_STREAM "de"');
    assert.equal(script.events().at(-1), "stream 1 data 2 END_STREAM");
    script.receive(`HEADERS 3 ${PSEUDO} content-length=5`, 'DATA 3 "abcdef"');
    script.receive(`HEADERS 5 ${PSEUDO} content-length=5`, 'DATA 5 END_STREAM "abcd"');
    script.receive(`HEADERS 7 ${PSEUDO} content-length=5`, 'DATA 7 "abcd"', "HEADERS 7 END_STREAM x=1");
    script.receive(`HEADERS 9 END_STREAM ${PSEUDO} content-length=5`);
    assert.deepEqual(
      script.sent(),
      [3, 5, 7, 9].map((id) => `RST_STREAM ${id} PROTOCOL_ERROR`),
    );
  }));

test("requests above the limit are refused, and one that ends makes room", () =>
  everySplit({ ...server, options: { maxConcurrentStreams: 1 } }, (script) => {
    script.handshake();
    script.receive(`HEADERS 1 END_STREAM ${PSEUDO}`, `HEADERS 3 END_STREAM ${PSEUDO}`);
    assert.deepEqual(script.sent(), ["RST_STREAM 3 REFUSED_STREAM"]);
    script.stream(1).sendHeaders(OK, undefined, true);
    script.receive(`HEADERS 5 END_STREAM ${PSEUDO}`);
    assert.equal(script.events().at(-1), `stream 5 request ${PSEUDO} END_STREAM`);
  }));

test("a header list above the limit is answered 431 and never reaches the application", () =>
  everySplit({ ...server, options: { maxHeaderListSize: 1024 } }, (script) => {
    script.handshake();
    script.receive(`HEADERS 1 END_STREAM ${PSEUDO} x=${"y".repeat(1000)}`);
    script.receive(`HEADERS 3 ${PSEUDO} x=${"y".repeat(1000)}`, 'DATA 3 END_STREAM "late"');
    assert.deepEqual(script.sent(), [
      "HEADERS 1 END_STREAM :status=431",
      "HEADERS 3 END_STREAM :status=431",
      "RST_STREAM 3 NO_ERROR",
    ]);
    assert.deepEqual(script.events(), []);
  }));

test("a header list far above the limit ends the connection", () => {
  const script = new FrameScript({ ...server, options: { maxHeaderListSize: 1024 } });
  script.handshake();
  // One entry of 1 KB in the dynamic table, referred to a hundred times.
  const entry = `40017a7f8107${"62".repeat(1030 - 20)}`;
  script.receive(`HEADERS 1 hex=828684${entry}${"be".repeat(100)}`);
  assert.match(script.sent().at(-1)!, /^GOAWAY 0 ENHANCE_YOUR_CALM/);
});

test("an early response tells the client to stop sending", () =>
  everySplit(server, (script) => {
    script.handshake();
    script.receive(`HEADERS 1 ${PSEUDO}`, 'DATA 1 "a"');
    script.stream(1).sendHeaders(OK, undefined, true);
    assert.deepEqual(script.sent(), ["HEADERS 1 END_STREAM :status=200", "RST_STREAM 1 NO_ERROR"]);
    assert.equal(script.events().at(-1), "stream 1 complete");
    script.receive('DATA 1 END_STREAM "late"');
    assert.deepEqual(script.sent(), []);
  }));
