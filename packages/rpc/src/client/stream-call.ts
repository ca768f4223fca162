import type { FieldList } from "@dubhe/http2";
import type { HandleWatch } from "../abandoned-handles.js";
import type { CallOptions } from "../call-options.js";
import { Code } from "../code.js";
import { defaultMaxReceiveBytes } from "../envelope.js";
import { RpcError } from "../rpc-error.js";
import { InboundMessages, type InboundOwner } from "../stream/inbound-messages.js";
import { MessageIterator } from "../stream/message-iterator.js";
import type { CallBinding } from "./call-binding.js";
import type { ClientCore } from "./client-core.js";
import { GrpcCall } from "./grpc-call.js";
import type { ResponseHead } from "./response-head.js";

/** A call with a stream of responses: server streaming, or bidirectional. */
export class StreamCall extends GrpcCall implements InboundOwner {
  /** What the caller iterates over. Nothing of the call refers to it, so that it can be seen to be dropped. */
  readonly messages: InboundMessages<object>;
  onEnded: (() => void) | undefined = undefined;
  #watch: HandleWatch | undefined;

  constructor(
    core: ClientCore,
    binding: CallBinding,
    options: CallOptions | undefined,
    extra: FieldList | undefined,
    deadline: number,
    supervised: boolean,
  ) {
    super(core, binding, options, extra, deadline, supervised);
    const limit = core.options.maxReceiveBytes ?? defaultMaxReceiveBytes;
    this.messages = new InboundMessages<object>(this, binding.codecs.response, limit, core.env.runtime);
  }

  /** The caller's handle. If it is dropped while the call runs, the call is cancelled. */
  iterator(): MessageIterator<object> {
    const iterator = new MessageIterator(this.messages);
    if (!this.ended) this.#watch = this.core.env.abandoned.watch(iterator, () => this.messages.drop());
    return iterator;
  }

  /** One call's message is bounded by its limit, and a client chooses how many calls it makes. */
  unfinished(): void {}

  readerLeft(): void {
    this.cancelWith(new RpcError("the caller left the stream", Code.Canceled, { processed: this.processedSoFar() }));
  }

  readerFailed(error: RpcError): void {
    this.cancelWith(error);
  }

  protected responseBegins(head: ResponseHead): void {
    this.messages.encoding = head.encoding;
  }

  protected responseData(chunk: Uint8Array): void {
    this.messages.receive(chunk);
  }

  protected checkResponse(): undefined {
    return undefined;
  }

  protected responseEnds(error: RpcError | undefined, now: boolean): void {
    if (this.#watch !== undefined) this.core.env.abandoned.release(this.#watch);
    this.onEnded?.();
    if (error === undefined) this.messages.end();
    else this.messages.fail(error, now);
  }
}
