import {
  create,
  type DescMessage,
  fromJsonString,
  type Message,
  type Registry,
  toJsonString,
} from "@bufbuild/protobuf";
import { Code } from "../code.js";
import { RpcError } from "../rpc-error.js";
import { type MessageCodec, wholeMessage } from "./message-codec.js";

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Messages as protobuf's JSON, by protobuf-es. Fields that the schema does not have are skipped: the peer may be newer. */
export class JsonCodec implements MessageCodec {
  readonly #schema: DescMessage;
  readonly #types: () => Registry;

  constructor(schema: DescMessage, types: () => Registry) {
    this.#schema = schema;
    this.#types = types;
  }

  encode(message: unknown): Uint8Array {
    const schema = this.#schema;
    try {
      if (typeof message !== "object" || message === null)
        throw new TypeError(`a ${schema.typeName} cannot be made of ${String(message)}`);
      const whole =
        (message as Partial<Message>).$typeName === schema.typeName
          ? (message as Message)
          : create(schema, message as Record<string, unknown>);
      return Buffer.from(toJsonString(schema, whole, { registry: this.#types() }), "utf8");
    } catch (error) {
      throw RpcError.from(error, Code.Internal);
    }
  }

  decode(bytes: Uint8Array, _owned?: boolean, start: number = 0, end: number = bytes.length): unknown {
    try {
      const text = utf8.decode(wholeMessage(bytes, start, end));
      return fromJsonString(this.#schema, text, { registry: this.#types(), ignoreUnknownFields: true });
    } catch (error) {
      throw new RpcError(`cannot decode ${this.#schema.typeName}: ${(error as Error).message}`, Code.Internal, {
        source: "peer",
        cause: error,
      });
    }
  }
}
