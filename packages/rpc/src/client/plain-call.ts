import type { Connection, FieldList, HeaderBlock, Stream } from "@dubhe/http2";
import type { CallOptions } from "../call-options.js";
import { Code } from "../code.js";
import { decompressInPlace, type Encoding } from "../compression.js";
import { bodyType } from "../content-type.js";
import { defaultMaxReceiveBytes } from "../envelope.js";
import { Metadata } from "../metadata.js";
import { BodyReader } from "../plain/body-reader.js";
import { decodeErrorBody } from "../plain/error-body.js";
import { formatGetQuery } from "../plain/get-query.js";
import { encodeTimeoutMs } from "../plain/timeout.js";
import { RpcError } from "../rpc-error.js";
import { codeFromHttpStatus } from "../status.js";
import type { CallBinding } from "./call-binding.js";
import { ClientCall } from "./client-call.js";
import type { ClientCore } from "./client-core.js";
import { PlainResponseHead } from "./plain-response-head.js";

/** A path longer than this is sent as a POST: servers and caches refuse long ones, often from 8 KiB on. */
const maxGetPath = 4 * 1024;

/** Of an error's body, which is for people and a few details. */
const maxErrorBytes = 256 * 1024;

const empty = new Uint8Array(0);

/**
 * A unary call whose bodies are one message each (connectrpc.com/docs/protocol, "Unary RPCs"; what dubbo-go calls the
 * Triple protocol). The response's HTTP status says how it ended.
 */
export class PlainCall extends ClientCall {
  private readonly resolve: (message: object) => void;
  private readonly reject: (error: RpcError) => void;
  private byGet = false;
  private head: PlainResponseHead | undefined = undefined;
  private reader: BodyReader | undefined = undefined;
  private message: object | undefined = undefined;

  constructor(
    core: ClientCore,
    binding: CallBinding,
    options: CallOptions | undefined,
    extra: FieldList | undefined,
    deadline: number,
    supervised: boolean,
    resolve: (message: object) => void,
    reject: (error: RpcError) => void,
  ) {
    super(core, binding, options, extra, deadline, supervised);
    this.resolve = resolve;
    this.reject = reject;
  }

  get headerFields(): FieldList | undefined {
    return this.head?.headers;
  }

  get trailerFields(): FieldList | undefined {
    return this.head?.trailers;
  }

  onData(chunk: Uint8Array, endStream: boolean): void {
    this.consumed(chunk.length);
    if (this.state !== "attempting") return;
    if (endStream && this.reader === undefined && chunk.length <= this.limit) return this.bodyCame(chunk, false);
    this.reader ??= new BodyReader(this.limit);
    try {
      this.reader.push(chunk);
    } catch (error) {
      return this.cancelWith(RpcError.from(error, Code.Internal));
    }
    if (endStream) this.bodyCame(this.reader.finish(), true);
  }

  onTrailers(): void {
    if (this.state === "attempting") this.bodyCame(this.reader?.finish() ?? empty, true);
  }

  protected open(connection: Connection, authority: string, timeoutMs: number): Stream | undefined {
    const { binding, sender, extra } = this;
    const payload = sender.single ?? empty;
    const encoding: Encoding = sender.singleFlag === 1 ? (this.core.options.compression ?? "identity") : "identity";
    const fields: string[] = [];
    if (timeoutMs !== Infinity) {
      const timeout = encodeTimeoutMs(timeoutMs);
      // dubbo-go looks at its own name only (discovery-wire §8.2).
      fields.push("connect-timeout-ms", timeout, "triple-timeout-ms", timeout);
    }
    this.byGet = false;
    if (binding.byGet && payload.length < maxGetPath) {
      const path = binding.method.path + formatGetQuery(binding.serialization, payload, encoding);
      if (path.length <= maxGetPath) {
        this.byGet = true;
        const all = [":path", path, ...binding.constantFields, ...fields, ...(extra ?? [])];
        return connection.open(binding.getTemplate(connection, authority), all, true, this);
      }
    }
    if (encoding !== "identity") fields.push("content-encoding", encoding);
    fields.push("content-length", String(payload.length), ...(extra ?? []));
    return connection.open(binding.template(connection, authority), fields, false, this);
  }

  protected sendRequest(stream: Stream): void {
    if (!this.byGet) this.sender.sendBare(stream);
  }

  protected responseHeaders(block: HeaderBlock, endStream: boolean): void {
    const head = new PlainResponseHead(block);
    this.head = head;
    const fault = head.fault(bodyType("plain", this.binding.serialization));
    if (fault !== undefined) return this.cancelWith(this.responseError(fault.message, fault.code));
    if (head.ok) this.tell(this.options?.onHeaders, head.headers);
    if (endStream) this.bodyCame(empty, true);
  }

  protected responseEnds(error: RpcError | undefined): void {
    if (error === undefined) this.resolve(this.message as object);
    else this.reject(error);
  }

  private get limit(): number {
    return this.core.options.maxReceiveBytes ?? defaultMaxReceiveBytes;
  }

  /** The body is whole: borrowed for the call, unless `owned`. */
  private bodyCame(bytes: Uint8Array, owned: boolean): void {
    const head = this.head as PlainResponseHead;
    this.tell(this.options?.onTrailers, head.trailers);
    if (!head.ok) return this.answered(this.errorIn(head, bytes));
    const { encoding = "identity" } = head;
    // No body is an empty message, compressed or not.
    if (encoding !== "identity" && bytes.length > 0)
      return this.answeredPacked(encoding, owned ? bytes : new Uint8Array(bytes), (whole) => this.decode(whole, true));
    try {
      this.decode(bytes, owned);
    } catch (error) {
      return this.cancelWith(RpcError.from(error, Code.Internal));
    }
    this.answered(undefined);
  }

  private decode(bytes: Uint8Array, owned: boolean): void {
    const { codecs, method } = this.binding;
    this.message = codecs.response.decode(bytes, owned) as object;
    const thrown = method.description?.thrown?.read(this.message, this.headerFields ?? []);
    if (thrown !== undefined) throw thrown;
  }

  private errorIn(head: PlainResponseHead, bytes: Uint8Array): RpcError {
    const { encoding = "identity", status } = head;
    let body: ReturnType<typeof decodeErrorBody>;
    try {
      const whole = encoding === "identity" ? bytes : decompressInPlace(encoding, bytes, maxErrorBytes);
      body = decodeErrorBody(whole);
    } catch {
      // What cannot be read says no more than the HTTP status.
    }
    const code = body?.code ?? codeFromHttpStatus(status);
    const message = body?.message ?? `HTTP status ${status}`;
    return new RpcError(message, code, {
      source: "peer",
      details: body?.details ?? [],
      headers: Metadata.fromFields(head.headers),
      trailers: Metadata.fromFields(head.trailers),
      attempts: this.attemptsSoFar(code, message, "yes"),
    });
  }
}
