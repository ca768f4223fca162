import { create } from "@bufbuild/protobuf";
import { type Payload, PayloadSchema } from "../gen/nacos_grpc_pb.js";
import { isObject, type JsonObject } from "./json.js";

/** A Nacos message without its protobuf wrapping: a class name, application headers and a JSON object. */
export interface Envelope {
  readonly type: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: JsonObject;
}

/** The peer sent something that is not the Nacos protocol. */
export class NacosProtocolError extends Error {
  override readonly name = "NacosProtocolError";
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });
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
  const empty = (payload.body?.value.length ?? 0) === 0;
  return { type, headers: payload.metadata?.headers ?? {}, body: empty ? {} : decodeBody(type, payload) };
}

/** @throws NacosProtocolError when the body is not a JSON object. */
export function decodeBody(type: string, payload: Payload): JsonObject {
  const bytes = payload.body?.value ?? new Uint8Array();
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw new NacosProtocolError(`${type}: the body is not UTF-8`);
  }
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new NacosProtocolError(`${type}: the body is not JSON: ${text.slice(0, MAX_QUOTED)}`);
  }
  if (!isObject(body)) throw new NacosProtocolError(`${type}: the body is not an object: ${text.slice(0, MAX_QUOTED)}`);
  return body;
}
