import {
  type Connection,
  type ConnectionSink,
  type HeaderBlock,
  HeaderTemplate,
  type Stream,
  type StreamSink,
} from "@dubhe/http2";
import { Code } from "../code.js";
import { acceptedEncodings } from "../compression.js";
import { RpcError } from "../rpc-error.js";
import { statusFields } from "../status.js";
import { ConnectionIdentity } from "./connection-identity.js";
import type { Peer } from "./peer.js";
import { type RequestHead, requestHead, responseTemplates } from "./request-head.js";
import type { RpcServer } from "./rpc-server.js";
import { ServerCall } from "./server-call.js";

const methodNotAllowed = new HeaderTemplate([":status", "405", "allow", "POST"]);
const unsupportedMediaType = new HeaderTemplate([
  ":status",
  "415",
  "accept-post",
  "application/grpc, application/grpc+proto",
]);

/** For a stream that was answered at once: whatever still comes is dropped, and the engine ends it. */
const answered: StreamSink = {
  onHeaders() {},
  onData() {},
  onTrailers() {},
  onWritable() {},
  onClose() {},
};

/** One connection of a server: turns requests into calls. */
export class ServerConnection implements ConnectionSink {
  readonly server: RpcServer;
  readonly connection: Connection;
  readonly peer: Peer;
  readonly calls: Set<ServerCall> = new Set();
  readonly #identity: ConnectionIdentity;

  constructor(server: RpcServer, id: number, connection: Connection) {
    this.server = server;
    this.connection = connection;
    this.#identity = new ConnectionIdentity(server.env.runtime, id, connection);
    this.peer = { address: connection.remoteAddress, connection: this.#identity };
  }

  onReady(): void {}

  onStream(stream: Stream, block: HeaderBlock, endStream: boolean): StreamSink {
    const head = requestHead(block, this.server.router);
    const { route } = head;
    if (
      typeof route === "string" ||
      !head.post ||
      head.contentType === undefined ||
      head.encoding === undefined ||
      Number.isNaN(head.timeoutMs)
    ) {
      return this.#refuse(stream, head);
    }
    const call = new ServerCall(this, route, stream, head, block);
    this.calls.add(call);
    this.server.counters.callsStarted++;
    // Before the handler runs, which may answer at once.
    stream.sink = call;
    call.begin(endStream);
    return call;
  }

  onCapacity(): void {}

  onDraining(): void {}

  onClose(): void {
    this.server.connectionClosed(this);
    this.#identity.markClosed();
  }

  callEnded(call: ServerCall, error: RpcError | undefined): void {
    this.calls.delete(call);
    const { counters } = this.server;
    if (error === undefined) counters.callsSucceeded++;
    else counters.callsFailed++;
  }

  /** PROTOCOL-HTTP2.md, "Responses": what is not gRPC gets an HTTP status, what is gets a gRPC status in one block. */
  #refuse(stream: Stream, head: RequestHead): StreamSink {
    this.server.counters.callsRefused++;
    stream.sink = answered;
    if (!head.post) {
      stream.sendHeaders(methodNotAllowed, undefined, true);
    } else if (head.contentType === undefined) {
      stream.sendHeaders(unsupportedMediaType, undefined, true);
    } else {
      stream.sendHeaders(responseTemplates[head.contentType].identity, statusFields(refusal(head)), true);
    }
    return answered;
  }
}

function refusal(head: RequestHead): RpcError {
  if (typeof head.route === "string") return new RpcError(head.route, Code.Unimplemented);
  if (head.encoding === undefined)
    return new RpcError(`this grpc-encoding is not supported; supported: ${acceptedEncodings}`, Code.Unimplemented);
  return new RpcError("malformed grpc-timeout", Code.Internal);
}
