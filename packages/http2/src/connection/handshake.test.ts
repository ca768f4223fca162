import assert from "node:assert/strict";
import { test } from "node:test";
import { everySplit, FrameScript, PREFACE } from "@dubhe/testing";

const server = { role: "server" } as const;
const client = { role: "client" } as const;

test("each side starts with its SETTINGS and the connection's window, a client with the preface before", () => {
  const options = { maxConcurrentStreams: 7, initialWindowSize: 70_000, connectionWindowSize: 100_000 };
  assert.deepEqual(new FrameScript({ ...server, options }).sent(), [
    "SETTINGS MAX_CONCURRENT_STREAMS=7 INITIAL_WINDOW_SIZE=70000 MAX_HEADER_LIST_SIZE=32768",
    "WINDOW_UPDATE 0 34465",
  ]);
  assert.deepEqual(new FrameScript({ ...client, options: { ...options, maxHeaderListSize: 2048 } }).sent(), [
    "PREFACE",
    "SETTINGS ENABLE_PUSH=0 INITIAL_WINDOW_SIZE=70000 MAX_HEADER_LIST_SIZE=2048",
    "WINDOW_UPDATE 0 34465",
  ]);
});

test("a client is open after the server's SETTINGS, and no earlier", () =>
  everySplit(client, (script) => {
    script.sent();
    assert.equal(script.connection.state, "connecting");
    assert.equal(script.connection.capacity, 0);
    script.receive("SETTINGS MAX_CONCURRENT_STREAMS=3 0x99=1");
    assert.deepEqual(script.events(), ["ready"]);
    assert.deepEqual(script.sent(), ["SETTINGS ACK"]);
    assert.equal(script.connection.state, "open");
    assert.equal(script.connection.capacity, 3);
    script.receive("SETTINGS ACK", "SETTINGS");
    assert.deepEqual(script.events(), []);
  }));

test("a server is open after preface and SETTINGS", () =>
  everySplit(server, (script) => {
    script.sent();
    script.receive(PREFACE, "SETTINGS");
    assert.deepEqual(script.events(), ["ready"]);
    assert.deepEqual(script.sent(), ["SETTINGS ACK"]);
    assert.equal(script.connection.capacity, 0, "a server opens no streams");
  }));

test("a wrong preface ends the connection", () =>
  everySplit(server, (script) => {
    script.sent();
    script.receiveBytes(Buffer.from("PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n"));
    assert.equal(script.connection.state, "closed");
    assert.match(script.sent()[0]!, /^GOAWAY 0 PROTOCOL_ERROR "the client does not speak HTTP\/2/);
    assert.equal(script.output.ended, "closed");
  }));

test("an HTTP/1 answer is named as such", () =>
  everySplit(client, (script) => {
    script.receiveBytes(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"));
    assert.deepEqual(script.events(), ["closed: the peer answers in HTTP/1"]);
  }));

for (const first of ["PING 1", "SETTINGS ACK", "WINDOW_UPDATE 0 1", "HEADERS 1 :status=200", "0x77 0", "GOAWAY 0"]) {
  test(`the first frame must be SETTINGS, not ${first}`, () =>
    everySplit(client, (script) => {
      script.receive(first);
      assert.deepEqual(script.events(), ["closed: the first frame must be SETTINGS"]);
      assert.match(script.sent().at(-1)!, /^GOAWAY 0 PROTOCOL_ERROR/);
    }));
}

test("an oversized frame ends the connection before its payload came", () =>
  everySplit(server, (script) => {
    script.handshake();
    script.receive("DATA 1 length=16385 *1");
    assert.deepEqual(script.events(), ["closed: a frame of 16385 bytes exceeds the limit of 16384"]);
    assert.match(script.sent()[0]!, /^GOAWAY 0 FRAME_SIZE_ERROR/);
  }));

test("nothing is read after the end", () => {
  const script = new FrameScript({ ...server, split: "whole" });
  script.handshake();
  script.receive("PING 1 flags=0 length=7 hex=00", "HEADERS 1 END_STREAM :method=GET :scheme=http :path=/");
  script.receive("HEADERS 3 END_STREAM :method=GET :scheme=http :path=/");
  assert.deepEqual(script.events().length, 1);
  assert.equal(script.connection.counters.streamsOpened, 0);
});
