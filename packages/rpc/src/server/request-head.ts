import { type HeaderBlock, HeaderTemplate } from "@dubhe/http2";
import { Code } from "../code.js";
import {
  acceptedEncodings,
  type Compression,
  type Encoding,
  parseAcceptEncoding,
  parseEncoding,
} from "../compression.js";
import { type BodyType, bodyType, parseContentType, streamBodies, unaryBodies } from "../content-type.js";
import { hasNoSideEffects } from "../method.js";
import { type GetQuery, parseGetQuery } from "../plain/get-query.js";
import { decodeTimeoutMs } from "../plain/timeout.js";
import { RpcError } from "../rpc-error.js";
import type { MethodCodecs } from "../serialization.js";
import { decodeTimeout } from "../timeout.js";
import { RawHead } from "./raw-head.js";
import type { Refusal } from "./refusal.js";
import type { Route, Router } from "./router.js";

/** The head of a request that becomes a call. */
export interface RequestHead {
  readonly kind: "call";
  readonly route: Route;
  /** Of request and response. */
  readonly body: BodyType;
  readonly codecs: MethodCodecs;
  /** Milliseconds; undefined = none. */
  readonly timeoutMs: number | undefined;
  /** Of the request. */
  readonly encoding: Encoding;
  /** What the response may be compressed with. */
  readonly accepted: readonly Compression[];
  /** Of a body that is one message; -1 = not said. */
  readonly contentLength: number;
  /** Of a GET: its message is there. */
  readonly query: GetQuery | undefined;
}

/** What a block means to one router; kept in the block's memo, as equal blocks are shared. */
class Memo {
  readonly router: Router;
  readonly generation: number;
  readonly head: RequestHead | Refusal;

  constructor(block: HeaderBlock, router: Router) {
    this.router = router;
    this.generation = router.generation;
    this.head = judge(new RawHead(block.fields), router);
  }
}

export function requestHead(block: HeaderBlock, router: Router): RequestHead | Refusal {
  const { memo } = block;
  if (memo instanceof Memo && memo.router === router && memo.generation === router.generation) return memo.head;
  const made = new Memo(block, router);
  block.memo = made;
  return made.head;
}

const onlyPost = http("405", "allow", "POST");
const getOrPost = http("405", "allow", "GET, POST");
const unsupportedForUnary = http("415", "accept-post", unaryBodies);
const unsupportedForStream = http("415", "accept-post", streamBodies);

function judge(raw: RawHead, router: Router): RequestHead | Refusal {
  const route = router.resolve(raw.path, raw.group, raw.version);
  if (raw.method === "POST") return judgePost(raw, route);
  if (typeof route === "string") return raw.method === "GET" ? notFound(bodyType("plain", "json"), route) : onlyPost;
  const { method } = route;
  if (!hasNoSideEffects(method)) return onlyPost;
  return raw.method === "GET" ? judgeGet(raw, route) : getOrPost;
}

function judgePost(raw: RawHead, route: Route | string): RequestHead | Refusal {
  const body = parseContentType(raw.contentType);
  if (body === undefined) return unsupportedForUnary;
  if (typeof route === "string") return notFound(body, route);
  return body.framing === "grpc" ? judgeGrpc(raw, route, body) : judgePlain(raw, route, body, undefined);
}

/** grpc/grpc doc/PROTOCOL-HTTP2.md, "Requests". */
function judgeGrpc(raw: RawHead, route: Route, body: BodyType): RequestHead | Refusal {
  const encoding = parseEncoding(raw.grpcEncoding);
  if (encoding === undefined) return status(body, Code.Unimplemented, unsupported("grpc-encoding"));
  const timeoutMs = raw.grpcTimeout === undefined ? undefined : decodeTimeout(raw.grpcTimeout);
  if (timeoutMs === undefined && raw.grpcTimeout !== undefined)
    return status(body, Code.Internal, "malformed grpc-timeout");
  return {
    kind: "call",
    route,
    body,
    codecs: route.codecs[body.serialization],
    timeoutMs,
    encoding,
    accepted: parseAcceptEncoding(raw.grpcAccept),
    contentLength: -1,
    query: undefined,
  };
}

/** connectrpc.com/docs/protocol, "Unary-Request"; the headers of dubbo-go and dubbo-java: discovery-wire §8.2. */
function judgePlain(raw: RawHead, route: Route, body: BodyType, query: GetQuery | undefined): RequestHead | Refusal {
  const { method } = route;
  if (method.requestStream || method.responseStream) return unsupportedForStream;
  if (raw.connectVersion !== undefined && raw.connectVersion !== "1")
    return status(body, Code.InvalidArgument, 'connect-protocol-version must be "1"');
  const timeout = raw.connectTimeout ?? raw.tripleTimeout;
  let timeoutMs = timeout === undefined ? undefined : decodeTimeoutMs(timeout);
  if (timeoutMs === undefined) {
    if (timeout !== undefined) return status(body, Code.InvalidArgument, "malformed timeout: it is whole milliseconds");
    // dubbo-java sends gRPC's header whatever the body is.
    if (raw.grpcTimeout !== undefined) timeoutMs = decodeTimeout(raw.grpcTimeout);
  }
  const encoding = query === undefined ? parseEncoding(raw.contentEncoding) : query.encoding;
  if (encoding === undefined)
    return status(body, Code.Unimplemented, unsupported(query === undefined ? "content-encoding" : "compression"));
  return {
    kind: "call",
    route,
    body,
    codecs: route.codecs[body.serialization],
    timeoutMs,
    encoding,
    accepted: parseAcceptEncoding(raw.accept),
    contentLength: raw.contentLength,
    query,
  };
}

function judgeGet(raw: RawHead, route: Route): RequestHead | Refusal {
  let query: GetQuery;
  try {
    query = parseGetQuery(raw.query ?? "");
  } catch (error) {
    return { kind: "status", body: bodyType("plain", "json"), error: RpcError.from(error), httpStatus: undefined };
  }
  if (query.serialization === undefined) return unsupportedForUnary;
  return judgePlain(raw, route, bodyType("plain", query.serialization), query);
}

/** In the body's own terms where it has some. */
function notFound(body: BodyType, why: string): Refusal {
  return { kind: "status", body, error: new RpcError(why, Code.Unimplemented), httpStatus: "404" };
}

function status(body: BodyType, code: Code, message: string): Refusal {
  return { kind: "status", body, error: new RpcError(message, code), httpStatus: undefined };
}

function http(httpStatus: string, name: string, value: string): Refusal {
  return { kind: "http", headers: new HeaderTemplate([":status", httpStatus, name, value]) };
}

function unsupported(name: string): string {
  return `this ${name} is not supported; supported: ${acceptedEncodings}`;
}
