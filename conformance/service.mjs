// connectrpc.conformance.v1.ConformanceService, as its proto prescribes: it answers what the request defines, and tells what
// it saw of the request.
import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { RpcError } from "dubhe";
import {
  BidiStreamRequestSchema,
  ClientStreamRequestSchema,
  ConformancePayload_RequestInfoSchema,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  UnaryRequestSchema,
} from "./gen/connectrpc/conformance/v1/service_pb.js";
import { addHeaders, toHeaders } from "./lib/headers.mjs";

function requestInfo(context, requests) {
  const timeoutMs = context.timeoutMs();
  return {
    requestHeaders: toHeaders(context.requestHeaders),
    ...(timeoutMs === undefined ? undefined : { timeoutMs: BigInt(Math.round(timeoutMs)) }),
    requests,
  };
}

/** The error that a definition asks for; the first answer to a request carries what was seen of it. */
function errorOf({ code, message, details }, info) {
  const seen =
    info && anyPack(ConformancePayload_RequestInfoSchema, create(ConformancePayload_RequestInfoSchema, info));
  return new RpcError(message ?? "", code, { details: seen === undefined ? details : [...details, seen] });
}

function announce(definition, context) {
  addHeaders(definition.responseHeaders, context.responseHeaders);
  addHeaders(definition.responseTrailers, context.responseTrailers);
}

async function respondOnce(definition, requests, context) {
  const info = requestInfo(context, requests);
  if (definition === undefined) return { payload: { requestInfo: info } };
  announce(definition, context);
  if (definition.responseDelayMs > 0) await sleep(definition.responseDelayMs);
  const { response } = definition;
  if (response.case === "error") throw errorOf(response.value, info);
  return {
    payload: { requestInfo: info, ...(response.case === "responseData" ? { data: response.value } : undefined) },
  };
}

/** The responses of `definition` from number `from` on, and its error. */
async function* respond(definition, from, requests, context) {
  for (let i = from; i < definition.responseData.length; i++) {
    if (definition.responseDelayMs > 0) await sleep(definition.responseDelayMs);
    const info = i === 0 ? { requestInfo: requestInfo(context, requests) } : undefined;
    yield { payload: { data: definition.responseData[i], ...info } };
  }
  if (definition.error === undefined) return;
  const first = definition.responseData.length === 0 && from === 0;
  throw errorOf(definition.error, first ? requestInfo(context, requests) : undefined);
}

export const conformanceService = {
  unary(request, context) {
    return respondOnce(request.responseDefinition, [anyPack(UnaryRequestSchema, request)], context);
  },

  idempotentUnary(request, context) {
    return respondOnce(request.responseDefinition, [anyPack(IdempotentUnaryRequestSchema, request)], context);
  },

  async clientStream(requests, context) {
    const received = [];
    let definition;
    for await (const request of requests) {
      if (received.length === 0) definition = request.responseDefinition;
      received.push(anyPack(ClientStreamRequestSchema, request));
    }
    return respondOnce(definition, received, context);
  },

  async *serverStream(request, context) {
    const definition = request.responseDefinition;
    if (definition === undefined) return;
    announce(definition, context);
    if (definition.responseData.length > 0) context.sendHeaders();
    yield* respond(definition, 0, [anyPack(ServerStreamRequestSchema, request)], context);
  },

  async *bidiStream(requests, context) {
    let definition;
    let fullDuplex = false;
    let responses = 0;
    let first = true;
    let received = [];
    for await (const request of requests) {
      received.push(anyPack(BidiStreamRequestSchema, request));
      if (first) {
        first = false;
        definition = request.responseDefinition;
        fullDuplex = request.fullDuplex;
        if (definition !== undefined) announce(definition, context);
        if (fullDuplex && definition?.responseData.length > 0) context.sendHeaders();
      }
      if (!fullDuplex) continue;
      if (responses >= (definition?.responseData.length ?? 0)) break;
      const info = responses === 0 ? requestInfo(context, received) : { requests: received };
      if (definition.responseDelayMs > 0) await sleep(definition.responseDelayMs);
      yield { payload: { data: definition.responseData[responses], requestInfo: info } };
      responses += 1;
      received = [];
    }
    if (definition === undefined) return;
    if (!fullDuplex && definition.responseData.length > 0) context.sendHeaders();
    yield* respond(definition, responses, received, context);
  },
};
