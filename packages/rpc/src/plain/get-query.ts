import { Code } from "../code.js";
import { type Encoding, parseEncoding } from "../compression.js";
import { RpcError } from "../rpc-error.js";
import type { Serialization } from "../serialization.js";

/**
 * The query of a unary call by GET (connectrpc.com/docs/protocol, "Unary-Get-Request"): for methods whose
 * `idempotency_level` is NO_SIDE_EFFECTS, so that caches and links can be used.
 *
 *     ?connect=v1&base64=1&compression=gzip&encoding=json&message=…
 */
export interface GetQuery {
  /** Undefined: an `encoding` that we do not have. */
  readonly serialization: Serialization | undefined;
  /** Undefined: a `compression` that we do not have. */
  readonly encoding: Encoding | undefined;
  readonly message: Uint8Array;
}

/** In the order that the protocol recommends, so that equal requests are equal to caches. */
const parameters = ["connect", "base64", "compression", "encoding", "message"] as const;

type Parameter = (typeof parameters)[number];

/** `query`: without the question mark. Throws RpcError(INVALID_ARGUMENT). Parameters that the protocol does not know are skipped. */
export function parseGetQuery(query: string): GetQuery {
  const raw = new Map<Parameter, string>();
  for (const pair of query.split("&")) {
    const at = pair.indexOf("=");
    const name = (at < 0 ? pair : pair.slice(0, at)) as Parameter;
    if (!parameters.includes(name)) continue;
    if (raw.has(name)) throw malformed(`parameter ${name} is given twice`);
    raw.set(name, at < 0 ? "" : pair.slice(at + 1));
  }
  const text = (name: Parameter): string | undefined => {
    const value = raw.get(name);
    return value === undefined ? undefined : Buffer.from(percentDecode(name, value)).toString("utf8");
  };
  const version = text("connect");
  if (version !== undefined && version !== "v1") throw malformed(`parameter connect is "v1", not ${quote(version)}`);
  const encoding = text("encoding");
  if (encoding === undefined) throw malformed("parameter encoding is missing");
  const message = raw.get("message");
  if (message === undefined) throw malformed("parameter message is missing");
  const bytes = percentDecode("message", message);
  return {
    serialization: encoding === "json" || encoding === "proto" ? encoding : undefined,
    encoding: parseEncoding(text("compression")),
    message: text("base64") === "1" ? base64Decode(bytes) : bytes,
  };
}

/** With the question mark. JSON is written so that people can read it, all else as base64. */
export function formatGetQuery(serialization: Serialization, message: Uint8Array, encoding: Encoding): string {
  const buffer = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  const readable = serialization === "json" && encoding === "identity";
  const flags = `${readable ? "" : "&base64=1"}${encoding === "identity" ? "" : `&compression=${encoding}`}`;
  const text = readable ? encodeURIComponent(buffer.toString("utf8")) : buffer.toString("base64url");
  return `?connect=v1${flags}&encoding=${serialization}&message=${text}`;
}

/** To bytes, since a message need not be text: `%41` and `+` as in HTML forms, all else as it is. */
function percentDecode(name: Parameter, value: string): Uint8Array {
  if (!/^(?:[!-$&-~]|%[0-9A-Fa-f]{2})*$/.test(value)) throw malformed(`parameter ${name} is not percent-encoded`);
  const bytes = new Uint8Array(value.length);
  let length = 0;
  for (let i = 0; i < value.length; i++) {
    const char = value.charCodeAt(i);
    if (char === 0x25) {
      bytes[length++] = Number.parseInt(value.slice(i + 1, i + 3), 16);
      i += 2;
    } else {
      bytes[length++] = char === 0x2b ? 0x20 : char;
    }
  }
  return bytes.subarray(0, length);
}

/** The URL's alphabet or the usual one, with or without padding. */
function base64Decode(bytes: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes).toString("latin1");
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text) || text.replace(/=+$/, "").length % 4 === 1)
    throw malformed("parameter message is not base64");
  return new Uint8Array(Buffer.from(text, "base64url"));
}

function malformed(text: string): RpcError {
  return new RpcError(text, Code.InvalidArgument);
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 64));
}
