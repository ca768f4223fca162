import { Code } from "../code.js";
import { decompress, type Encoding } from "../compression.js";
import { tooLarge } from "../envelope.js";
import { BodyReader } from "../plain/body-reader.js";
import { withTrailerPrefix } from "../plain/trailer-fields.js";
import { RpcError } from "../rpc-error.js";
import { sendPlainError } from "./refusal.js";
import { plainHeaders } from "./response-templates.js";
import { fieldsOf, ServerCall } from "./server-call.js";

const empty = new Uint8Array(0);

/**
 * A unary call whose bodies are one message each (connectrpc.com/docs/protocol, "Unary RPCs"; what dubbo-go calls the
 * Triple protocol): by POST, or by GET with the message in the query. The answer is sent whole, headers, message and
 * trailers, since the HTTP status says how it ended.
 */
export class PlainServerCall extends ServerCall {
  private body: BodyReader | undefined = undefined;
  private requested = false;
  private payload: Uint8Array = empty;
  private payloadEncoding: Encoding = "identity";

  begin(endStream: boolean): void {
    const { query, contentLength } = this.head;
    const limit = this.host.server.options.maxReceiveBytes;
    const announced = query === undefined ? contentLength : query.message.length;
    if (announced > limit) this.requestFailed(tooLarge(announced, limit));
    // Heads are shared by equal requests, so the message is not this call's own.
    else if (query !== undefined) this.requestIs(query.message, false);
    else if (endStream) this.requestIs(empty, true);
  }

  onData(chunk: Uint8Array, endStream: boolean): void {
    // The one message is always wanted, so its bytes are credited as they come; the limit bounds them.
    this.stream.consumed(chunk.length);
    if (this.over || this.requested) return;
    const limit = this.host.server.options.maxReceiveBytes;
    if (endStream && this.body === undefined && chunk.length <= limit) return this.requestIs(chunk, false);
    this.body ??= new BodyReader(limit);
    try {
      this.body.push(chunk);
      if (!endStream) this.hold(this.body.length);
    } catch (error) {
      return this.requestFailed(error);
    }
    if (endStream) this.bodyEnded();
  }

  onTrailers(): void {
    if (!this.over && !this.requested) this.bodyEnded();
  }

  /** All of the answer is written at once. */
  get canWrite(): boolean {
    return true;
  }

  /** They go with the response: until then nobody knows the HTTP status. */
  sendHeaders(): void {}

  protected put(payload: Uint8Array, compressed: boolean): void {
    this.payload = payload;
    this.payloadEncoding = compressed ? this.encoding : "identity";
  }

  protected putEnd(): void {
    const { stream, payload } = this;
    const fields = ["content-length", String(payload.length), ...this.headerFields()];
    const trailers = fieldsOf(this.responseTrailers);
    if (trailers !== undefined) fields.push(...withTrailerPrefix(trailers));
    const template = plainHeaders(this.head.body, this.head.query !== undefined)[this.payloadEncoding];
    stream.sendHeaders(template, fields, payload.length === 0);
    if (payload.length > 0) stream.send(payload, true);
  }

  protected putError(error: RpcError): void {
    const fields = [...this.headerFields(), ...withTrailerPrefix(this.errorTrailers(error))];
    sendPlainError(this.stream, error, fields, undefined, this.route.types());
  }

  protected dropRequest(): void {
    this.body = undefined;
    this.payload = empty;
  }

  private headerFields(): readonly string[] {
    return fieldsOf(this.responseHeaders) ?? [];
  }

  private bodyEnded(): void {
    const bytes = this.body?.finish() ?? empty;
    this.body = undefined;
    this.requestIs(bytes, true);
  }

  /** `bytes` are borrowed for the call unless `owned`. */
  private requestIs(bytes: Uint8Array, owned: boolean): void {
    this.requested = true;
    const { encoding } = this.head;
    // No body is an empty message, compressed or not.
    if (encoding === "identity" || bytes.length === 0) {
      this.decodeAndRun(bytes, owned);
      return;
    }
    void this.unpackAndRun(encoding, owned ? bytes : new Uint8Array(bytes));
  }

  /** Never rejects. */
  private async unpackAndRun(encoding: Exclude<Encoding, "identity">, packed: Uint8Array): Promise<void> {
    try {
      const bytes = decompress(encoding, packed, this.host.server.options.maxReceiveBytes, this);
      this.decodeAndRun(bytes instanceof Uint8Array ? bytes : await bytes, true);
    } catch (error) {
      this.malformed(error);
    }
  }

  private decodeAndRun(bytes: Uint8Array, owned: boolean): void {
    if (this.over) return;
    this.release();
    let request: object;
    try {
      request = this.head.codecs.request.decode(bytes, owned) as object;
    } catch (error) {
      return this.malformed(error);
    }
    void this.run(request);
  }

  /** A body that cannot be read is the caller's fault, and HTTP 400; too large remains too large. */
  private malformed(cause: unknown): void {
    const error = RpcError.from(cause);
    if (error.code !== Code.Internal) return this.requestFailed(error);
    this.requestFailed(new RpcError(error.rawMessage, Code.InvalidArgument, { cause }));
  }
}
