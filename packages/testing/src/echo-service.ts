import { type Clock, systemClock } from "@dubhe/concurrency";
import { type HandlerContext, RpcError, type ServiceImpl } from "@dubhe/rpc";
import type { EchoError, EchoRequest, EchoService } from "../gen/dubhe/testing/v1/echo_pb.js";

export {
  type EchoError,
  EchoErrorSchema,
  type EchoRequest,
  EchoRequestSchema,
  type EchoResponse,
  EchoResponseSchema,
  EchoService,
} from "../gen/dubhe/testing/v1/echo_pb.js";

/** A server for `EchoService`, which does what each request commands. */
export function echoHandlers(clock: Clock = systemClock): ServiceImpl<typeof EchoService> {
  const unary = (request: EchoRequest, context: HandlerContext): Answer | Promise<Answer> => {
    if (request.error !== undefined) throw errorOf(request.error);
    if (request.delayMs === 0) return answer(request, 0);
    return delay(clock, request.delayMs, context).then(() => answer(request, 0));
  };
  return {
    unary,
    look: unary,

    async *serverStream(request, context) {
      yield* answers(request, context, clock);
    },

    async clientStream(requests, context) {
      let text = "";
      let bytes = 0;
      let index = 0;
      let sequence = 0;
      for await (const request of requests) {
        if (request.delayMs > 0) await delay(clock, request.delayMs, context);
        if (request.error !== undefined && request.error.after <= index) throw errorOf(request.error);
        text += request.text;
        bytes += request.payload.length;
        sequence = request.sequence;
        index++;
      }
      return { text, index, sequence, receivedBytes: BigInt(bytes) };
    },

    async *bidi(requests, context) {
      for await (const request of requests) yield* answers(request, context, clock);
    },
  };
}

async function* answers(request: EchoRequest, context: HandlerContext, clock: Clock): AsyncGenerator<Answer> {
  const count = Math.max(1, request.count);
  for (let index = 0; index < count; index++) {
    if (request.delayMs > 0) await delay(clock, request.delayMs, context);
    if (request.error !== undefined && request.error.after <= index) throw errorOf(request.error);
    yield answer(request, index);
  }
}

type Answer = ReturnType<typeof answer>;

function answer(request: EchoRequest, index: number) {
  const payload = request.responseBytes === 0 ? request.payload : new Uint8Array(request.responseBytes);
  return { text: request.text, payload, sequence: request.sequence, index };
}

function errorOf(error: EchoError): Error {
  return error.plain ? new Error(error.message) : new RpcError(error.message, error.code);
}

/** Rejects with the signal's reason when the call ends before. */
function delay(clock: Clock, ms: number, context: HandlerContext): Promise<void> {
  return new Promise((resolve, reject) => {
    const { signal } = context;
    if (signal.aborted) return reject(signal.reason as Error);
    const onAbort = (): void => {
      timer.cancel();
      reject(signal.reason as Error);
    };
    const timer = clock.setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
