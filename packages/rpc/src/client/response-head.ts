import type { HeaderBlock } from "@dubhe/http2";
import { Code } from "../code.js";
import { type Encoding, parseEncoding } from "../compression.js";
import { parseContentType } from "../content-type.js";
import type { Serialization } from "../serialization.js";
import { codeFromHttpStatus, type GrpcStatus, readStatus } from "../status.js";

/** What a block of response headers means; kept in the block's memo, as equal blocks are shared. */
export class ResponseHead {
  readonly status: GrpcStatus | undefined;
  readonly encoding: Encoding;
  readonly serialization: Serialization;
  /** Why this cannot be a gRPC response, if there is no `grpc-status` to say so. */
  readonly fault: { readonly code: Code; readonly message: string } | undefined;

  constructor(block: HeaderBlock) {
    const fields = block.fields;
    let http = "";
    let contentType: string | undefined;
    let encoding: string | undefined;
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i] as string;
      if (name === ":status") http = fields[i + 1] as string;
      else if (name === "content-type") contentType = fields[i + 1];
      else if (name === "grpc-encoding") encoding = fields[i + 1];
    }
    this.status = readStatus(fields);
    const parsed = parseEncoding(encoding);
    this.encoding = parsed ?? "identity";
    const body = parseContentType(contentType);
    this.serialization = body?.serialization ?? "proto";
    this.fault = undefined;
    // With a grpc-status, the HTTP status does not matter (doc/http-grpc-status-mapping.md).
    if (http !== "200") {
      this.fault = {
        code: codeFromHttpStatus(Number(http)),
        message: `HTTP status ${http}${describeType(contentType)}`,
      };
    } else if (body?.framing !== "grpc") {
      this.fault = { code: Code.Unknown, message: `the response is not gRPC${describeType(contentType)}` };
    } else if (parsed === undefined) {
      this.fault = { code: Code.Internal, message: `response with unknown grpc-encoding ${JSON.stringify(encoding)}` };
    }
  }
}

export function responseHead(block: HeaderBlock): ResponseHead {
  if (block.memo instanceof ResponseHead) return block.memo;
  const head = new ResponseHead(block);
  block.memo = head;
  return head;
}

/** The status in a block of trailers; undefined when there is none. */
export function trailerStatus(block: HeaderBlock): GrpcStatus | undefined {
  if (block.memo === undefined) block.memo = readStatus(block.fields) ?? null;
  return (block.memo as GrpcStatus | null) ?? undefined;
}

function describeType(contentType: string | undefined): string {
  return contentType === undefined
    ? " (no content-type)"
    : ` (content-type ${JSON.stringify(contentType.slice(0, 100))})`;
}
