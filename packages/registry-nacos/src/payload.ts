import { create } from "@bufbuild/protobuf";
import { type Payload, PayloadSchema } from "../gen/nacos_grpc_pb.js";
import { isObject, type JsonObject } from "./json.js";
import { RequestType, responseTypeOf, StreamType } from "./messages.js";

/** A Nacos message without its protobuf wrapping: a class name, application headers and a JSON object. */
export interface Envelope {
  readonly type: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: JsonObject;
  /** The JSON text of a message that lists instances: it may be long, so its `body` is parsed by the first who reads it. */
  readonly raw?: Uint8Array;
}

/** The peer sent something that is not the Nacos protocol. */
export class NacosProtocolError extends Error {
  override readonly name = "NacosProtocolError";
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });
/** For what comes out of the middle of a text, where a byte order mark is none. */
const middleDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Types with a `serviceInfo`: 2 MB for 5 000 instances. */
const LISTS: ReadonlySet<string> = new Set([
  StreamType.notifySubscriber,
  responseTypeOf(RequestType.subscribeService),
  responseTypeOf(RequestType.serviceQuery),
]);
const MAX_QUOTED = 120;

export function encodePayload(type: string, body: object, headers: Readonly<Record<string, string>> = {}): Payload {
  return create(PayloadSchema, {
    metadata: { type, headers: { ...headers }, clientIp: "" },
    body: { typeUrl: "", value: encoder.encode(JSON.stringify(body)) },
  });
}

/** @throws NacosProtocolError when there is no type or the body is not a JSON object. An empty body is an empty object. */
export function decodePayload(payload: Payload): Envelope {
  const type = payload.metadata?.type ?? "";
  if (type === "") throw new NacosProtocolError("a message without a type");
  return envelopeOf(type, payload.metadata?.headers ?? {}, payload.body?.value ?? EMPTY);
}

/** As {@link decodePayload}. */
export function envelopeOf(type: string, headers: Readonly<Record<string, string>>, raw: Uint8Array): Envelope {
  if (raw.length === 0) return { type, headers, body: {} };
  return LISTS.has(type) ? new ListEnvelope(type, headers, raw) : { type, headers, body: parseBody(type, raw) };
}

const EMPTY = new Uint8Array();

class ListEnvelope implements Envelope {
  readonly type: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly raw: Uint8Array;
  #body: JsonObject | undefined;

  constructor(type: string, headers: Readonly<Record<string, string>>, raw: Uint8Array) {
    this.type = type;
    this.headers = headers;
    this.raw = raw;
  }

  /** Throws as {@link parseBody}. */
  get body(): JsonObject {
    this.#body ??= parseBody(this.type, this.raw);
    return this.#body;
  }
}

/** @throws NacosProtocolError when the body is not a JSON object. */
export function decodeBody(type: string, payload: Payload): JsonObject {
  return parseBody(type, payload.body?.value ?? EMPTY);
}

/** @throws NacosProtocolError when the text is not that of a JSON object. */
export function parseBody(type: string, bytes: Uint8Array): JsonObject {
  return checkedObject(type, decodeText(type, bytes, decoder));
}

/**
 * Parses the text with something else in the place of its part from `from` to `to`.
 *
 * @throws NacosProtocolError as {@link parseBody}.
 */
export function parseAround(
  type: string,
  bytes: Uint8Array,
  from: number,
  to: number,
  replacement: string,
): JsonObject {
  const before = decodeText(type, bytes.subarray(0, from), decoder);
  return checkedObject(type, before + replacement + decodeText(type, bytes.subarray(to), middleDecoder));
}

/**
 * Parses one value out of the middle of a text.
 *
 * @throws NacosProtocolError when it is none.
 */
export function parseValue(type: string, bytes: Uint8Array): unknown {
  return parse(type, decodeText(type, bytes, middleDecoder));
}

function checkedObject(type: string, text: string): JsonObject {
  const body = parse(type, text);
  if (!isObject(body)) throw new NacosProtocolError(`${type}: the body is not an object: ${text.slice(0, MAX_QUOTED)}`);
  return body;
}

function parse(type: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new NacosProtocolError(`${type}: the body is not JSON: ${text.slice(0, MAX_QUOTED)}`);
  }
}

function decodeText(type: string, bytes: Uint8Array, utf8: InstanceType<typeof TextDecoder>): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new NacosProtocolError(`${type}: the body is not UTF-8`);
  }
}
