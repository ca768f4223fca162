// grpc.testing.TestService, as doc/interop-test-descriptions.md of grpc/grpc prescribes ("Server"): see interop/proto.
import { setTimeout as sleep } from "node:timers/promises";
import { RpcError } from "dubhe";

const payload = (size) => ({ body: new Uint8Array(size) });

function echoStatus(request) {
  const { code = 0, message = "" } = request.responseStatus ?? {};
  if (code !== 0) throw new RpcError(message, code);
}

function echoMetadata(context) {
  const initial = context.requestHeaders.get("x-grpc-test-echo-initial");
  if (initial !== null) {
    context.responseHeaders.set("x-grpc-test-echo-initial", initial);
    context.sendHeaders();
  }
  const trailing = context.requestHeaders.getBinary("x-grpc-test-echo-trailing-bin");
  if (trailing !== undefined) context.responseTrailers.setBinary("x-grpc-test-echo-trailing-bin", trailing);
}

async function* answers(request, context) {
  for (const { size, intervalUs } of request.responseParameters) {
    if (intervalUs > 0) await sleep(intervalUs / 1000, undefined, { signal: context.signal });
    yield { payload: payload(size) };
  }
}

/** `unimplementedCall` is left out, as prescribed. */
export const testService = {
  emptyCall: () => ({}),

  unaryCall(request, context) {
    echoMetadata(context);
    echoStatus(request);
    return { payload: payload(request.responseSize) };
  },

  streamingOutputCall: answers,

  async streamingInputCall(requests) {
    let aggregatedPayloadSize = 0;
    for await (const request of requests) aggregatedPayloadSize += request.payload?.body.length ?? 0;
    return { aggregatedPayloadSize };
  },

  async *fullDuplexCall(requests, context) {
    echoMetadata(context);
    for await (const request of requests) {
      echoStatus(request);
      yield* answers(request, context);
    }
  },

  async *halfDuplexCall(requests, context) {
    const received = [];
    for await (const request of requests) received.push(request);
    for (const request of received) yield* answers(request, context);
  },
};
