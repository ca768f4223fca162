import type { FieldList, HeaderBlock } from "@dubhe/http2";
import { Code } from "../code.js";
import { type Encoding, parseEncoding } from "../compression.js";
import { type BodyType, parseContentType } from "../content-type.js";
import { splitTrailers } from "../plain/trailer-fields.js";
import { codeFromHttpStatus } from "../status.js";

/** What the headers of a plain unary response mean (connectrpc.com/docs/protocol, "Unary-Response"). */
export class PlainResponseHead {
  readonly status: number;
  readonly body: BodyType | undefined;
  /** Undefined = one that we cannot read. */
  readonly encoding: Encoding | undefined;
  readonly contentType: string | undefined;
  readonly headers: FieldList;
  readonly trailers: FieldList;

  constructor(block: HeaderBlock) {
    const { headers, trailers } = splitTrailers(block.fields);
    this.headers = headers;
    this.trailers = trailers;
    this.status = Number(fieldValue(headers, ":status"));
    this.contentType = fieldValue(headers, "content-type");
    this.body = parseContentType(this.contentType);
    this.encoding = parseEncoding(fieldValue(headers, "content-encoding"));
  }

  /** Its body is a message: HTTP calls that 200. */
  get ok(): boolean {
    return this.status === 200;
  }

  /** Why the body is not worth reading. */
  fault(expected: BodyType): { readonly code: Code; readonly message: string } | undefined {
    const type = this.contentType === undefined ? "no content-type" : `content-type ${quote(this.contentType)}`;
    if (!this.ok) {
      if (this.body?.contentType === "application/json" && this.encoding !== undefined) return undefined;
      return { code: codeFromHttpStatus(this.status), message: `HTTP status ${this.status} (${type})` };
    }
    if (this.body !== expected) {
      const code = this.body === undefined ? Code.Unknown : Code.Internal;
      return { code, message: `the response is not ${expected.contentType} (${type})` };
    }
    if (this.encoding === undefined) return { code: Code.Internal, message: "response with unknown content-encoding" };
    return undefined;
  }
}

function fieldValue(fields: FieldList, name: string): string | undefined {
  for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return fields[i + 1];
  return undefined;
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
