import type { FieldList } from "@dubhe/http2";
import type { CallOptions } from "../call-options.js";
import { Code } from "../code.js";
import { compress } from "../compression.js";
import type { MethodInfo } from "../method.js";
import { RpcError } from "../rpc-error.js";
import type { MessageSource } from "../stream/outbound-pump.js";
import { abortError, type ClientCall, deadlineError } from "./client-call.js";
import type { ClientCore } from "./client-core.js";
import { makeUnaryCall } from "./make-unary-call.js";
import { StreamCall } from "./stream-call.js";

/** A call with one response. Whatever is wrong comes out of the promise. */
export function startUnary(
  core: ClientCore,
  method: MethodInfo,
  input: unknown,
  options: CallOptions | undefined,
): Promise<object> {
  return new Promise((resolve, reject) => {
    try {
      const deadline = core.deadline(method, options);
      const extra = core.extraFields(options);
      const call = makeUnaryCall(core, method, options, extra, deadline, false, resolve, reject);
      openCall(core, call, method, input, options);
    } catch (error) {
      reject(RpcError.from(error, Code.Internal));
    }
  });
}

/** A call with a stream of responses. Whatever is wrong comes out of its first `next()`. */
export function startStream(
  core: ClientCore,
  method: MethodInfo,
  input: unknown,
  options: CallOptions | undefined,
): StreamCall {
  let extra: FieldList | undefined;
  let failure: unknown;
  let deadline = Infinity;
  try {
    deadline = core.deadline(method, options);
    extra = core.extraFields(options);
  } catch (error) {
    failure = error;
  }
  const call = new StreamCall(core, core.binding(method), options, extra, deadline, false);
  if (failure === undefined) openCall(core, call, method, input, options);
  else call.cancelWith(RpcError.from(failure, Code.Internal));
  return call;
}

/**
 * Encodes the request and hands the call to its channel, in this turn: unless a large request is compressed, which takes
 * another thread. Failures end the call.
 */
export function openCall(
  core: ClientCore,
  call: ClientCall,
  method: MethodInfo,
  input: unknown,
  options: CallOptions | undefined,
): void {
  const { signal } = options ?? {};
  if (signal?.aborted === true) return call.refuse(abortError(signal.reason, "no"));
  if (call.deadline !== Infinity && call.deadline <= core.env.runtime.clock.now())
    return call.refuse(deadlineError("no"));
  if (method.requestStream) {
    call.offer();
    call.sender.startPump(core, core.binding(method).codecs.request, input as MessageSource<unknown>);
    return;
  }
  try {
    const payload = core.binding(method).codecs.request.encode(input);
    const { compression } = core.options;
    if (compression === undefined || payload.length < (core.options.compressMinBytes ?? 1024)) {
      call.sender.setSingle(payload, 0);
    } else {
      const compressed = compress(compression, payload);
      if (compressed instanceof Promise) {
        compressed.then(
          (bytes) => {
            call.sender.setSingle(bytes, 1);
            call.offer();
          },
          (error: unknown) => call.refuse(RpcError.from(error, Code.Internal)),
        );
        return;
      }
      call.sender.setSingle(compressed, 1);
    }
  } catch (error) {
    return call.refuse(RpcError.from(error, Code.Internal));
  }
  call.offer();
}
