import { create, fromBinary, type JsonValue, type Registry, toJson } from "@bufbuild/protobuf";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import { decodeBinaryHeader, encodeBinaryHeader } from "../base64.js";
import { Code, codeFromName, codeName } from "../code.js";
import type { RpcError } from "../rpc-error.js";

/**
 * The body of a plain unary error (connectrpc.com/docs/protocol, "Error"): always JSON, whatever the messages are.
 *
 *     {"code": "not_found", "message": "…", "details": [{"type": "google.rpc.ErrorInfo", "value": "<base64>", "debug": {…}}]}
 */
export interface ErrorBody {
  /** Undefined when the body names none that we know: then the HTTP status counts. */
  readonly code: number | undefined;
  readonly message: string;
  readonly details: readonly Any[];
}

const anyPrefix = "type.googleapis.com/";

/** `types`: for the details' `debug`, which people read. */
export function encodeErrorBody(error: RpcError, types?: Registry): Uint8Array {
  const body: Record<string, unknown> = { code: codeName(error.code === 0 ? Code.Unknown : error.code) };
  if (error.rawMessage !== "") body["message"] = error.rawMessage;
  if (error.details.length > 0) body["details"] = error.details.map((detail) => encodeDetail(detail, types));
  return Buffer.from(JSON.stringify(body), "utf8");
}

/** Undefined when it is no such body. */
export function decodeErrorBody(bytes: Uint8Array): ErrorBody | undefined {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8"));
  } catch {
    return undefined;
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) return undefined;
  const { code, message = "", details = [] } = json as { code?: unknown; message?: unknown; details?: unknown };
  if (typeof message !== "string") return undefined;
  const known = typeof code === "string" ? codeFromName(code) : undefined;
  return {
    code: known === 0 ? undefined : known,
    message,
    // Details that do not decode are left out: the error itself is worth more.
    details: Array.isArray(details) ? details.map(decodeDetail).filter((detail) => detail !== undefined) : [],
  };
}

function encodeDetail(detail: Any, types: Registry | undefined): object {
  const type = detail.typeUrl.startsWith(anyPrefix) ? detail.typeUrl.slice(anyPrefix.length) : detail.typeUrl;
  const debug = debugOf(detail, types);
  return { type, value: encodeBinaryHeader(detail.value), ...(debug === undefined ? {} : { debug }) };
}

function debugOf(detail: Any, types: Registry | undefined): JsonValue | undefined {
  const schema = types?.getMessage(detail.typeUrl.slice(detail.typeUrl.lastIndexOf("/") + 1));
  if (types === undefined || schema === undefined) return undefined;
  try {
    return toJson(schema, fromBinary(schema, detail.value), { registry: types });
  } catch {
    return undefined;
  }
}

function decodeDetail(detail: unknown): Any | undefined {
  const { type, value } = (detail ?? {}) as { type?: unknown; value?: unknown };
  if (typeof type !== "string" || typeof value !== "string") return undefined;
  const bytes = decodeBinaryHeader(value);
  if (bytes === undefined) return undefined;
  return create(AnySchema, { typeUrl: type.includes("/") ? type : anyPrefix + type, value: bytes });
}
