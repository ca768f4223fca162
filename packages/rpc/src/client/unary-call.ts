import type { FieldList } from "@dubhe/http2";
import type { CallOptions } from "../call-options.js";
import { Code } from "../code.js";
import type { Encoding } from "../compression.js";
import { defaultMaxReceiveBytes, EnvelopeReader, envelopePrefixBytes, singleMessageLength } from "../envelope.js";
import { RpcError } from "../rpc-error.js";
import type { CallBinding } from "./call-binding.js";
import type { ClientCore } from "./client-core.js";
import { GrpcCall } from "./grpc-call.js";
import type { ResponseHead } from "./response-head.js";

/** A call with one response: unary, or client streaming. */
export class UnaryCall extends GrpcCall {
  private readonly resolve: (message: object) => void;
  private readonly reject: (error: RpcError) => void;
  private reader: EnvelopeReader | undefined = undefined;
  private encoding: Encoding = "identity";
  private message: object | undefined = undefined;
  /** A compressed response is unpacked once the status is known. */
  private packed: Uint8Array | undefined = undefined;
  private messages = 0;

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

  protected responseBegins(head: ResponseHead): void {
    this.encoding = head.encoding;
  }

  /** The one message is always wanted, so its bytes are credited as they come; the limit bounds them. */
  protected responseData(chunk: Uint8Array): void {
    this.consumed(chunk.length);
    try {
      const limit = this.core.options.maxReceiveBytes ?? defaultMaxReceiveBytes;
      if (this.reader === undefined && this.messages === 0) {
        const length = singleMessageLength(chunk);
        if (length >= 0 && length <= limit) {
          this.messages = 1;
          this.message = this.binding.codecs.response.decode(chunk, false, envelopePrefixBytes) as object;
          return;
        }
      }
      this.reader ??= new EnvelopeReader(limit);
      this.reader.push(chunk);
      for (let payload = this.reader.read(); payload !== undefined; payload = this.reader.read())
        this.receive(payload, this.reader);
      this.reader.settle();
    } catch (error) {
      this.cancelWith(RpcError.from(error, Code.Internal));
    }
  }

  protected checkResponse(): RpcError | undefined {
    if (this.reader?.incomplete === true)
      return new RpcError("the response ended inside a message", Code.Internal, { source: "peer" });
    if (this.messages !== 1)
      // Cardinality violations are UNIMPLEMENTED on both sides (grpc/grpc doc/statuscodes.md).
      return new RpcError("the peer answered OK without a message", Code.Unimplemented, { source: "peer" });
    return this.thrown();
  }

  protected override answered(error: RpcError | undefined): void {
    const { encoding, packed } = this;
    if (error !== undefined || packed === undefined || encoding === "identity") return super.answered(error);
    this.packed = undefined;
    this.answeredPacked(encoding, packed, (bytes) => {
      this.message = this.binding.codecs.response.decode(bytes, true) as object;
      const thrown = this.thrown();
      if (thrown !== undefined) throw thrown;
    });
  }

  protected responseEnds(error: RpcError | undefined): void {
    if (error === undefined) this.resolve(this.message as object);
    else this.reject(error);
  }

  /** The error that the message is. */
  private thrown(): RpcError | undefined {
    const { description } = this.binding.method;
    return description === undefined ? undefined : description.thrown?.read(this.message, this.headerFields ?? []);
  }

  private receive(payload: Uint8Array, reader: EnvelopeReader): void {
    if (++this.messages > 1)
      throw new RpcError("more than one message in the response", Code.Unimplemented, { source: "peer" });
    if (reader.flag === 0) {
      this.message = this.binding.codecs.response.decode(payload, reader.owned) as object;
    } else if (this.encoding === "identity") {
      throw new RpcError("compressed message in a response without grpc-encoding", Code.Internal, { source: "peer" });
    } else {
      this.packed = reader.owned ? payload : new Uint8Array(payload);
    }
  }
}
