import type { StreamEnd } from "@dubhe/http2";
import { Code } from "./code.js";

/**
 * What RST_STREAM means for a call (grpc/grpc doc/PROTOCOL-HTTP2.md, "Errors"), by HTTP/2 error code. A server that
 * sent its trailers may reset with NO_ERROR (RFC 9113 §8.1); that is not an error and never asked here.
 */
const resetCodes: readonly Code[] = [
  Code.Internal, // NO_ERROR, yet without trailers
  Code.Internal, // PROTOCOL_ERROR
  Code.Internal, // INTERNAL_ERROR
  Code.Internal, // FLOW_CONTROL_ERROR
  Code.Internal, // SETTINGS_TIMEOUT
  Code.Internal, // STREAM_CLOSED
  Code.Internal, // FRAME_SIZE_ERROR
  Code.Unavailable, // REFUSED_STREAM: the stream was not processed
  Code.Canceled, // CANCEL
  Code.Internal, // COMPRESSION_ERROR
  Code.Internal, // CONNECT_ERROR
  Code.ResourceExhausted, // ENHANCE_YOUR_CALM
  Code.PermissionDenied, // INADEQUATE_SECURITY
  Code.Unknown, // HTTP_1_1_REQUIRED
];

const names: readonly string[] = [
  "NO_ERROR",
  "PROTOCOL_ERROR",
  "INTERNAL_ERROR",
  "FLOW_CONTROL_ERROR",
  "SETTINGS_TIMEOUT",
  "STREAM_CLOSED",
  "FRAME_SIZE_ERROR",
  "REFUSED_STREAM",
  "CANCEL",
  "COMPRESSION_ERROR",
  "CONNECT_ERROR",
  "ENHANCE_YOUR_CALM",
  "INADEQUATE_SECURITY",
  "HTTP_1_1_REQUIRED",
];

export function http2ErrorName(code: number): string {
  return names[code] ?? `HTTP/2 error ${code}`;
}

/** The gRPC code of a stream that ended without a status. */
export function codeFromStreamEnd(end: StreamEnd): Code {
  switch (end.kind) {
    case "complete":
      return Code.Unknown;
    case "connection":
      return Code.Unavailable;
    case "reset":
      return resetCodes[end.code] ?? Code.Unknown;
  }
}

/** In words: who did what. */
export function describeStreamEnd(end: StreamEnd): string {
  switch (end.kind) {
    case "complete":
      return "the peer ended the stream without a status";
    case "connection":
      return end.message === "" ? "the connection was closed" : end.message;
    case "reset":
      return `the ${end.by === "local" ? "stream was reset locally" : "peer reset the stream"} with ${http2ErrorName(end.code)}${end.message === "" ? "" : `: ${end.message}`}`;
  }
}
