import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { anyPack, DurationSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { Code } from "./code.js";
import { RpcError } from "./rpc-error.js";

test("says the code and the message", () => {
  const error = new RpcError("no endpoint", Code.Unavailable);
  assert.equal(error.message, "[unavailable] no endpoint");
  assert.equal(error.rawMessage, "no endpoint");
  assert.equal(error.name, "RpcError");
  assert.ok(error instanceof Error);
  assert.equal(new RpcError("business", 17).message, "[code_17] business");
});

test("processed follows from the source unless it is known better", () => {
  assert.equal(new RpcError("", Code.Internal).processed, "no");
  assert.equal(new RpcError("", Code.Internal, { source: "peer" }).processed, "yes");
  assert.equal(new RpcError("", Code.Internal, { source: "transport" }).processed, "maybe");
  assert.equal(new RpcError("", Code.Internal, { source: "transport", processed: "no" }).processed, "no");
});

test("from: an RpcError stays, others become its cause", () => {
  const error = new RpcError("x", Code.NotFound);
  assert.equal(RpcError.from(error, Code.Internal), error);
  const boom = new Error("boom");
  const wrapped = RpcError.from(boom);
  assert.deepEqual([wrapped.code, wrapped.rawMessage, wrapped.cause], [Code.Unknown, "boom", boom]);
  assert.equal(RpcError.from("text", Code.Aborted).message, "[aborted] text");
  assert.equal(RpcError.from(new DOMException("t", "TimeoutError")).code, Code.DeadlineExceeded);
  assert.equal(RpcError.from(new DOMException("a", "AbortError")).code, Code.Canceled);
  const unprintable = Object.create(null) as object;
  assert.equal(RpcError.from(unprintable).code, Code.Unknown);
});

test("findDetails unpacks one type and passes over what is damaged", () => {
  const duration = create(DurationSchema, { seconds: 5n });
  const damaged = anyPack(DurationSchema, duration);
  damaged.value = new Uint8Array([0xff]);
  const error = new RpcError("x", Code.Unavailable, {
    details: [damaged, anyPack(TimestampSchema, create(TimestampSchema)), anyPack(DurationSchema, duration)],
  });
  const found = error.findDetails(DurationSchema);
  assert.equal(found.length, 1);
  assert.deepEqual(toBinary(DurationSchema, found[0] as typeof duration), toBinary(DurationSchema, duration));
});

test("withAttempts copies everything else", () => {
  const cause = new Error("why");
  const error = new RpcError("x", Code.Unavailable, { source: "registry", processed: "maybe", cause });
  const copy = error.withAttempts([{ endpoint: "h:1", code: 14, message: "m", processed: "no", durationMs: 1 }]);
  assert.deepEqual(
    [copy.code, copy.rawMessage, copy.source, copy.processed, copy.cause],
    [14, "x", "registry", "maybe", cause],
  );
  assert.equal(copy.attempts.length, 1);
  assert.equal(error.attempts.length, 0);
});
