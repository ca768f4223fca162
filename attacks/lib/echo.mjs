// The attacked service: all four kinds of call, commanded by the request.
import { setTimeout as sleep } from "node:timers/promises";

export { EchoService } from "../../packages/testing/gen/dubhe/testing/v1/echo_pb.js";

export const PATH = "/dubhe.testing.v1.EchoService/";

const answer = (request, index) => ({
  text: request.text,
  payload: request.responseBytes === 0 ? request.payload : new Uint8Array(request.responseBytes),
  sequence: request.sequence,
  index,
});

async function* answers(request, context) {
  for (let index = 0; index < Math.max(1, request.count); index++) {
    if (request.delayMs > 0) await sleep(request.delayMs, undefined, { signal: context.signal });
    yield answer(request, index);
  }
}

export const echo = {
  async unary(request, context) {
    if (request.delayMs > 0) await sleep(request.delayMs, undefined, { signal: context.signal });
    return answer(request, 0);
  },
  serverStream: answers,
  async clientStream(requests) {
    let index = 0;
    let bytes = 0;
    for await (const request of requests) {
      index++;
      bytes += request.payload.length;
    }
    return { index, receivedBytes: BigInt(bytes) };
  },
  async *bidi(requests, context) {
    for await (const request of requests) yield* answers(request, context);
  },
};
