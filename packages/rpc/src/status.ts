import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { FieldList } from "@dubhe/http2";
import { StatusSchema } from "../gen/google/rpc/status_pb.js";
import { decodeBinaryHeader, encodeBinaryHeader } from "./base64.js";
import { Code } from "./code.js";
import type { Metadata } from "./metadata.js";
import { decodeGrpcMessage, encodeGrpcMessage } from "./percent.js";
import { RpcError, type RpcErrorInit } from "./rpc-error.js";

/** The status of a call as trailers carry it. */
export interface GrpcStatus {
  readonly code: number;
  readonly message: string;
  /** `grpc-status-details-bin`, still base64. */
  readonly details: string | undefined;
}

const ok: GrpcStatus = { code: 0, message: "", details: undefined };

/** Undefined when the block has no `grpc-status`. One that is not a number means UNKNOWN, as in grpc-go. */
export function readStatus(fields: FieldList): GrpcStatus | undefined {
  let code: string | undefined;
  let message = "";
  let details: string | undefined;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (name === "grpc-status") code = fields[i + 1];
    else if (name === "grpc-message") message = fields[i + 1] as string;
    else if (name === "grpc-status-details-bin") details = fields[i + 1];
  }
  if (code === undefined) return undefined;
  if (code === "0") return ok;
  if (!/^\d{1,9}$/.test(code)) {
    return {
      code: Code.Unknown,
      message: `grpc-status is ${JSON.stringify(code)}: ${decodeGrpcMessage(message)}`,
      details,
    };
  }
  return { code: Number(code), message: decodeGrpcMessage(message), details };
}

/** The error for a status that is not OK. Details that do not decode are left out: the status itself is worth more. */
export function statusError(
  status: GrpcStatus,
  init: RpcErrorInit & { readonly headers: Metadata; readonly trailers: Metadata },
): RpcError {
  let message = status.message;
  let details: RpcErrorInit["details"] = [];
  if (status.details !== undefined) {
    try {
      const bytes = decodeBinaryHeader(status.details);
      if (bytes !== undefined) {
        const parsed = fromBinary(StatusSchema, bytes);
        details = parsed.details;
        if (message === "") message = parsed.message;
      }
    } catch {
      // See above.
    }
  }
  return new RpcError(message, status.code, { source: "peer", ...init, details });
}

/**
 * Octets of a `grpc-message`, as sent. Above its limit of header lists (8 to 16 KiB by default in gRPC) a peer loses the whole
 * status, code and all.
 */
const longestMessage = 8 * 1024;

/** Cut between characters, with an ellipsis. */
function messageField(text: string): string {
  const encoded = text.length > longestMessage ? "" : encodeGrpcMessage(text);
  if (text.length <= longestMessage && encoded.length <= longestMessage) return encoded;
  // A UTF-16 unit takes 9 octets at most, the ellipsis too; plain text takes one.
  let end = Math.min(text.length, longestMessage - 9);
  while (encodeGrpcMessage(text.slice(0, end)).length > longestMessage - 9) end -= Math.ceil(end / 8);
  const unit = text.charCodeAt(end - 1);
  if (unit >= 0xd800 && unit <= 0xdbff) end--;
  return encodeGrpcMessage(`${text.slice(0, end)}…`);
}

/** The fields of a trailer block, `grpc-status` first; then the details, if any, and the error's own trailers. */
export function statusFields(error: RpcError): string[] {
  const code = Number.isInteger(error.code) && error.code > 0 ? error.code : Code.Unknown;
  const fields = ["grpc-status", String(code)];
  if (error.rawMessage !== "") fields.push("grpc-message", messageField(error.rawMessage));
  if (error.details.length > 0) {
    const status = create(StatusSchema, { code, message: error.rawMessage, details: [...error.details] });
    fields.push("grpc-status-details-bin", encodeBinaryHeader(toBinary(StatusSchema, status)));
  }
  return fields;
}

/** Only for a response without `grpc-status` (grpc/grpc doc/http-grpc-status-mapping.md). */
export function codeFromHttpStatus(status: number): Code {
  switch (status) {
    case 400:
      return Code.Internal;
    case 401:
      return Code.Unauthenticated;
    case 403:
      return Code.PermissionDenied;
    case 404:
      return Code.Unimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return Code.Unavailable;
    default:
      return Code.Unknown;
  }
}
