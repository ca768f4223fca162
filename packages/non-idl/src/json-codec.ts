import { Code, type MessageCodec, RpcError } from "@dubhe/rpc";
import type { Place } from "./place.js";
import { checkArguments, checkResult, parsePlace, parsePlaces } from "./wrapper-codec.js";

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Arguments as a list, `["1", true]`, which is what dubbo-java's JSON bodies are. A single one may come without the list. */
export class JsonRequest implements MessageCodec {
  readonly #name: string;
  readonly #places: readonly Place[];
  /** A message of a stream is its one argument, without a list around it. */
  readonly #single: boolean;

  constructor(name: string, places: readonly Place[], single: boolean) {
    this.#name = name;
    this.#places = places;
    this.#single = single;
  }

  encode(message: unknown): Uint8Array {
    const args = this.#single ? [message] : (message as readonly unknown[]);
    checkArguments(this.#places, args, this.#name);
    const values = this.#places.map(({ type }, i) => type.toJson(args[i]) ?? null);
    return stringify(this.#single ? values[0] : values, `arguments of ${this.#name}`);
  }

  decode(bytes: Uint8Array, _owned?: boolean, start: number = 0, end: number = bytes.length): unknown {
    const body = start === end ? [] : parseJson(bytes, start, end, `the request of ${this.#name}`);
    if (this.#single) return this.#parse([body])[0];
    const { length } = this.#places;
    if (Array.isArray(body) && body.length === length) return this.#parse(body);
    if (length === 1) return this.#parse([body]);
    throw new RpcError(`${this.#name} takes a list of ${length} arguments`, Code.InvalidArgument);
  }

  #parse(body: readonly unknown[]): unknown[] {
    return parsePlaces(
      this.#places,
      this.#places.map(({ type }, i) => type.fromJson(body[i])),
      this.#name,
    );
  }
}

/** A result as it is; null for a method that returns nothing. */
export class JsonResponse implements MessageCodec {
  readonly #name: string;
  readonly #place: Place | undefined;

  constructor(name: string, place: Place | undefined) {
    this.#name = name;
    this.#place = place;
  }

  encode(message: unknown): Uint8Array {
    if (this.#place === undefined) return stringify(null, this.#name);
    checkResult(this.#place, message, this.#name);
    return stringify(this.#place.type.toJson(message) ?? null, `result of ${this.#name}`);
  }

  decode(bytes: Uint8Array, _owned?: boolean, start: number = 0, end: number = bytes.length): unknown {
    if (this.#place === undefined) return undefined;
    const value = start === end ? null : parseJson(bytes, start, end, `the result of ${this.#name}`);
    return parsePlace(this.#place, this.#place.type.fromJson(value), this.#name);
  }
}

function stringify(value: unknown, what: string): Uint8Array {
  try {
    return Buffer.from(JSON.stringify(value), "utf8");
  } catch (error) {
    throw new RpcError(`${what}: ${(error as Error).message}`, Code.InvalidArgument, { cause: error });
  }
}

function parseJson(bytes: Uint8Array, start: number, end: number, what: string): unknown {
  try {
    return JSON.parse(utf8.decode(bytes.subarray(start, end)));
  } catch (error) {
    throw new RpcError(`${what} is not JSON: ${(error as Error).message}`, Code.Internal, {
      source: "peer",
      cause: error,
    });
  }
}
