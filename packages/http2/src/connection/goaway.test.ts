import assert from "node:assert/strict";
import { test } from "node:test";
import { everySplit, FrameScript, type FrameScriptOptions } from "@dubhe/testing";
import { ConnectionError } from "../errors.js";
import { HeaderTemplate } from "../types.js";

const client: FrameScriptOptions = { role: "client" };
const server: FrameScriptOptions = { role: "server" };
const GET = new HeaderTemplate([":method", "GET", ":scheme", "http", ":path", "/"]);
const OK = new HeaderTemplate([":status", "200"]);
const REQUEST = "END_STREAM :method=GET :scheme=http :path=/";

test("client: streams above the last id are unprocessed, the others finish, then the connection closes", () =>
  everySplit(client, (script) => {
    script.handshake();
    for (let i = 0; i < 3; i++) script.open(GET, true);
    script.sent();
    script.receive('GOAWAY 3 NO_ERROR "bye"');
    assert.deepEqual(script.events(), [
      "draining last=3 NO_ERROR bye",
      "stream 5 connection by peer NO_ERROR processed=no",
    ]);
    assert.equal(script.connection.state, "draining");
    assert.equal(script.connection.capacity, 0);
    assert.equal(script.open(GET, true), undefined);
    script.receive("HEADERS 1 END_STREAM :status=200", "HEADERS 3 END_STREAM :status=200");
    assert.deepEqual(script.events().at(-1), "closed");
    assert.deepEqual(script.sent(), ["GOAWAY 0 NO_ERROR"]);
    assert.equal(script.output.ended, "closed");
  }));

test("client: a second GOAWAY takes back more streams", () =>
  everySplit(client, (script) => {
    script.handshake();
    for (let i = 0; i < 3; i++) script.open(GET, true);
    script.receive("GOAWAY 2147483647", "GOAWAY 1");
    assert.deepEqual(script.events(), [
      "draining last=2147483647 NO_ERROR",
      "draining last=1 NO_ERROR",
      "stream 3 connection by peer NO_ERROR processed=no",
      "stream 5 connection by peer NO_ERROR processed=no",
    ]);
  }));

test("client: GOAWAY with an error, then the end of the transport", () =>
  everySplit(client, (script) => {
    script.handshake();
    for (let i = 0; i < 2; i++) script.open(GET, true);
    script.sent();
    script.receive('GOAWAY 1 ENHANCE_YOUR_CALM "too_many_pings"');
    script.core.outputClosed(undefined);
    assert.deepEqual(script.events(), [
      "draining last=1 ENHANCE_YOUR_CALM too_many_pings",
      "stream 3 connection by peer ENHANCE_YOUR_CALM processed=no",
      "stream 1 connection by transport CONNECT_ERROR processed=maybe",
      "closed: the peer closed the connection, after GOAWAY ENHANCE_YOUR_CALM: too_many_pings",
    ]);
  }));

test("client: GOAWAY on an idle connection closes it without an error", () =>
  everySplit(client, (script) => {
    script.handshake();
    script.receive("GOAWAY 0 NO_ERROR");
    assert.deepEqual(script.events(), ["draining last=0 NO_ERROR", "closed"]);
  }));

test("client: drain lets streams finish", () =>
  everySplit(client, (script) => {
    script.handshake();
    script.open(GET, true);
    script.connection.drain();
    assert.deepEqual(script.sent().at(-1), "GOAWAY 0 NO_ERROR");
    assert.equal(script.connection.capacity, 0);
    script.receive("HEADERS 1 END_STREAM :status=200");
    assert.deepEqual(script.events().slice(-2), ["stream 1 complete", "closed"]);
    assert.equal(script.testRuntime.clock.pendingRefTimers, 0);
  }));

test("client: GOAWAY while it drains itself takes back what the peer did not see; the rest finishes", () =>
  everySplit(client, (script) => {
    script.handshake();
    for (let i = 0; i < 2; i++) script.open(GET, true);
    script.connection.drain();
    script.sent();
    script.receive("GOAWAY 1 NO_ERROR");
    assert.deepEqual(script.events(), [
      "draining last=1 NO_ERROR",
      "stream 3 connection by peer NO_ERROR processed=no",
    ]);
    script.receive("HEADERS 1 END_STREAM :status=200");
    assert.deepEqual(script.events().slice(-2), ["stream 1 complete", "closed"]);
    assert.deepEqual(script.sent(), [], "GOAWAY was said already");
  }));

test("client: a GOAWAY that names a higher id than the last one brings nothing back", () =>
  everySplit(client, (script) => {
    script.handshake();
    for (let i = 0; i < 2; i++) script.open(GET, true);
    script.receive("GOAWAY 1 NO_ERROR", "GOAWAY 2147483647 NO_ERROR");
    assert.equal(script.events().filter((line) => line.startsWith("stream")).length, 1);
    script.receive("HEADERS 1 END_STREAM :status=200");
    assert.equal(script.connection.state, "closed");
  }));

test("client: GOAWAY before SETTINGS, and in the middle of a header block, is an error", () =>
  everySplit(client, (script) => {
    const early = new FrameScript(client);
    early.receive("GOAWAY 0 NO_ERROR");
    assert.match(early.events()[0]!, /^closed: the first frame must be SETTINGS/);
    script.handshake();
    script.open(GET, true);
    script.receive("HEADERS 1 -END_HEADERS :status=200", "GOAWAY 1 NO_ERROR");
    assert.match(script.events().at(-1)!, /^closed: a header block was interrupted/);
  }));

test("client: with SETTINGS in the same packet, GOAWAY finds it ready and takes that back", () =>
  everySplit(client, (script) => {
    script.receive("SETTINGS", "GOAWAY 0 NO_ERROR");
    assert.deepEqual(script.events(), ["ready", "draining last=0 NO_ERROR", "closed"]);
  }));

test("server: a GOAWAY of the client while the server drains ends nothing early", () =>
  everySplit(server, (script) => {
    script.handshake();
    script.receive(`HEADERS 1 ${REQUEST}`);
    script.connection.drain();
    script.receive("GOAWAY 0 NO_ERROR");
    assert.equal(script.connection.state, "draining");
    script.stream(1).sendHeaders(OK, undefined, true);
    script.receive("PING ACK 1");
    assert.deepEqual(script.events().slice(-2), ["stream 1 complete", "closed"]);
  }));

test("server: two-step drain serves what was under way and ignores what comes after", () =>
  everySplit(server, (script) => {
    script.handshake();
    script.receive(`HEADERS 1 ${REQUEST}`);
    script.connection.drain();
    assert.deepEqual(script.sent(), ["GOAWAY 2147483647 NO_ERROR", "PING 1"]);
    script.receive(`HEADERS 3 ${REQUEST}`, "PING ACK 1");
    script.receive("HEADERS 5 :method=POST :scheme=http :path=/", 'DATA 5 "x"', "HEADERS 5 END_STREAM a=b");
    script.receive("RST_STREAM 5 CANCEL");
    assert.deepEqual(script.sent(), ["GOAWAY 3 NO_ERROR"]);
    script.stream(1).sendHeaders(OK, undefined, true);
    script.stream(3).sendHeaders(OK, undefined, true);
    assert.deepEqual(script.events().slice(-3), ["stream 1 complete", "stream 3 complete", "closed"]);
    assert.equal(script.output.ended, "closed");
  }));

test("server: a client that does not answer the PING is told the last id after a second", async () => {
  const script = new FrameScript(server);
  script.handshake();
  script.receive(`HEADERS 1 ${REQUEST}`);
  script.connection.drain();
  await script.advance(999);
  assert.equal(script.sent().length, 2);
  await script.advance(1);
  assert.deepEqual(script.sent(), ["GOAWAY 1 NO_ERROR"]);
});

for (const role of ["client", "server"] as const) {
  test(`${role}: the grace ends what still runs`, async () => {
    const script = new FrameScript({ role });
    script.handshake();
    if (role === "client") script.open(GET, true);
    else script.receive(`HEADERS 1 ${REQUEST}`);
    script.events();
    script.connection.drain({ graceMs: 5_000 });
    await script.advance(4_999);
    assert.deepEqual(script.events(), []);
    await script.advance(1);
    const processed = role === "client" ? "maybe" : "yes";
    assert.deepEqual(script.events(), [`stream 1 connection by local CANCEL processed=${processed}`, "closed"]);
    assert.match(script.sent().at(-1)!, /^GOAWAY \d NO_ERROR/);
    assert.equal(script.output.ended, "closed");
  });
}

test("drain without grace closes at once; again is a no-op", () => {
  const script = new FrameScript(server);
  script.handshake();
  script.receive(`HEADERS 1 ${REQUEST}`);
  script.connection.drain({ graceMs: 0 });
  script.connection.drain({ graceMs: 0 });
  script.connection.destroy();
  assert.deepEqual(script.sent(), ["GOAWAY 1 NO_ERROR"]);
  assert.equal(script.events().filter((line) => line.startsWith("closed")).length, 1);
});

test("draining a client that is still connecting closes it without an error", () => {
  const script = new FrameScript(client);
  script.connection.drain();
  assert.deepEqual(script.events(), ["closed"]);
  assert.equal(script.output.ended, "destroyed");
});

test("server: drain before the client's preface", () =>
  everySplit(server, (script) => {
    script.connection.drain();
    script.handshake();
    script.receive("PING ACK 1");
    assert.deepEqual(script.sent(), ["GOAWAY 0 NO_ERROR"]);
    assert.equal(script.connection.state, "closed");
  }));

test("server: a client that says GOAWAY is served to the end", () =>
  everySplit(server, (script) => {
    script.handshake();
    script.receive(`HEADERS 1 ${REQUEST}`, "GOAWAY 0 NO_ERROR");
    assert.equal(script.connection.state, "draining");
    script.stream(1).sendHeaders(OK, undefined, true);
    assert.deepEqual(script.events().slice(-2), ["stream 1 complete", "closed"]);
  }));

test("requests that never left this process are unprocessed, those that did may be processed", () => {
  const script = new FrameScript(client);
  script.handshake();
  script.open(GET, true);
  script.output.endTurn();
  script.open(GET, true);
  script.core.outputClosed(new Error("read ECONNRESET"));
  assert.deepEqual(script.events(), [
    "stream 1 connection by transport CONNECT_ERROR processed=maybe",
    "stream 3 connection by transport CONNECT_ERROR processed=no",
    "closed: read ECONNRESET",
  ]);
});

test("destroy keeps what was not flushed unprocessed, and says why", () => {
  const script = new FrameScript(client);
  script.handshake();
  script.open(GET, true);
  script.connection.destroy(new ConnectionError("enough", 8, "local"));
  assert.deepEqual(script.events(), ["stream 1 connection by local CANCEL processed=no", "closed: enough"]);
  assert.equal(script.output.ended, "destroyed");
});

test("a stream that was answered was processed, whatever ends it", () => {
  const script = new FrameScript(client);
  script.handshake();
  script.open(GET, true);
  script.sent();
  script.receive("HEADERS 1 :status=200");
  script.core.outputClosed(undefined);
  assert.equal(script.events().at(-2), "stream 1 connection by transport CONNECT_ERROR processed=yes");
});

test("server: what lay in the socket while this process stood still is served before the last id is named", async () => {
  const script = new FrameScript({ role: "server", split: "whole" });
  const { clock } = script.testRuntime;
  script.handshake();
  script.connection.drain();
  script.sent();
  clock.stall(5_000);
  clock.advanceSync(0);
  script.receive("HEADERS 1 END_STREAM :method=GET :scheme=http :path=/");
  await script.advance(0);
  assert.deepEqual(script.sent(), ["GOAWAY 1 NO_ERROR"]);
  assert.equal(script.connection.activeStreams, 1);
});
