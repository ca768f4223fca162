// The cases of doc/interop-test-descriptions.md of grpc/grpc that grpc-go's interop server can answer, run by Dubhe.
// Each returns what it saw.
import assert from "node:assert/strict";
import { Code, RpcError } from "dubhe";
import { TestService, UnimplementedService } from "../gen/grpc/testing/test_pb.js";

const REQUEST_SIZES = [27182, 8, 1828, 45904];
const RESPONSE_SIZES = [31415, 9, 2653, 58979];
const LARGE = { responseSize: 314159, payload: payload(271828) };

function payload(size) {
  return { body: new Uint8Array(size) };
}

function assertZeros(got, size) {
  assert.equal(got?.body.length, size, `a payload of ${got?.body.length} bytes where ${size} were due`);
  assert.ok(
    got.body.every((byte) => byte === 0),
    "a payload that is not zeros",
  );
}

async function failureOf(call) {
  try {
    await call;
  } catch (error) {
    assert.ok(error instanceof RpcError, `no RpcError: ${error}`);
    return error;
  }
  throw new Error("the call succeeded");
}

async function assertEnded(responses) {
  assert.ok((await responses.next()).done, "a message came where the end was due");
}

/** Requests pushed one at a time; the stream stays open until `end`. */
function pushed() {
  const waiting = [];
  let wake;
  let ended = false;
  return {
    push(request) {
      waiting.push(request);
      wake?.();
    },
    end() {
      ended = true;
      wake?.();
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        while (waiting.length > 0) yield waiting.shift();
        if (ended) return;
        await new Promise((resolve) => (wake = resolve));
      }
    },
  };
}

async function largeUnary(client) {
  assertZeros((await client.unaryCall(LARGE)).payload, LARGE.responseSize);
  return `${LARGE.payload.body.length} bytes out, ${LARGE.responseSize} in`;
}

async function clientStreaming(client) {
  const { aggregatedPayloadSize } = await client.streamingInputCall(
    REQUEST_SIZES.map((size) => ({ payload: payload(size) })),
  );
  assert.equal(aggregatedPayloadSize, 74922);
  return `${aggregatedPayloadSize} bytes in ${REQUEST_SIZES.length} messages`;
}

async function serverStreaming(client) {
  const responses = client.streamingOutputCall({ responseParameters: RESPONSE_SIZES.map((size) => ({ size })) });
  for (const size of RESPONSE_SIZES) assertZeros((await responses.next()).value?.payload, size);
  await assertEnded(responses);
  return `${RESPONSE_SIZES.length} messages`;
}

async function pingPong(client) {
  const requests = pushed();
  const responses = client.fullDuplexCall(requests);
  for (const [i, size] of RESPONSE_SIZES.entries()) {
    requests.push({ responseParameters: [{ size }], payload: payload(REQUEST_SIZES[i]) });
    assertZeros((await responses.next()).value?.payload, size);
  }
  requests.end();
  await assertEnded(responses);
  return `${RESPONSE_SIZES.length} turns`;
}

async function emptyStream(client) {
  await assertEnded(client.fullDuplexCall([]));
  return "no message, OK";
}

async function timeoutOnSleepingServer(client) {
  const requests = pushed();
  const responses = client.fullDuplexCall(requests, { timeoutMs: 1 });
  requests.push({ payload: payload(27182) });
  const error = await failureOf(responses.next());
  assert.equal(error.code, Code.DeadlineExceeded, error.message);
  return error.message;
}

async function cancelAfterBegin(client) {
  const leave = new AbortController();
  const call = client.streamingInputCall(pushed(), {
    signal: leave.signal,
    headers: { key1: "value1", key2: "value2" },
  });
  leave.abort();
  const error = await failureOf(call);
  assert.equal(error.code, Code.Canceled, error.message);
  return error.message;
}

async function cancelAfterFirstResponse(client) {
  const leave = new AbortController();
  const requests = pushed();
  const responses = client.fullDuplexCall(requests, { signal: leave.signal });
  requests.push({ responseParameters: [{ size: 31415 }], payload: payload(27182) });
  assertZeros((await responses.next()).value?.payload, 31415);
  leave.abort();
  const error = await failureOf(responses.next());
  assert.equal(error.code, Code.Canceled, error.message);
  return error.message;
}

async function customMetadata(client) {
  const trailing = Uint8Array.of(0x0a, 0x0b, 0x0a, 0x0b, 0x0a, 0x0b);
  const seen = {};
  const options = {
    headers: [
      ["x-grpc-test-echo-initial", "test_initial_metadata_value"],
      ["x-grpc-test-echo-trailing-bin", trailing],
    ],
    onHeaders: (headers) => (seen.headers = headers),
    onTrailers: (trailers) => (seen.trailers = trailers),
  };
  const check = () => {
    assert.deepEqual(seen.headers?.getAll("x-grpc-test-echo-initial"), ["test_initial_metadata_value"]);
    assert.deepEqual(seen.trailers?.getAllBinary("x-grpc-test-echo-trailing-bin"), [trailing]);
    seen.headers = seen.trailers = undefined;
  };
  assertZeros((await client.unaryCall({ responseSize: 1, payload: payload(1) }, options)).payload, 1);
  check();
  const responses = client.fullDuplexCall([{ responseParameters: [{ size: 1 }], payload: payload(1) }], options);
  assertZeros((await responses.next()).value?.payload, 1);
  await assertEnded(responses);
  check();
  return "headers and trailers of both calls";
}

async function statusCodeAndMessage(client) {
  const responseStatus = { code: Code.Unknown, message: "test status message" };
  for (const call of [
    () => client.unaryCall({ responseStatus }),
    () => client.fullDuplexCall([{ responseStatus }]).next(),
  ]) {
    const { code, rawMessage } = await failureOf(call());
    assert.deepEqual({ code, message: rawMessage }, responseStatus);
  }
  return "both calls";
}

async function specialStatusMessage(client) {
  const message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
  const error = await failureOf(client.unaryCall({ responseStatus: { code: Code.Unknown, message } }));
  assert.deepEqual([error.code, error.rawMessage], [Code.Unknown, message]);
  return JSON.stringify(error.rawMessage);
}

async function unimplemented(client) {
  const error = await failureOf(client.unimplementedCall({}));
  assert.equal(error.code, Code.Unimplemented, error.message);
  assert.equal(error.source, "peer");
  return error.message;
}

/** Large calls one after another, on one channel or on a channel each; none may fail or take a second. */
async function soak(calls, nextClient) {
  let worst = 0;
  for (let i = 0; i < calls; i++) {
    const began = performance.now();
    await largeUnary(nextClient());
    worst = Math.max(worst, performance.now() - began);
  }
  assert.ok(worst < 1_000, `a call took ${worst} ms`);
  return `${calls} calls, the slowest ${worst.toFixed(1)} ms`;
}

/** Name -> case(client, service -> a client on a channel of its own). */
export const testCases = new Map([
  [
    "empty_unary",
    async (client) => {
      await client.emptyCall({});
      return "an empty message";
    },
  ],
  ["large_unary", largeUnary],
  ["client_streaming", clientStreaming],
  ["server_streaming", serverStreaming],
  ["ping_pong", pingPong],
  ["empty_stream", emptyStream],
  ["timeout_on_sleeping_server", timeoutOnSleepingServer],
  ["cancel_after_begin", cancelAfterBegin],
  ["cancel_after_first_response", cancelAfterFirstResponse],
  ["custom_metadata", customMetadata],
  ["status_code_and_message", statusCodeAndMessage],
  ["special_status_message", specialStatusMessage],
  ["unimplemented_method", unimplemented],
  ["unimplemented_service", (_, connect) => unimplemented(connect(UnimplementedService))],
  ["rpc_soak", (client) => soak(200, () => client)],
  ["channel_soak", (_, connect) => soak(50, () => connect(TestService))],
]);
