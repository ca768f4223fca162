import { decodeValue, encodeValue, HessianError } from "@dubhe/hessian2";
import {
  Code,
  type MessageCodec,
  messageCodec,
  RpcError,
  type TripleRequestWrapper,
  TripleRequestWrapperSchema,
  type TripleResponseWrapper,
  TripleResponseWrapperSchema,
} from "@dubhe/rpc";
import { startConversion } from "./conversion-budget.js";
import { describeIssues, type Issue } from "./issues.js";
import { JavaException, readException, writeException } from "./java-exception.js";
import type { AnyJavaType } from "./java-type.js";
import { NaturalType } from "./natural-type.js";
import type { Place } from "./place.js";

const requests = messageCodec(TripleRequestWrapperSchema);
const responses = messageCodec(TripleResponseWrapperSchema);

/** dubbo-java of all versions understands it, and says "hessian4" itself. */
const serializeType = "hessian2";

/** Arguments as `TripleRequestWrapper`. */
export class WrappedRequest implements MessageCodec {
  readonly #name: string;
  readonly #places: readonly Place[];
  readonly #argTypes: string[];
  /** A message of a stream is its one argument, without a list around it. */
  readonly #single: boolean;

  constructor(name: string, places: readonly Place[], argTypes: readonly string[], single: boolean) {
    this.#name = name;
    this.#places = places;
    this.#argTypes = [...argTypes];
    this.#single = single;
  }

  encode(message: unknown): Uint8Array {
    const args = this.#single ? [message] : (message as readonly unknown[]);
    checkArguments(this.#places, args, this.#name);
    const encoded = this.#places.map(({ type }, i) => encodeAs(type, args[i], `argument ${i + 1} of ${this.#name}`));
    return requests.encode({ serializeType, args: encoded, argTypes: this.#argTypes });
  }

  decode(bytes: Uint8Array, owned: boolean, start?: number, end?: number): unknown {
    const args = readArguments(decodeWrapper(bytes, owned, start, end), this.#places, this.#name);
    return this.#single ? args[0] : args;
  }
}

/** A result as `TripleResponseWrapper`. */
export class WrappedResponse implements MessageCodec {
  readonly #name: string;
  /** Undefined for a method that returns nothing. */
  readonly #place: Place | undefined;
  readonly #returnType: string;

  constructor(name: string, place: Place | undefined, returnType: string) {
    this.#name = name;
    this.#place = place;
    this.#returnType = returnType;
  }

  encode(message: unknown): Uint8Array {
    if (message instanceof JavaException)
      return encodeResult(encodeValue(writeException(message)), "java.lang.Exception");
    const place = this.#place;
    if (place === undefined) return encodeResult(encodeValue(null), this.#returnType);
    checkResult(place, message, this.#name);
    return encodeResult(encodeAs(place.type, message, `result of ${this.#name}`), this.#returnType);
  }

  /** A JavaException is one that was thrown. */
  decode(bytes: Uint8Array, owned: boolean, start?: number, end?: number): unknown {
    const place = this.#place;
    const { data } = decodeResult(bytes, owned, start, end);
    const value = decodeHessian(
      data,
      `the result of ${this.#name}`,
      (read) => readException(read) ?? place?.type.fromJava(read),
    );
    if (value instanceof JavaException) return value;
    return place === undefined ? undefined : parsePlace(place, value, this.#name);
  }
}

/** Whatever there is, in both directions: for `$invoke` and `$echo`. */
export function decodeWrapper(
  bytes: Uint8Array,
  owned: boolean,
  start: number | undefined,
  end: number | undefined,
): TripleRequestWrapper {
  const wrapper = requests.decode(bytes, owned, start, end) as TripleRequestWrapper;
  checkSerializeType(wrapper.serializeType);
  return wrapper;
}

/** The same of a response. */
export function decodeResult(
  bytes: Uint8Array,
  owned: boolean,
  start: number | undefined,
  end: number | undefined,
): TripleResponseWrapper {
  const wrapper = responses.decode(bytes, owned, start, end) as TripleResponseWrapper;
  checkSerializeType(wrapper.serializeType);
  return wrapper;
}

/** Throws INVALID_ARGUMENT for what does not fit, with its place. */
export function readArguments(wrapper: TripleRequestWrapper, places: readonly Place[], name: string): unknown[] {
  if (wrapper.args.length !== places.length) {
    throw new RpcError(`${name} takes ${countOf(places)}, got ${wrapper.args.length}`, Code.InvalidArgument);
  }
  const values = places.map(({ type }, i) =>
    decodeHessian(wrapper.args[i] as Uint8Array, `argument ${i + 1} of ${name}`, (value) => type.fromJava(value)),
  );
  return parsePlaces(places, values, name);
}

function countOf({ length }: readonly Place[]): string {
  return `${length} argument${length === 1 ? "" : "s"}`;
}

/** Throws INVALID_ARGUMENT. */
export function parsePlaces(places: readonly Place[], values: readonly unknown[], name: string): unknown[] {
  const issues: Issue[] = [];
  const parsed = places.map((place, i) => place.parse(values[i], [`argument ${i + 1}`], issues));
  if (issues.length > 0) throw new RpcError(`${name}: ${describeIssues(issues)}`, Code.InvalidArgument);
  return parsed;
}

/** A result that came. Throws INTERNAL: it is not the caller's fault. */
export function parsePlace(place: Place, value: unknown, name: string): unknown {
  const issues: Issue[] = [];
  const parsed = place.parse(value, ["result"], issues);
  if (issues.length > 0)
    throw new RpcError(`${name}: ${describeIssues(issues)}`, Code.Internal, { source: "peer", processed: "yes" });
  return parsed;
}

/** Before they are sent: what the schema makes of them is for the receiver. Throws INVALID_ARGUMENT. */
export function checkArguments(places: readonly Place[], values: readonly unknown[], name: string): void {
  if (values.length > places.length)
    throw new RpcError(`${name} takes ${countOf(places)}, and options; got ${values.length}`, Code.InvalidArgument);
  parsePlaces(places, values, name);
}

/** Before it is sent. Throws INTERNAL. */
export function checkResult(place: Place, value: unknown, name: string): void {
  const issues: Issue[] = [];
  place.parse(value, ["result"], issues);
  if (issues.length > 0) throw new RpcError(`${name}: ${describeIssues(issues)}`, Code.Internal);
}

export function encodeAs(type: AnyJavaType, value: unknown, what: string): Uint8Array {
  try {
    return type instanceof NaturalType ? type.encode(value) : encodeValue(type.toJava(value));
  } catch (error) {
    throw new RpcError(`${what}: ${(error as Error).message}`, Code.InvalidArgument, { cause: error });
  }
}

export function encodeResult(data: Uint8Array, type: string): Uint8Array {
  return responses.encode({ serializeType, data, type });
}

/** Throws INTERNAL for bytes that are no value, and values that are none of their class. */
export function decodeHessian(
  bytes: Uint8Array,
  what: string,
  convert: (value: unknown) => unknown = (value) => value,
): unknown {
  startConversion();
  try {
    // Nothing is null, and what a method without a result returns.
    return convert(bytes.length === 0 ? null : decodeValue(bytes));
  } catch (error) {
    if (!(error instanceof HessianError)) throw error;
    throw new RpcError(`${what}: ${error.message}`, Code.Internal, { source: "peer", cause: error });
  }
}

function checkSerializeType(type: string): void {
  if (type === "hessian2" || type === "hessian4") return;
  const found = type === "" ? "none: was it called with protobuf?" : JSON.stringify(type.slice(0, 40));
  throw new RpcError(`the serialization must be hessian2, and is ${found}`, Code.Unimplemented);
}
