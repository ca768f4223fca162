import type { HeaderTemplate, Stream } from "@dubhe/http2";
import { Code } from "../code.js";
import { decompress } from "../compression.js";
import { EnvelopeReader, envelopePrefixBytes, singleMessageLength } from "../envelope.js";
import { RpcError } from "../rpc-error.js";
import { fittingStatusFields } from "../status.js";
import { InboundMessages, type InboundOwner } from "../stream/inbound-messages.js";
import { MessageIterator } from "../stream/message-iterator.js";
import { anyFields, grpcHeaders, okTrailers } from "./response-templates.js";
import { fieldsOf, ServerCall } from "./server-call.js";

/** A call in gRPC's framing (grpc/grpc doc/PROTOCOL-HTTP2.md): length-prefixed messages, and a status in trailers. */
export class GrpcServerCall extends ServerCall implements InboundOwner {
  declare protected readonly stream: Stream;
  private headersSent = false;
  private reader: EnvelopeReader | undefined = undefined;
  private request: object | undefined = undefined;
  private packed: Uint8Array | undefined = undefined;
  private requestMessages = 0;
  private inbound: InboundMessages<object> | undefined = undefined;

  begin(endStream: boolean): void {
    if (this.route.method.requestStream) {
      const { options, env } = this.host.server;
      this.inbound = new InboundMessages<object>(this, this.head.codecs.request, options.maxReceiveBytes, env.runtime);
      this.inbound.encoding = this.head.encoding;
      if (endStream) this.inbound.end();
      void this.run(new MessageIterator<object>(this.inbound));
    } else if (endStream) {
      this.requestEnded();
    }
  }

  onData(chunk: Uint8Array, endStream: boolean): void {
    if (this.inbound !== undefined) {
      this.inbound.receive(chunk);
      if (endStream) this.inbound.end();
      return;
    }
    // The one message is always wanted, so its bytes are credited as they come; the limit bounds them.
    this.stream.consumed(chunk.length);
    if (this.over) return;
    try {
      this.receiveSingle(chunk);
    } catch (error) {
      return this.requestFailed(error);
    }
    if (endStream) this.requestEnded();
  }

  onTrailers(): void {
    if (this.inbound !== undefined) this.inbound.end();
    else if (!this.over) this.requestEnded();
  }

  // ---- InboundOwner

  consumed(bytes: number): void {
    this.stream.consumed(bytes);
  }

  unfinished(bytes: number): void {
    try {
      if (!this.over) this.hold(bytes);
    } catch (error) {
      this.requestFailed(error);
    }
  }

  readerLeft(): void {
    // The handler may answer without reading on; what still comes is dropped.
  }

  readerFailed(error: RpcError): void {
    this.requestFailed(error);
  }

  // ---- the response

  get canWrite(): boolean {
    return this.stream.writable;
  }

  sendHeaders(): void {
    if (this.headersSent || this.over) return;
    this.headersSent = true;
    this.stream.sendHeaders(this.headers, fieldsOf(this.responseHeaders), false);
  }

  protected put(payload: Uint8Array, compressed: boolean): void {
    if (this.over) return;
    if (!this.headersSent) this.sendHeaders();
    this.stream.sendPrefixed(compressed ? 1 : 0, payload, false);
  }

  protected putEnd(): void {
    this.stream.sendHeaders(okTrailers, fieldsOf(this.responseTrailers), true);
  }

  protected putError(error: RpcError): void {
    // Trailers-Only has no place for headers (PROTOCOL-HTTP2.md, "Responses"): a client takes the whole block as trailers.
    const headers = this.headersSent ? undefined : fieldsOf(this.responseHeaders);
    if (headers !== undefined) {
      this.headersSent = true;
      this.stream.sendHeaders(this.headers, headers, false);
    }
    const template = this.headersSent ? anyFields : this.headers;
    this.headersSent = true;
    const limit = this.stream.connection.peerMaxHeaderListSize;
    const fields = fittingStatusFields(error, this.errorTrailers(error), template.fields, limit);
    this.stream.sendHeaders(template, fields, true);
  }

  private get headers(): HeaderTemplate {
    return grpcHeaders(this.head.body)[this.encoding];
  }

  // ---- the request

  protected dropRequest(error: RpcError | undefined): void {
    this.reader = undefined;
    // A handler that reads on although it has answered finds the end.
    if (error === undefined) this.inbound?.leave();
    else this.inbound?.fail(error, true);
  }

  private receiveSingle(chunk: Uint8Array): void {
    const limit = this.host.server.options.maxReceiveBytes;
    if (this.reader === undefined && this.requestMessages === 0) {
      const length = singleMessageLength(chunk);
      if (length >= 0 && length <= limit) {
        this.requestMessages = 1;
        this.request = this.head.codecs.request.decode(chunk, false, envelopePrefixBytes) as object;
        return;
      }
    }
    this.reader ??= new EnvelopeReader(limit);
    const { reader } = this;
    reader.push(chunk);
    for (let payload = reader.read(); payload !== undefined; payload = reader.read()) {
      // Cardinality violations are UNIMPLEMENTED on both sides (grpc/grpc doc/statuscodes.md).
      if (++this.requestMessages > 1) throw new RpcError("more than one message in the request", Code.Unimplemented);
      if (reader.flag === 0) this.request = this.head.codecs.request.decode(payload, reader.owned) as object;
      else if (this.head.encoding === "identity")
        throw new RpcError("compressed message without grpc-encoding", Code.Internal);
      else this.packed = reader.owned ? payload : new Uint8Array(payload);
    }
    reader.settle();
    // A message that waits to be unpacked is not done with either.
    this.hold(reader.pending + (this.packed?.length ?? 0));
  }

  private requestEnded(): void {
    if (this.reader?.incomplete === true)
      return this.requestFailed(new RpcError("the request ended inside a message", Code.Internal));
    if (this.requestMessages === 0)
      return this.requestFailed(new RpcError("the request has no message", Code.Unimplemented));
    this.reader = undefined;
    const { request, packed } = this;
    this.request = undefined;
    if (packed === undefined) {
      void this.run(request as object);
      return;
    }
    this.packed = undefined;
    void this.unpackAndRun(packed);
  }

  /** Never rejects. */
  private async unpackAndRun(packed: Uint8Array): Promise<void> {
    try {
      const { codecs, encoding } = this.head;
      if (encoding === "identity") throw new RpcError("compressed message without grpc-encoding", Code.Internal);
      const bytes = decompress(encoding, packed, this.host.server.options.maxReceiveBytes, this);
      const whole = bytes instanceof Uint8Array ? bytes : await bytes;
      if (this.over) return;
      this.release();
      void this.run(codecs.request.decode(whole, true) as object);
    } catch (error) {
      this.requestFailed(error);
    }
  }
}
