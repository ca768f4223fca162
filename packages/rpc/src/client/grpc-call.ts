import { type Connection, ErrorCode, type FieldList, type HeaderBlock, type Stream } from "@dubhe/http2";
import { Code } from "../code.js";
import { Metadata } from "../metadata.js";
import type { RpcError } from "../rpc-error.js";
import { type GrpcStatus, statusError } from "../status.js";
import { encodeTimeout } from "../timeout.js";
import { ClientCall } from "./client-call.js";
import { type ResponseHead, responseHead, trailerStatus } from "./response-head.js";

/** A call in gRPC's framing (grpc/grpc doc/PROTOCOL-HTTP2.md): length-prefixed messages, and a status in trailers. */
export abstract class GrpcCall extends ClientCall {
  private trailerBlock: HeaderBlock | undefined = undefined;

  get headerFields(): FieldList | undefined {
    return this.headBlock?.fields;
  }

  get trailerFields(): FieldList | undefined {
    return this.trailerBlock?.fields;
  }

  onData(chunk: Uint8Array, endStream: boolean): void {
    if (this.state === "attempting") this.responseData(chunk);
    else this.consumed(chunk.length);
    if (endStream && this.state === "attempting") {
      this.cancelWith(this.responseError("the peer ended the stream without a grpc-status", Code.Unknown));
    }
  }

  onTrailers(block: HeaderBlock): void {
    if (this.state !== "attempting") return;
    const status = trailerStatus(block);
    if (status === undefined)
      this.cancelWith(this.responseError("the trailers have no grpc-status", Code.Unknown, block));
    else this.statusCame(status, block, true);
  }

  /** Called once, when the response HEADERS came. */
  protected abstract responseBegins(head: ResponseHead): void;
  /** The chunk is borrowed. */
  protected abstract responseData(chunk: Uint8Array): void;
  /** After status OK: an error when the messages do not fit the method. */
  protected abstract checkResponse(): RpcError | undefined;

  protected open(connection: Connection, authority: string, timeoutMs: number): Stream | undefined {
    let { extra } = this;
    if (timeoutMs !== Infinity) {
      const timeout = encodeTimeout(timeoutMs);
      extra = extra === undefined ? ["grpc-timeout", timeout] : ["grpc-timeout", timeout, ...extra];
    }
    return connection.open(this.binding.template(connection, authority), extra, false, this);
  }

  protected sendRequest(stream: Stream): void {
    this.sender.sendBuffered(stream);
  }

  protected responseHeaders(block: HeaderBlock, endStream: boolean): void {
    const head = responseHead(block);
    if (endStream || head.fault !== undefined) {
      if (head.status !== undefined) {
        const { stream } = this;
        this.statusCame(head.status, block, false);
        // A status beside an HTTP error: the body, a page for people, is not waited for.
        if (!endStream) stream?.reset(ErrorCode.CANCEL);
        return;
      }
      if (head.fault !== undefined) {
        return this.cancelWith(this.responseError(head.fault.message, head.fault.code, endStream ? block : undefined));
      }
      return this.cancelWith(
        this.responseError("the peer sent response headers only, without a grpc-status", Code.Unknown),
      );
    }
    const { serialization } = this.binding;
    if (head.serialization !== serialization) {
      const message = `the response is ${head.serialization} where ${serialization} was asked for`;
      return this.cancelWith(this.responseError(message, Code.Internal));
    }
    this.responseBegins(head);
    this.tell(this.options?.onHeaders, block.fields);
  }

  /** The response is complete. `trailers`: its status has a block of its own. */
  private statusCame(status: GrpcStatus, block: HeaderBlock, trailers: boolean): void {
    this.trailerBlock = block;
    this.tell(this.options?.onTrailers, block.fields);
    if (status.code === 0) {
      const fault = this.checkResponse();
      return this.answered(fault && this.withAttempts(fault));
    }
    const headers =
      trailers && this.headBlock !== undefined ? Metadata.fromFields(this.headBlock.fields) : new Metadata();
    this.answered(
      statusError(status, {
        headers,
        trailers: Metadata.fromFields(block.fields),
        attempts: this.attemptsSoFar(status.code, status.message, "yes"),
      }),
    );
  }
}
