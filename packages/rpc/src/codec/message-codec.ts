import { create, type DescMessage, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { Code } from "../code.js";
import { RpcError } from "../rpc-error.js";
import { type CompiledMessage, compileMessage } from "./compile.js";
import { checkUnknownFieldsOf } from "./unknown-fields.js";
import { WireReader } from "./wire-reader.js";
import { beyondCompiled, WireWriter } from "./wire-writer.js";

/** One message type to bytes and back. */
export interface MessageCodec {
  /** Takes a message or the object to make one of. Throws RpcError(INTERNAL) when it cannot be encoded. */
  encode(message: unknown): Uint8Array;
  /**
   * The message lies in `bytes[start, end)`; default: all of it. The result does not refer to `bytes`, which are borrowed,
   * unless `owned`: then nothing else uses them. Throws RpcError(INTERNAL) when they cannot be decoded.
   */
  decode(bytes: Uint8Array, owned: boolean, start?: number, end?: number): unknown;
}

/** For a decoder that takes a whole array only. The others do without the view, which costs as much as a small message. */
export function wholeMessage(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return end - start === bytes.length ? bytes : bytes.subarray(start, end);
}

const codecs = new WeakMap<DescMessage, MessageCodec>();
const compiled = new WeakMap<DescMessage, CompiledMessage | "unsupported">();
const writer = new WireWriter();

/** The codec of a protobuf message type, made once. */
export function messageCodec(schema: DescMessage): MessageCodec {
  let codec = codecs.get(schema);
  if (codec === undefined) {
    const type = compileMessage(schema, compiled);
    const reflective = new ReflectiveCodec(schema);
    codec = type === undefined ? reflective : new CompiledCodec(type, reflective);
    codecs.set(schema, codec);
  }
  return codec;
}

/** The compiled functions, and protobuf-es for whatever they leave to it. */
class CompiledCodec implements MessageCodec {
  readonly #type: CompiledMessage;
  readonly #reflective: ReflectiveCodec;

  constructor(type: CompiledMessage, reflective: ReflectiveCodec) {
    this.#type = type;
    this.#reflective = reflective;
  }

  encode(message: unknown): Uint8Array {
    if (!writer.begin()) return this.#reflective.encode(message);
    try {
      this.#type.write(message, writer);
      return writer.finish();
    } catch (error) {
      writer.abort();
      if (error !== beyondCompiled) throw RpcError.from(error, Code.Internal);
      return this.#reflective.encode(message);
    }
  }

  decode(bytes: Uint8Array, owned: boolean, start: number = 0, end: number = bytes.length): unknown {
    try {
      return this.#type.read(new WireReader(bytes, owned, start, end), 1);
    } catch (error) {
      if (error !== beyondCompiled) throw RpcError.from(error, Code.Internal);
      return this.#reflective.decode(bytes, owned, start, end);
    }
  }
}

/** protobuf-es. Its reader makes `bytes` fields and unknown fields views of the input, so that must be the message's own. */
class ReflectiveCodec implements MessageCodec {
  readonly #schema: DescMessage;

  constructor(schema: DescMessage) {
    this.#schema = schema;
  }

  encode(message: unknown): Uint8Array {
    const { typeName } = this.#schema;
    try {
      if (typeof message !== "object" || message === null)
        throw new TypeError(`a ${typeName} cannot be made of ${String(message)}`);
      const isMessage = (message as Partial<Message>).$typeName === typeName;
      return toBinary(
        this.#schema,
        isMessage ? (message as Message) : create(this.#schema, message as Record<string, unknown>),
      );
    } catch (error) {
      throw RpcError.from(error, Code.Internal);
    }
  }

  decode(bytes: Uint8Array, owned: boolean, start: number = 0, end: number = bytes.length): unknown {
    const message = wholeMessage(bytes, start, end);
    checkUnknownFieldsOf(this.#schema, message);
    try {
      return fromBinary(this.#schema, owned ? message : new Uint8Array(message));
    } catch (error) {
      throw new RpcError(`cannot decode ${this.#schema.typeName}: ${(error as Error).message}`, Code.Internal, {
        source: "peer",
        cause: error,
      });
    }
  }
}
