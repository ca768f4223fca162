import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import type { Connection, FieldList, HeaderBlock, HeaderTemplate, Stream, StreamEnd, StreamSink } from "@dubhe/http2";
import { EchoResponseSchema, EchoService, testRuntime } from "@dubhe/testing";
import type { AttemptObserver, AttemptOutcome, Channel, ChannelCall } from "../channel.js";
import { Code } from "../code.js";
import { createRpcEnvironment } from "../environment.js";
import type { RpcError } from "../rpc-error.js";
import type { ClientOptions } from "./client-options.js";
import { createServiceClient } from "./create-client.js";

const block = (...fields: string[]): HeaderBlock => ({ fields, memo: undefined });
const head = block(":status", "200", "content-type", "application/grpc");
const refused: StreamEnd = { kind: "reset", code: 7, by: "peer", processed: "no", message: "" };
const complete: StreamEnd = { kind: "complete", code: 0, by: "peer", processed: "yes", message: "" };

/** A stream that the test plays the peer of. */
class ScriptedStream {
  writable = true;
  readonly sent: Uint8Array[] = [];
  ended = false;
  resetCode: number | undefined;
  readonly sink: StreamSink;
  readonly headers: readonly string[];

  constructor(sink: StreamSink, headers: readonly string[]) {
    this.sink = sink;
    this.headers = headers;
  }

  send(_data: Uint8Array, end: boolean): boolean {
    this.ended ||= end;
    return true;
  }

  sendPrefixed(_flag: number, payload: Uint8Array, end: boolean): boolean {
    this.sent.push(payload);
    this.ended ||= end;
    return true;
  }

  sendHeaders(): void {}
  consumed(): void {}

  reset(code: number): void {
    this.resetCode = code;
    this.sink.onClose({ kind: "reset", code, by: "local", processed: "maybe", message: "" });
  }

  answer(): void {
    const message = toBinary(EchoResponseSchema, create(EchoResponseSchema, { text: "ok" }));
    this.sink.onHeaders(head, false);
    this.sink.onData(new Uint8Array([0, 0, 0, 0, message.length, ...message]), false);
    this.sink.onTrailers(block("grpc-status", "0"));
    this.sink.onClose(complete);
  }
}

/** A channel that the test plays: it keeps calls and starts them when told. */
class ScriptedChannel implements Channel, AttemptObserver {
  readonly streams: ScriptedStream[] = [];
  readonly outcomes: AttemptOutcome[] = [];
  readonly cancelled: ChannelCall[] = [];
  answered = 0;
  call: ChannelCall | undefined;
  takeOver = true;

  open(call: ChannelCall): void {
    this.call = call;
  }

  cancel(call: ChannelCall): void {
    this.cancelled.push(call);
  }

  start(endpoint: string): ScriptedStream {
    const connection = {
      secure: false,
      open: (template: HeaderTemplate, extra: FieldList | undefined, _end: boolean, sink: StreamSink): Stream => {
        const stream = new ScriptedStream(sink, [...template.fields, ...(extra ?? [])]);
        this.streams.push(stream);
        return stream as unknown as Stream;
      },
    };
    assert.equal(this.call?.startOn(connection as unknown as Connection, endpoint, this), true);
    return this.streams.at(-1) as ScriptedStream;
  }

  attemptAnswered(): void {
    this.answered++;
  }

  attemptEnded(_call: ChannelCall, outcome: AttemptOutcome): boolean {
    this.outcomes.push(outcome);
    return this.takeOver && outcome.replayable;
  }
}

function setup(options: ClientOptions = {}) {
  const { runtime, clock } = testRuntime();
  const channel = new ScriptedChannel();
  return { clock, channel, echo: createServiceClient(createRpcEnvironment(runtime), EchoService, channel, options) };
}

test("a unary call that was not processed is sent again, whole, elsewhere", async () => {
  const { channel, echo } = setup();
  const response = echo.unary({ text: "hi" });
  assert.equal(channel.call?.bufferedBytes, 4);
  const first = channel.start("a:1");
  assert.deepEqual([first.sent.length, first.ended], [1, true]);
  first.sink.onClose(refused);
  const second = channel.start("b:2");
  assert.deepEqual(second.sent, first.sent);
  assert.equal(channel.call?.attempts, 2);
  assert.deepEqual(second.headers.slice(0, 8), [
    ":method",
    "POST",
    ":scheme",
    "http",
    ":path",
    "/dubhe.testing.v1.EchoService/Unary",
    ":authority",
    "b:2",
  ]);
  second.answer();
  assert.equal((await response).text, "ok");
  assert.deepEqual(
    channel.outcomes.map((o) => [o.code, o.replayable]),
    [
      [Code.Unavailable, true],
      [0, false],
    ],
  );
  assert.equal(channel.answered, 1);
});

test("if the channel does not take it over, the error lists every attempt", async () => {
  const { channel, echo } = setup();
  const response = echo.unary({});
  channel.start("a:1").sink.onClose(refused);
  channel.takeOver = false;
  channel.start("b:2").sink.onClose(refused);
  await assert.rejects(response, (error: RpcError) => {
    assert.deepEqual(
      error.attempts.map((a) => [a.endpoint, a.processed]),
      [
        ["a:1", "no"],
        ["b:2", "no"],
      ],
    );
    return error.code === Code.Unavailable && error.processed === "no" && error.source === "peer";
  });
});

test("nothing is replayed after response HEADERS, nor when it may have been processed, nor after the caller left", async () => {
  const { channel, echo } = setup();
  const answered = echo.unary({});
  const first = channel.start("a:1");
  first.sink.onHeaders(head, false);
  first.sink.onClose({ ...refused, processed: "maybe" });
  await assert.rejects(answered, { code: Code.Unavailable, processed: "maybe" });
  const lost = echo.unary({});
  channel
    .start("a:1")
    .sink.onClose({ kind: "connection", code: 0, by: "transport", processed: "maybe", message: "read ECONNRESET" });
  await assert.rejects(
    lost,
    (error: RpcError) =>
      error.code === Code.Unavailable && error.source === "transport" && /ECONNRESET.*a:1/.test(error.message),
  );
  const controller = new AbortController();
  const left = echo.unary({}, { signal: controller.signal });
  const third = channel.start("a:1");
  controller.abort();
  await assert.rejects(left, { code: Code.Canceled });
  assert.equal(third.resetCode, 8);
  assert.deepEqual(
    channel.outcomes.map((o) => o.replayable),
    [false, false, false],
  );
});

test("a request above 64 KiB is not kept once it was sent", async () => {
  const { channel, echo } = setup();
  for (const [size, replayable] of [
    [60_000, true],
    [70_000, false],
  ] as const) {
    const response = echo.unary({ payload: new Uint8Array(size) });
    assert.ok((channel.call?.bufferedBytes ?? 0) > size);
    const stream = channel.start("a:1");
    channel.takeOver = false;
    stream.sink.onClose(refused);
    assert.equal(channel.outcomes.at(-1)?.replayable, replayable);
    await assert.rejects(response, { code: Code.Unavailable });
  }
});

test("streamed requests are drawn only while an attempt runs, kept, and sent again in order", async () => {
  const { clock, channel, echo } = setup();
  const drawn: number[] = [];
  let more: () => void = () => undefined;
  async function* requests() {
    for (let sequence = 1; sequence <= 4; sequence++) {
      drawn.push(sequence);
      yield { sequence };
      if (sequence === 2)
        await new Promise<void>((resolve) => {
          more = resolve;
        });
    }
  }
  const response = echo.clientStream(requests());
  await clock.settle();
  assert.deepEqual(drawn, []);
  const first = channel.start("a:1");
  await clock.settle();
  assert.deepEqual([drawn, first.sent.length], [[1, 2], 2]);
  first.sink.onClose(refused);
  // One that was asked for meanwhile is kept, too.
  more();
  await clock.settle();
  assert.deepEqual(drawn, [1, 2, 3]);
  const second = channel.start("b:2");
  await clock.settle();
  assert.deepEqual(drawn, [1, 2, 3, 4]);
  assert.deepEqual(
    second.sent.map((bytes) => bytes[1]),
    [1, 2, 3, 4],
  );
  assert.equal(second.ended, true);
  second.answer();
  assert.equal((await response).text, "ok");
});

test("a stream that overflowed the replay buffer, or was answered, cannot be replayed; its memory is given back", async () => {
  const { clock, channel, echo } = setup();
  let stop = false;
  async function* requests() {
    for (let i = 0; i < 10 && !stop; i++) yield { payload: new Uint8Array(10_000) };
    await new Promise(() => undefined);
  }
  const response = assert.rejects(echo.clientStream(requests()), { code: Code.Unavailable });
  const stream = channel.start("a:1");
  await clock.settle();
  assert.deepEqual([stream.sent.length, channel.call?.bufferedBytes], [10, 0]);
  stream.sink.onClose(refused);
  await response;
  assert.equal(channel.outcomes.at(-1)?.replayable, false);

  stop = true;
  const answered = assert.rejects(echo.clientStream([{ text: "kept" }]), { code: Code.Unavailable });
  const second = channel.start("a:1");
  await clock.settle();
  assert.ok((channel.call?.bufferedBytes ?? 0) > 0);
  second.sink.onHeaders(head, false);
  assert.equal(channel.call?.bufferedBytes, 0);
  second.sink.onClose(refused);
  await answered;
});

test("the deadline holds across attempts, and the channel is told when the caller leaves in between", async () => {
  const { clock, channel, echo } = setup();
  const response = assert.rejects(echo.unary({}, { timeoutMs: 100 }), { code: Code.DeadlineExceeded, processed: "no" });
  const first = channel.start("a:1");
  assert.ok(first.headers.includes("100m"));
  await clock.advance(60);
  first.sink.onClose(refused);
  const second = channel.start("b:2");
  assert.ok(second.headers.includes("40m"));
  second.sink.onClose(refused);
  await clock.advance(41);
  await response;
  assert.deepEqual(channel.cancelled, [channel.call]);
  assert.equal(channel.call?.startOn({} as Connection, "c:3", channel), false);
});

test("a reset by the peer after our deadline is the deadline, whatever its code", async () => {
  const { clock, channel, echo } = setup();
  const response = assert.rejects(echo.unary({}, { timeoutMs: 100 }), { code: Code.DeadlineExceeded });
  const stream = channel.start("a:1");
  clock.stall(150);
  stream.sink.onClose({ ...refused, code: 8, processed: "maybe" });
  await response;
});

test("a channel that fails a call, and an authority that cannot be sent", async () => {
  const { channel, echo } = setup();
  const failed = echo.unary({});
  const { RpcError } = await import("../rpc-error.js");
  channel.call?.fail(new RpcError("no endpoint", Code.Unavailable));
  await assert.rejects(failed, { message: "[unavailable] no endpoint", processed: "no" });
  const unsendable = echo.unary({});
  const throwing = {
    secure: false,
    open: () => {
      throw new TypeError("bad field value");
    },
  };
  assert.equal(channel.call?.startOn(throwing as unknown as Connection, "a b", channel), true);
  await assert.rejects(unsendable, { code: Code.Internal, processed: "no" });
  assert.equal(channel.outcomes.length, 1);
});
