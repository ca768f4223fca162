import type { FieldList } from "@dubhe/http2";
import type { CallOptions } from "../call-options.js";
import type { MethodInfo } from "../method.js";
import type { RpcError } from "../rpc-error.js";
import type { ClientCall } from "./client-call.js";
import type { ClientCore } from "./client-core.js";
import { PlainCall } from "./plain-call.js";
import { UnaryCall } from "./unary-call.js";

/** A call with one response, framed as its client wants it. */
export function makeUnaryCall(
  core: ClientCore,
  method: MethodInfo,
  options: CallOptions | undefined,
  extra: FieldList | undefined,
  deadline: number,
  supervised: boolean,
  resolve: (message: object) => void,
  reject: (error: RpcError) => void,
): ClientCall {
  const binding = core.binding(method);
  const Call = binding.framing === "grpc" ? UnaryCall : PlainCall;
  return new Call(core, binding, options, extra, deadline, supervised, resolve, reject);
}
