import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameScript, type FrameScriptOptions } from "@dubhe/testing";
import { HeaderTemplate } from "../types.js";

const POST = ":method=POST :scheme=http :path=/";
const GET = new HeaderTemplate([":method", "GET", ":scheme", "http", ":path", "/"]);
const OK = new HeaderTemplate([":status", "200"]);
const server: FrameScriptOptions = { role: "server", split: "whole" };

/** Sends rounds of frames until the connection closes; how many rounds that took. */
function flood(script: FrameScript, rounds: number, frames: (round: number) => readonly string[]): number {
  for (let round = 0; round < rounds; round++) {
    script.receive(...frames(round));
    if (script.connection.state === "closed") return round;
  }
  return rounds;
}

function assertCalm(script: FrameScript): void {
  assert.match(script.sent().at(-1)!, /^GOAWAY \d+ ENHANCE_YOUR_CALM/);
}

const floods: readonly (readonly [name: string, frame: string])[] = [
  ["PING", "PING 1"],
  ["PING acknowledgements", "PING ACK 1"],
  ["SETTINGS", "SETTINGS"],
  ["SETTINGS with many parameters", `SETTINGS ${"0x99=1 ".repeat(100)}`],
  ["SETTINGS acknowledgements", "SETTINGS ACK"],
  ["PRIORITY", "PRIORITY 7 on=5"],
  ["WINDOW_UPDATE", "WINDOW_UPDATE 0 1"],
  ["WINDOW_UPDATE on a stream", "WINDOW_UPDATE 1 1"],
  ["empty DATA", "DATA 1"],
  ["DATA of padding alone", "DATA 1 pad=20"],
  ["RST_STREAM of a closed stream", "RST_STREAM 3 CANCEL"],
  ["unknown frames", "0x42 0"],
];
for (const [name, frame] of floods) {
  test(`a flood of ${name} is stopped`, () => {
    const script = new FrameScript(server);
    script.handshake();
    script.receive(`HEADERS 1 ${POST}`, `HEADERS 3 ${POST}`, "RST_STREAM 3 CANCEL");
    const rounds = flood(script, 500, () => new Array<string>(20).fill(frame));
    assert.ok(rounds >= 8 && rounds <= 100, `after ${rounds} rounds of 20`);
    assertCalm(script);
  });
}

test("rapid reset is stopped (CVE-2023-44487)", () => {
  const script = new FrameScript(server);
  script.handshake();
  const rounds = flood(script, 5_000, (i) => [`HEADERS ${2 * i + 1} ${POST}`, `RST_STREAM ${2 * i + 1} CANCEL`]);
  assert.ok(rounds >= 1_900 && rounds <= 2_000, `${rounds}`);
  assertCalm(script);
});

test("DATA does not pay for the attack it comes with", () => {
  const attacks: readonly ((id: number) => string[])[] = [
    (id) => [`HEADERS ${id} ${POST}`, `DATA ${id} *5`, `RST_STREAM ${id} CANCEL`],
    (id) => [`HEADERS ${id} ${POST} content-length=1`, `DATA ${id} *100`],
    (id) => [`HEADERS ${id} ${POST} content-length=1`, `DATA ${id} *100`, `DATA ${id} *100`],
    (id) => [...(id === 1 ? [`HEADERS 1 ${POST}`] : []), "DATA 1 *1", "PING 1"],
  ];
  for (const attack of attacks) {
    const script = new FrameScript(server);
    script.handshake();
    const rounds = flood(script, 10_000, (i) => attack(2 * i + 1));
    assert.ok(rounds <= 2_300, `${rounds} rounds of ${attack(3).join(", ")}`);
    assertCalm(script);
  }
});

test("a thousand calls cancelled at once are not an attack, nor are cancelled old ones", async () => {
  const script = new FrameScript(server);
  script.handshake();
  const ids = Array.from({ length: 1_000 }, (_, i) => 2 * i + 1);
  script.receive(...ids.map((id) => `HEADERS ${id} ${POST}`));
  script.receive(...ids.map((id) => `RST_STREAM ${id} CANCEL`));
  for (let wave = 1; wave <= 10; wave++) {
    const later = ids.map((id) => id + wave * 2_000);
    script.receive(...later.map((id) => `HEADERS ${id} ${POST}`));
    await script.advance(1_000);
    script.receive(...later.map((id) => `RST_STREAM ${id} CANCEL`));
  }
  assert.equal(script.connection.state, "open");
});

test("resets that the peer tricks us into are stopped too (CVE-2025-8671)", () => {
  const script = new FrameScript(server);
  script.handshake();
  const rounds = flood(script, 5_000, (i) => [`HEADERS ${2 * i + 1} ${POST}`, `WINDOW_UPDATE ${2 * i + 1} 0`]);
  assert.ok(rounds <= 1_000, `${rounds}`);
  assertCalm(script);
});

test("completed calls pay for cancelled ones", () => {
  const script = new FrameScript({ ...server, onStream: (stream) => stream.id % 4 === 1 && answer(stream) });
  const answer = (stream: { sendHeaders(t: HeaderTemplate, e: undefined, end: boolean): void }): void =>
    stream.sendHeaders(OK, undefined, true);
  script.handshake();
  const rounds = flood(script, 6_000, (i) =>
    i % 2 === 0
      ? [`HEADERS ${2 * i + 1} END_STREAM ${POST}`]
      : [`HEADERS ${2 * i + 1} ${POST}`, `RST_STREAM ${2 * i + 1} CANCEL`],
  );
  assert.equal(rounds, 6_000);
});

test("a burst above the limit is refused without anger, a flood is not", () => {
  const script = new FrameScript({ ...server, options: { maxConcurrentStreams: 10 } });
  script.handshake();
  const rounds = flood(script, 30_000, (i) => [`HEADERS ${2 * i + 1} END_STREAM ${POST}`]);
  assert.ok(rounds > 10_000, `${rounds}`);
  assert.ok(rounds < 30_000, `${rounds}`);
});

test("a peer that keeps sending data may update windows and ping as much as it likes", () => {
  const script = new FrameScript(server);
  script.handshake();
  script.receive(`HEADERS 1 ${POST}`);
  const stream = script.stream(1);
  stream.sendHeaders(OK, undefined, false);
  const rounds = flood(script, 3_000, () => {
    stream.send(new Uint8Array(16_000), false);
    const updates = new Array<string>(4).fill("WINDOW_UPDATE 0 4000");
    return ["DATA 1 *10", "PING 1", ...updates, ...updates.map(() => "WINDOW_UPDATE 1 4000")];
  });
  assert.equal(rounds, 3_000);
});

test("a peer that grants its window by the byte does not earn what its frames cost", () => {
  const script = new FrameScript(server);
  script.handshake("INITIAL_WINDOW_SIZE=1");
  script.receive(`HEADERS 1 END_STREAM ${POST}`);
  script.stream(1).sendHeaders(OK, undefined, false);
  script.stream(1).send(new Uint8Array(60_000), true);
  const rounds = flood(script, 20_000, () => ["WINDOW_UPDATE 1 1"]);
  assert.ok(rounds >= 1_900 && rounds <= 2_100, `${rounds}`);
  assertCalm(script);
});

test("a peer with small windows that reads is left alone", () => {
  const script = new FrameScript({ ...server, onStream: (stream) => stream.sendHeaders(OK, undefined, false) });
  script.handshake("INITIAL_WINDOW_SIZE=1024");
  script.receive(`HEADERS 1 END_STREAM ${POST}`);
  for (let i = 0; i < 10; i++) script.stream(1).send(new Uint8Array(1_000_000), i === 9);
  const rounds = flood(script, 9_900, () => ["WINDOW_UPDATE 1 1000", "WINDOW_UPDATE 0 1000"]);
  assert.equal(rounds, 9_900);
  // Messages shorter than that, whole, each credited at once.
  script.receive(`HEADERS 3 ${POST}`);
  for (let i = 0; i < 5_000; i++) {
    script.stream(3).send(new Uint8Array(20), false);
    script.receive("WINDOW_UPDATE 3 20", "WINDOW_UPDATE 0 20");
  }
  assert.equal(script.connection.state, "open");
});

test("client: a server that credits the prefix and the payload of each message apart, for stream and connection, is left alone", () => {
  // x/net of Go 1.20 and before sent both WINDOW_UPDATEs at every read of a handler.
  const script = new FrameScript({ role: "client", split: "whole" });
  script.handshake();
  const stream = script.open(GET, false)!;
  for (let i = 0; i < 5_000; i++) {
    stream.sendPrefixed(0, new Uint8Array(1), false);
    script.receive("WINDOW_UPDATE 0 5", "WINDOW_UPDATE 1 5", "WINDOW_UPDATE 0 1", "WINDOW_UPDATE 1 1");
  }
  assert.equal(script.connection.state, "open");
});

test("a client that pings too much is told so in gRPC's words", () => {
  const script = new FrameScript(server);
  script.handshake();
  flood(script, 3_000, () => ["PING 1"]);
  assert.match(script.sent().at(-1)!, /^GOAWAY 0 ENHANCE_YOUR_CALM "too_many_pings"$/);
});

test("a CONTINUATION flood is stopped, of bytes and of frames (CVE-2024-27316)", () => {
  const bytes = new FrameScript(server);
  bytes.handshake();
  bytes.receive(`HEADERS 1 -END_HEADERS ${POST}`);
  assert.ok(flood(bytes, 20, () => [`CONTINUATION 1 -END_HEADERS x=${"y".repeat(16_000)}`]) <= 5);
  assertCalm(bytes);
  const frames = new FrameScript(server);
  frames.handshake();
  frames.receive(`HEADERS 1 -END_HEADERS ${POST}`);
  assert.ok(flood(frames, 20, () => ["CONTINUATION 1 -END_HEADERS"]) <= 17);
  assertCalm(frames);
});

test("header lists over the limit are decoded only so often", () => {
  const script = new FrameScript({ ...server, options: { maxHeaderListSize: 1024 } });
  script.handshake();
  const rounds = flood(script, 1_000, (i) => [`HEADERS ${2 * i + 1} END_STREAM ${POST} x=${"y".repeat(1_500)}`]);
  assert.ok(rounds <= 250, `${rounds}`);
  assertCalm(script);
});

test("a peer that sends and never reads is cut off, even when its data pays for what we must answer", () => {
  const script = new FrameScript(server);
  script.handshake();
  script.receive(`HEADERS 1 ${POST}`);
  script.output.blocked = true;
  const round = Array.from({ length: 500 }, (_, i) => (i % 2 === 0 ? "DATA 1 *2560" : "PING 1"));
  const rounds = flood(script, 1_000, () => round);
  assert.ok(rounds < 1_000);
  const queued = script.output.queuedBytes;
  assert.ok(queued > 1_250 * 1024 && queued < 1_350 * 1024, `${queued}`);
  script.output.unblock();
  assertCalm(script);
});

test("a peer that never reads cannot make responses pile up", () => {
  const script = new FrameScript({ ...server, onStream: (stream) => stream.sendHeaders(OK, undefined, true) });
  script.handshake();
  script.output.blocked = true;
  flood(script, 100_000, (i) => [`HEADERS ${2 * i + 1} END_STREAM ${POST}`]);
  assert.ok(script.output.queuedBytes < 600 * 1024, `${script.output.queuedBytes}`);
  assert.ok(script.connection.activeStreams <= 1_024);
});

test("a server is a peer like any other: its floods are stopped by the client", () => {
  const script = new FrameScript({ role: "client", split: "whole" });
  script.handshake();
  script.open(new HeaderTemplate([":method", "GET"]), true);
  assert.ok(flood(script, 5_000, () => ["HEADERS 1 :status=103"]) <= 2_000);
  assertCalm(script);
});

test("time alone refills the allowance slowly", async () => {
  const script = new FrameScript(server);
  script.handshake();
  for (let second = 0; second < 300; second++) {
    script.receive(...new Array<string>(50).fill("PING 1"));
    await script.advance(1_000);
  }
  assert.equal(script.connection.state, "open");
});

test("ten thousand calls that end by deadlines of 100 ms are not an attack", async () => {
  const script = new FrameScript(server);
  script.handshake();
  for (let wave = 0; wave < 10; wave++) {
    const ids = Array.from({ length: 1_000 }, (_, i) => 2 * (1_000 * wave + i) + 1);
    script.receive(...ids.flatMap((id) => [`HEADERS ${id} ${POST}`, `DATA ${id} END_STREAM *7`]));
    await script.advance(100);
    script.receive(...ids.map((id) => `RST_STREAM ${id} CANCEL`));
  }
  assert.equal(script.connection.state, "open");
});

test("client: the late answers to ten thousand calls that were given up at once are not an attack, more than these are", () => {
  const script = new FrameScript({ role: "client", split: "whole", options: { keepalive: false } });
  script.handshake();
  const ids = Array.from({ length: 10_000 }, (_, i) => 2 * i + 1);
  const streams = ids.map(() => script.open(GET, true)!);
  for (const stream of streams) stream.reset(8);
  for (const id of ids) {
    script.receive(`HEADERS ${id} :status=200`, `DATA ${id} *7`, `HEADERS ${id} END_STREAM grpc-status=4`);
    script.receive(`RST_STREAM ${id} NO_ERROR`);
  }
  assert.equal(script.connection.state, "open");
  assert.equal(script.connection.counters.streamErrors, 0);
  const rounds = flood(script, 3_000, () => ["HEADERS 19999 :status=200"]);
  assert.ok(rounds <= 2_000, `${rounds}`);
  assertCalm(script);
});
