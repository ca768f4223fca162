import { type HeaderBlock, HeaderTemplate } from "@dubhe/http2";
import { acceptedEncodings, acceptsGzip, type Encoding, parseEncoding } from "../compression.js";
import { type ContentType, parseContentType } from "../content-type.js";
import { decodeTimeout } from "../timeout.js";
import type { Route, Router } from "./router.js";

/** What a block of request headers means to one router; kept in the block's memo, as equal blocks are shared. */
export class RequestHead {
  readonly router: Router;
  readonly generation: number;
  readonly post: boolean;
  readonly contentType: ContentType | undefined;
  /** Milliseconds; undefined = none; NaN = not a gRPC timeout. */
  readonly timeoutMs: number | undefined;
  /** Undefined = one that we cannot read. */
  readonly encoding: Encoding | undefined;
  readonly acceptsGzip: boolean;
  /** The route, or why there is none. */
  readonly route: Route | string;

  constructor(block: HeaderBlock, router: Router) {
    const fields = block.fields;
    let method = "";
    let path = "";
    let contentType: string | undefined;
    let timeout: string | undefined;
    let encoding: string | undefined;
    let accepted: string | undefined;
    let group = "";
    let version = "";
    for (let i = 0; i < fields.length; i += 2) {
      const value = fields[i + 1] as string;
      switch (fields[i] as string) {
        case ":method":
          method = value;
          break;
        case ":path":
          path = value;
          break;
        case "content-type":
          contentType = value;
          break;
        case "grpc-timeout":
          timeout = value;
          break;
        case "grpc-encoding":
          encoding = value;
          break;
        case "grpc-accept-encoding":
          accepted = value;
          break;
        case "tri-service-group":
          group = value;
          break;
        case "tri-service-version":
          version = value;
          break;
      }
    }
    this.router = router;
    this.generation = router.generation;
    this.post = method === "POST";
    this.contentType = parseContentType(contentType);
    this.timeoutMs = timeout === undefined ? undefined : (decodeTimeout(timeout) ?? Number.NaN);
    this.encoding = parseEncoding(encoding);
    this.acceptsGzip = acceptsGzip(accepted);
    this.route = router.resolve(path, group, version);
  }
}

export function requestHead(block: HeaderBlock, router: Router): RequestHead {
  const { memo } = block;
  if (memo instanceof RequestHead && memo.router === router && memo.generation === router.generation) return memo;
  const head = new RequestHead(block, router);
  block.memo = head;
  return head;
}

function responseTemplate(contentType: ContentType, encoding: Encoding): HeaderTemplate {
  const fields = [":status", "200", "content-type", contentType, "grpc-accept-encoding", acceptedEncodings];
  if (encoding !== "identity") fields.push("grpc-encoding", encoding);
  return new HeaderTemplate(fields);
}

/** Response headers, by content type and encoding. */
export const responseTemplates: Readonly<Record<ContentType, Readonly<Record<Encoding, HeaderTemplate>>>> = {
  "application/grpc": {
    identity: responseTemplate("application/grpc", "identity"),
    gzip: responseTemplate("application/grpc", "gzip"),
  },
  "application/grpc+proto": {
    identity: responseTemplate("application/grpc+proto", "identity"),
    gzip: responseTemplate("application/grpc+proto", "gzip"),
  },
};

export const okTrailers: HeaderTemplate = new HeaderTemplate(["grpc-status", "0"]);
/** For a status that varies: all its fields are given apart. */
export const errorTrailers: HeaderTemplate = new HeaderTemplate([]);
