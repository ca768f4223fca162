import type { Registry } from "@bufbuild/protobuf";
import { HeaderTemplate } from "@dubhe/http2";
import { acceptedEncodings } from "../compression.js";
import type { BodyType } from "../content-type.js";
import { encodeErrorBody } from "../plain/error-body.js";
import { httpStatusOf } from "../plain/http-status.js";
import type { RpcError } from "../rpc-error.js";
import { statusFields } from "../status.js";
import { grpcHeaders } from "./response-templates.js";
import type { ReplyStream } from "./server-call.js";

/**
 * A request that gets no call. What is not a call is answered in HTTP's terms; what is one, in those of its body:
 * PROTOCOL-HTTP2.md, "Responses"; connectrpc.com/docs/protocol, "Unary-Response".
 */
export type Refusal =
  | { readonly kind: "http"; readonly headers: HeaderTemplate }
  | {
      readonly kind: "status";
      readonly body: BodyType;
      readonly error: RpcError;
      /** Default: by the error's code. */
      readonly httpStatus: string | undefined;
    };

export function sendRefusal(stream: ReplyStream, refusal: Refusal): void {
  if (refusal.kind === "http") stream.sendHeaders(refusal.headers, undefined, true);
  else if (refusal.body.framing === "grpc")
    stream.sendHeaders(grpcHeaders(refusal.body).identity, statusFields(refusal.error), true);
  else sendPlainError(stream, refusal.error, [], refusal.httpStatus);
}

/** An error without gRPC's framing: an HTTP status, and JSON whatever the messages are. */
export function sendPlainError(
  stream: ReplyStream,
  error: RpcError,
  fields: readonly string[],
  httpStatus: string = httpStatusOf(error.code),
  types?: Registry,
): void {
  const body = encodeErrorBody(error, types);
  stream.sendHeaders(errorHeaders(httpStatus), ["content-length", String(body.length), ...fields], false);
  stream.send(body, true);
}

const templates = new Map<string, HeaderTemplate>();

function errorHeaders(httpStatus: string): HeaderTemplate {
  let template = templates.get(httpStatus);
  if (template === undefined) {
    template = new HeaderTemplate([
      ...[":status", httpStatus, "content-type", "application/json"],
      ...["accept-encoding", acceptedEncodings],
    ]);
    templates.set(httpStatus, template);
  }
  return template;
}
