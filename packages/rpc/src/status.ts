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

/** Cut between characters, with an ellipsis. `limit` in octets, as sent. */
function messageField(text: string, limit: number): string {
  const encoded = text.length > limit ? "" : encodeGrpcMessage(text);
  if (text.length <= limit && encoded.length <= limit) return encoded;
  // A UTF-16 unit takes 9 octets at most, the ellipsis too; plain text takes one.
  let end = Math.max(0, Math.min(text.length, limit - 9));
  while (end > 0 && encodeGrpcMessage(text.slice(0, end)).length > limit - 9) end -= Math.ceil(end / 8);
  if (end === 0) return "";
  const unit = text.charCodeAt(end - 1);
  if (unit >= 0xd800 && unit <= 0xdbff) end--;
  return encodeGrpcMessage(`${text.slice(0, end)}…`);
}

/** The fields of a trailer block, `grpc-status` first; then the details, if any. */
export function statusFields(error: RpcError): string[] {
  return [...bareStatus(error, longestMessage), ...detailsField(error)];
}

/**
 * The same and `others`, within what the peer takes (SETTINGS_MAX_HEADER_LIST_SIZE; `before` is in the block already): above
 * it the peer loses the whole block, code and all. So first the details go, then the end of the message, at last `others`.
 */
export function fittingStatusFields(
  error: RpcError,
  others: readonly string[],
  before: FieldList,
  limit: number,
): string[] {
  const all = [...statusFields(error), ...others];
  const room = limit - listSize(before);
  if (listSize(all) <= room) return all;
  const whole = [...bareStatus(error, longestMessage), ...others];
  if (listSize(whole) <= room) return whole;
  const code = bareStatus(error, 0);
  const left = room - listSize(code) - entryOverhead - "grpc-message".length;
  const forMessage = left - listSize(others);
  if (forMessage >= 0) return [...bareStatus(error, forMessage), ...others];
  return bareStatus(error, Math.min(left, longestMessage));
}

function bareStatus(error: RpcError, messageLimit: number): string[] {
  const fields = ["grpc-status", String(wireCode(error))];
  const message = messageField(error.rawMessage, messageLimit);
  if (message !== "") fields.push("grpc-message", message);
  return fields;
}

function detailsField(error: RpcError): string[] {
  if (error.details.length === 0) return [];
  const status = create(StatusSchema, {
    code: wireCode(error),
    message: error.rawMessage,
    details: [...error.details],
  });
  return ["grpc-status-details-bin", encodeBinaryHeader(toBinary(StatusSchema, status))];
}

function wireCode(error: RpcError): number {
  return Number.isInteger(error.code) && error.code > 0 ? error.code : Code.Unknown;
}

/** RFC 9113 §6.5.2. Everything is sent as one octet a character. */
const entryOverhead = 32;

function listSize(fields: FieldList): number {
  let size = 0;
  for (let i = 0; i < fields.length; i += 2)
    size += (fields[i] as string).length + (fields[i + 1] as string).length + entryOverhead;
  return size;
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
