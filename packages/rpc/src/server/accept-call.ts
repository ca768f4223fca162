import type { HeaderBlock, Stream, StreamSink } from "@dubhe/http2";
import { GrpcServerCall } from "./grpc-server-call.js";
import { PlainServerCall } from "./plain-server-call.js";
import { sendRefusal } from "./refusal.js";
import { requestHead } from "./request-head.js";
import type { CallHost, ReplyStream, ServerCall } from "./server-call.js";

/** For a stream that was answered at once: whatever still comes is dropped, and the engine ends it. */
const answered: StreamSink = {
  onHeaders() {},
  onData() {},
  onTrailers() {},
  onWritable() {},
  onClose() {},
};

/** What takes a request and is answered on: `sink` is set before the handler runs, which may answer at once. */
export type RequestStream = ReplyStream & { sink: StreamSink };

/** Turns a request into a call, or refuses it. gRPC's framing is for streams of HTTP/2 only. */
export function acceptCall(host: CallHost, stream: RequestStream, block: HeaderBlock, endStream: boolean): StreamSink {
  const { server } = host;
  const head = requestHead(block, server.router);
  if (head.kind !== "call") {
    server.counters.callsRefused++;
    stream.sink = answered;
    sendRefusal(stream, head);
    return answered;
  }
  const call: ServerCall =
    head.body.framing === "grpc"
      ? new GrpcServerCall(host, head.route, stream as Stream, head, block)
      : new PlainServerCall(host, head.route, stream, head, block);
  host.calls.push(call);
  server.counters.callsStarted++;
  stream.sink = call;
  call.begin(endStream);
  return call;
}
