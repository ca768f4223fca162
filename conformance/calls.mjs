// One call as a ClientCompatRequest describes it, through the public API; what came of it as a ClientResponseResult.
import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { RpcError } from "dubhe";
import { ClientResponseResultSchema } from "./gen/connectrpc/conformance/v1/client_compat_pb.js";
import { Codec, Compression, Protocol, StreamType } from "./gen/connectrpc/conformance/v1/config_pb.js";
import { ConformanceService } from "./gen/connectrpc/conformance/v1/service_pb.js";
import { toHeaders, toPairs } from "./lib/headers.mjs";

const COMPRESSIONS = {
  [Compression.GZIP]: "gzip",
  [Compression.DEFLATE]: "deflate",
  [Compression.BR]: "br",
};

function clientOf(app, request) {
  const secure = request.serverTlsCert.length > 0;
  const { clientTlsCreds } = request;
  const compression = COMPRESSIONS[request.compression];
  return app.client(ConformanceService, {
    url: `${secure ? "https" : "http"}://${request.host}:${request.port}`,
    ...(secure && {
      tls: {
        ca: Buffer.from(request.serverTlsCert),
        ...(clientTlsCreds && { cert: Buffer.from(clientTlsCreds.cert), key: Buffer.from(clientTlsCreds.key) }),
      },
    }),
    ...(compression && { compression, compressMinBytes: 0 }),
    ...(request.codec === Codec.JSON && { serialization: "json" }),
    ...(request.protocol === Protocol.CONNECT && { unary: "triple", httpGet: request.useGetHttpMethod }),
    ...(request.messageReceiveLimit > 0 && { maxReceiveBytes: request.messageReceiveLimit }),
  });
}

function methodOf({ service, method: name }) {
  if (service !== ConformanceService.typeName) throw new Error(`there is no service ${service}`);
  const method = ConformanceService.methods.find((candidate) => candidate.name === name);
  if (method === undefined) throw new Error(`there is no method ${name}`);
  return method;
}

function unpack(any, schema) {
  const message = anyUnpack(any, schema);
  if (message === undefined) throw new Error(`a request is ${any.typeUrl}, not ${schema.typeName}`);
  return message;
}

/** Throws when the request cannot be followed; an error of the call is part of the result. */
export async function makeCall(app, request) {
  const method = methodOf(request);
  const messages = request.requestMessages.map((any) => unpack(any, method.input));
  const controller = new AbortController();
  const timing = request.cancel && (request.cancel.cancelTiming ?? {});
  const seen = { headers: undefined, trailers: undefined };
  const options = {
    headers: toPairs(request.requestHeaders),
    timeoutMs: request.timeoutMs ?? Number.POSITIVE_INFINITY,
    signal: controller.signal,
    onHeaders: (headers) => (seen.headers = headers),
    onTrailers: (trailers) => (seen.trailers = trailers),
  };
  const call = {
    stub: clientOf(app, request)[method.localName],
    messages,
    options,
    delayMs: request.requestDelayMs,
    fullDuplex: request.streamType === StreamType.FULL_DUPLEX_BIDI_STREAM,
    cancel: () => controller.abort(),
    cancelBeforeCloseSend: timing?.case === "beforeCloseSend",
    cancelAfterResponses: timing?.case === "afterNumResponses" ? timing.value : Number.POSITIVE_INFINITY,
    /** The send side was closed. */
    closed() {
      if (timing === undefined || timing.case === "beforeCloseSend" || timing.case === "afterNumResponses") return;
      setTimeout(() => controller.abort(), timing.value ?? 0);
    },
    sent: 0,
    payloads: [],
  };
  let failure;
  try {
    await METHODS[method.methodKind](call);
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    failure = error;
  }
  return create(ClientResponseResultSchema, {
    responseHeaders: toHeaders(seen.headers ?? failure?.headers ?? []),
    responseTrailers: toHeaders(seen.trailers ?? failure?.trailers ?? []),
    payloads: call.payloads,
    ...(failure && { error: { code: failure.code, message: failure.rawMessage, details: [...failure.details] } }),
    numUnsentRequests: messages.length - call.sent,
  });
}

/** The requests of a stream in the rhythm of the case. `goOn` is asked between a request and the next. */
async function* requestsOf(call, goOn) {
  for (const message of call.messages) {
    if (call.delayMs > 0) await sleep(call.delayMs);
    call.sent += 1;
    yield message;
    if (goOn !== undefined && !(await goOn())) return;
  }
  if (call.cancelBeforeCloseSend) call.cancel();
  else call.closed();
}

const payloadOf = (response) => response.payload ?? {};

/** Reads one response. Returns false at the end. */
async function receive(call, responses) {
  const { done, value } = await responses.next();
  if (done) return false;
  call.payloads.push(payloadOf(value));
  if (call.payloads.length === call.cancelAfterResponses) call.cancel();
  return true;
}

const METHODS = {
  async unary(call) {
    if (call.messages.length !== 1) throw new Error("a unary call has one request");
    call.sent = 1;
    const response = call.stub(call.messages[0], call.options);
    call.closed();
    call.payloads.push(payloadOf(await response));
  },

  async client_streaming(call) {
    call.payloads.push(payloadOf(await call.stub(requestsOf(call), call.options)));
  },

  async server_streaming(call) {
    if (call.messages.length !== 1) throw new Error("a server-streaming call has one request");
    call.sent = 1;
    const responses = call.stub(call.messages[0], call.options);
    call.closed();
    while (await receive(call, responses)) {}
  },

  async bidi_streaming(call) {
    let wake;
    let over = false;
    /** With a full-duplex stream each request waits for the response to the one before. */
    const answered = async () => {
      while (!over && call.payloads.length < call.sent) await new Promise((resolve) => (wake = resolve));
      return !over;
    };
    const responses = call.stub(requestsOf(call, call.fullDuplex ? answered : undefined), call.options);
    try {
      while (await receive(call, responses)) wake?.();
    } finally {
      over = true;
      wake?.();
    }
  },
};
