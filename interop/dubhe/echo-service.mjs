// interop.echo.v1.EchoService, as the grpc-go peer implements it: see interop/proto.
import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { anyPack, StringValueSchema } from "@bufbuild/protobuf/wkt";
import { Code, RpcError } from "dubhe";
import { SummarySchema } from "../gen/interop/echo/v1/echo_pb.js";
import { crc32, pattern } from "../lib/pattern.mjs";

/** How the server saw the named calls. */
const observed = new Map();

function begin(callId, context) {
  const seen = { state: "running", sent: 0, received: 0, hadDeadline: context.deadline !== undefined };
  if (callId !== "") observed.set(callId, seen);
  context.signal.addEventListener("abort", () => {
    seen.state = "canceled";
  });
  return seen;
}

function end(seen) {
  if (seen.state === "running") seen.state = "completed";
}

/** Sends the "echo-" request headers back, as headers and as trailers. */
function echoHeaders(context) {
  for (const name of new Set([...context.requestHeaders.keys()].filter((key) => key.startsWith("echo-")))) {
    if (name.endsWith("-bin")) {
      for (const bytes of context.requestHeaders.getAllBinary(name)) {
        context.responseHeaders.appendBinary(name, bytes);
        context.responseTrailers.appendBinary(`trailer-${name}`, bytes);
      }
    } else {
      for (const value of context.requestHeaders.getAll(name)) {
        context.responseHeaders.append(name, value);
        context.responseTrailers.append(`trailer-${name}`, value);
      }
    }
  }
}

async function act(request, context) {
  if (request.delayMs > 0) await sleep(request.delayMs, undefined, { signal: context.signal });
  if (request.failCode === 0) return;
  const summary = create(SummarySchema, { messages: 7, bytes: 1n << 40n, crc32: 0xdeadbeef });
  const text = create(StringValueSchema, { value: "detail ☂" });
  const details = [anyPack(SummarySchema, summary), anyPack(StringValueSchema, text)];
  throw new RpcError(request.failMessage, request.failCode, { details });
}

const reply = (request) => ({ payload: request.payload, seq: request.seq, crc32: crc32(request.payload) });

export const echoService = {
  async unary(request, context) {
    const seen = begin(request.callId, context);
    seen.received += 1;
    echoHeaders(context);
    await act(request, context);
    end(seen);
    return reply(request);
  },

  async *serverStream(request, context) {
    const seen = begin(request.callId, context);
    seen.received += 1;
    echoHeaders(context);
    for (let seq = 0; request.count === 0 || seq < request.count; seq++) {
      yield { payload: pattern(seq, request.size), seq, crc32: 0 };
      seen.sent += 1;
      if (request.count === 0) await sleep(1, undefined, { signal: context.signal });
    }
    await act(request, context);
    end(seen);
  },

  async clientStream(requests, context) {
    const summary = { messages: 0, bytes: 0n, crc32: 0 };
    let seen;
    for await (const request of requests) {
      seen ??= begin(request.callId, context);
      seen.received += 1;
      await act(request, context);
      if (request.seq !== summary.messages) {
        throw new RpcError(`message ${request.seq} arrived as number ${summary.messages}`, Code.DataLoss);
      }
      summary.messages += 1;
      summary.bytes += BigInt(request.payload.length);
      summary.crc32 = crc32(request.payload, summary.crc32);
    }
    if (seen !== undefined) end(seen);
    return summary;
  },

  async *bidiStream(requests, context) {
    echoHeaders(context);
    let seen;
    for await (const request of requests) {
      seen ??= begin(request.callId, context);
      seen.received += 1;
      await act(request, context);
      yield reply(request);
      seen.sent += 1;
    }
    if (seen !== undefined) end(seen);
  },

  async observe(request) {
    return observed.get(request.callId) ?? { state: "unknown" };
  },
};
