import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameScript, frameBytes, PREFACE, ScriptOutput, testRuntime } from "@dubhe/testing";
import { type ConnectionSink, HeaderTemplate, type Stream, type StreamSink } from "../types.js";
import { createCore } from "./core.js";

const POST = ":method=POST :scheme=http :path=/";
const REQUEST = new HeaderTemplate([":method", "POST", ":scheme", "http", ":path", "/"]);
const OK = new HeaderTemplate([":status", "200"]);

/** A sink that records its callbacks by name, with some of them replaced. */
function recording(log: string[], replaced: Partial<StreamSink> = {}): StreamSink {
  const call = (name: keyof StreamSink, run: (() => void) | undefined): void => {
    log.push(name);
    run?.();
  };
  return {
    onHeaders: (block, end) => call("onHeaders", () => replaced.onHeaders?.(block, end)),
    onData: (chunk, end) => call("onData", () => replaced.onData?.(chunk, end)),
    onTrailers: (block) => call("onTrailers", () => replaced.onTrailers?.(block)),
    onWritable: () => call("onWritable", () => replaced.onWritable?.()),
    onClose: (end) => call("onClose", () => replaced.onClose?.(end)),
  };
}

/** A client with stream 1 open on `sink`. */
function openWith(sink: (stream: () => Stream) => StreamSink): { script: FrameScript; stream: Stream } {
  const script = new FrameScript({ role: "client", split: "whole" });
  script.handshake("INITIAL_WINDOW_SIZE=0");
  const opened: { stream?: Stream } = {};
  opened.stream = script.connection.open(
    REQUEST,
    undefined,
    false,
    sink(() => opened.stream!),
  )!;
  script.sent();
  return { script, stream: opened.stream };
}

test("a stream reset in onHeaders hears nothing but its end, and the next frames are skipped", () => {
  const log: string[] = [];
  const { script } = openWith((stream) => recording(log, { onHeaders: () => stream().reset(8) }));
  script.receive("HEADERS 1 :status=200", 'DATA 1 "x"', "HEADERS 1 END_STREAM a=b", "PING 1");
  assert.deepEqual(log, ["onHeaders", "onClose"]);
  assert.deepEqual(script.sent(), ["RST_STREAM 1 CANCEL", "PING ACK 1"]);
});

test("a connection destroyed in onData reads no further frame", () => {
  const log: string[] = [];
  const { script } = openWith(() => recording(log, { onData: () => script.connection.destroy() }));
  script.receive("HEADERS 1 :status=200", 'DATA 1 "x"', 'DATA 1 END_STREAM "y"', "PING 1");
  assert.deepEqual(log, ["onHeaders", "onData", "onClose"]);
  assert.deepEqual(script.events(), ["closed"]);
  assert.deepEqual(script.sent(), []);
});

test("a stream may be opened in the onClose of another, and in onReady", () => {
  const script = new FrameScript({ role: "client", options: {} });
  script.handshake("MAX_CONCURRENT_STREAMS=1");
  const log: string[] = [];
  const again = recording(log, { onClose: () => script.connection.open(REQUEST, undefined, true, recording(log)) });
  script.connection.open(REQUEST, undefined, true, again);
  script.receive("RST_STREAM 1 REFUSED_STREAM");
  assert.equal(script.sent().at(-1), "HEADERS 3 END_STREAM :method=POST :scheme=http :path=/");
  assert.equal(script.connection.activeStreams, 1);
});

test("a request answered, or reset, within onStream has its end told to the sink that onStream returns", () => {
  for (const act of [(s: Stream) => s.sendHeaders(OK, undefined, true), (s: Stream) => s.reset(2)]) {
    const script = new FrameScript({ role: "server", onStream: act, split: "whole" });
    script.handshake();
    script.receive(`HEADERS 1 END_STREAM ${POST}`);
    assert.match(script.events().slice(1).join(), /^stream 1 (complete|reset by local INTERNAL_ERROR processed=yes)$/);
    assert.equal(script.connection.activeStreams, 0);
  }
});

test("sends from onWritable are served by the round that runs", () => {
  const log: string[] = [];
  let left = 3;
  const { script, stream } = openWith((self) =>
    recording(log, {
      onWritable: () => {
        while (left > 0 && self().send(new Uint8Array(70_000), left === 1)) left--;
        left--;
      },
    }),
  );
  stream.send(new Uint8Array(70_000), false);
  script.receive("WINDOW_UPDATE 1 1000000", "WINDOW_UPDATE 0 1000000");
  assert.equal(script.sent().filter((line) => line.startsWith("DATA 1")).length > 10, true);
  assert.ok(log.every((name) => name === "onWritable"));
});

test("destroying the connection from onWritable stops the round", () => {
  const log: string[] = [];
  const { script, stream } = openWith(() => recording(log, { onWritable: () => script.connection.destroy() }));
  stream.send(new Uint8Array(70_000), false);
  script.receive("WINDOW_UPDATE 1 65535");
  assert.deepEqual(log, ["onWritable", "onClose"]);
});

for (const name of ["onHeaders", "onData", "onTrailers", "onWritable"] as const) {
  test(`a sink that throws in ${name} loses its stream; the failure is reported and the connection goes on`, () => {
    const log: string[] = [];
    const fail = (): never => {
      throw new Error("bug above");
    };
    const { script, stream } = openWith(() => recording(log, { [name]: fail }));
    stream.send(new Uint8Array(70_000), false);
    script.receive("WINDOW_UPDATE 1 70000", "HEADERS 1 :status=200", 'DATA 1 "x"', "HEADERS 1 END_STREAM a=b");
    assert.deepEqual(log.slice(-2), [name, "onClose"]);
    assert.deepEqual(script.testRuntime.reports.length, 1);
    assert.ok(script.sent().includes("RST_STREAM 1 INTERNAL_ERROR"));
    assert.equal(script.connection.state, "open");
  });
}

test("sinks that throw in onClose, onStream and the connection's callbacks are reported", () => {
  const fail = (): never => {
    throw new Error("bug above");
  };
  const { runtime, reports } = testRuntime();
  const output = new ScriptOutput();
  const core = createCore(runtime, "server", output);
  const sink: ConnectionSink = { onReady: fail, onStream: fail, onCapacity: fail, onDraining: fail, onClose: fail };
  core.start(sink);
  core.receive(frameBytes(PREFACE, "SETTINGS", "SETTINGS ACK", `HEADERS 1 END_STREAM ${POST}`, "GOAWAY 0"), 1_000);
  core.connection.destroy();
  assert.deepEqual(
    reports.map((report) => report.where),
    ["HTTP/2 onReady", "HTTP/2 stream 1", "HTTP/2 onDraining", "HTTP/2 onClose"],
  );
});

test("no stream can be opened while a connection ends", () => {
  const script = new FrameScript({ role: "client" });
  script.handshake();
  const opened: unknown[] = [];
  const reopen = recording([], {
    onClose: () => opened.push(script.connection.open(REQUEST, undefined, true, reopen)),
  });
  script.connection.open(REQUEST, undefined, true, reopen);
  script.connection.open(REQUEST, undefined, true, reopen);
  script.core.outputClosed(undefined);
  assert.deepEqual(opened, [undefined, undefined]);
});

test("what sinks send while the connection is destroyed does not push out HEADERS that were called unprocessed", () => {
  const script = new FrameScript({ role: "client", split: "whole" });
  script.handshake();
  const ends: string[] = [];
  const streams: Stream[] = [];
  const sendOnOthers = recording([], {
    onClose: (end) => {
      ends.push(end.processed);
      // More than a buffer holds, so that it would be flushed at once.
      for (const other of streams) for (let i = 0; i < 8; i++) other.send(new Uint8Array(15_000), false);
    },
  });
  for (let i = 0; i < 2; i++) streams.push(script.connection.open(REQUEST, undefined, false, sendOnOthers)!);
  script.connection.destroy();
  assert.deepEqual(ends, ["no", "no"]);
  assert.deepEqual(script.sent(), []);
});

test("a stream closed by the capacity that its own DATA made hears nothing after onClose", () => {
  const log: string[] = [];
  const output = new ScriptOutput();
  const { runtime } = testRuntime();
  const core = createCore(runtime, "client", output, { sendBufferLimit: 64 * 1024 });
  output.core = core;
  let stream: Stream | undefined;
  core.start({
    onReady: () => undefined,
    onCapacity: () => stream?.reset(8),
    onDraining: () => undefined,
    onClose: () => undefined,
  });
  core.receive(frameBytes("SETTINGS INITIAL_WINDOW_SIZE=0"), 0);
  stream = core.connection.open(REQUEST, undefined, false, recording(log))!;
  // At the limit of the connection, and at the high-water mark of the stream.
  assert.equal(stream.send(new Uint8Array(64 * 1024), false), false);
  core.receive(frameBytes("WINDOW_UPDATE 1 65536"), 0);
  assert.deepEqual(log, ["onClose"]);
});
