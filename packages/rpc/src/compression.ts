import { constants, gunzip, gunzipSync, gzip, gzipSync } from "node:zlib";
import { Code } from "./code.js";
import { RpcError } from "./rpc-error.js";

/**
 * Per-message compression (grpc/grpc doc/compression.md). `gzip` is what every gRPC and Dubbo implementation has; small
 * messages are done in place, larger ones on zlib's threads, so that no message holds up the event loop.
 */
export type Encoding = "identity" | "gzip";

/** What we can read; sent as `grpc-accept-encoding`. */
export const acceptedEncodings = "gzip";

const inPlaceInput = 8 * 1024;
const inPlaceOutput = 64 * 1024;

/** Undefined when we cannot read it. */
export function parseEncoding(value: string | undefined): Encoding | undefined {
  if (value === undefined || value === "identity") return "identity";
  return value === "gzip" ? "gzip" : undefined;
}

/** Whether a peer's `grpc-accept-encoding` names gzip. */
export function acceptsGzip(value: string | undefined): boolean {
  if (value === undefined) return false;
  return value === "gzip" || value.split(",").some((name) => name.trim().toLowerCase() === "gzip");
}

export function compressGzip(message: Uint8Array): Uint8Array | Promise<Uint8Array> {
  if (message.length <= inPlaceInput) return gzipSync(message);
  return new Promise((resolve, reject) => {
    gzip(message, (error, result) => (error === null ? resolve(result) : reject(RpcError.from(error, Code.Internal))));
  });
}

/**
 * Rejects or throws an RpcError: RESOURCE_EXHAUSTED when more than `maxBytes` would come out (it stops there, so a bomb
 * costs no more than the limit), INTERNAL when it is not gzip. `message` must not change until the promise settles.
 */
export function decompressGzip(message: Uint8Array, maxBytes: number): Uint8Array | Promise<Uint8Array> {
  if (message.length <= inPlaceInput) {
    try {
      return plain(gunzipSync(message, { maxOutputLength: Math.max(1, Math.min(maxBytes, inPlaceOutput)) }));
    } catch (error) {
      if (!isTooLarge(error) || maxBytes <= inPlaceOutput) throw decompressionError(error, maxBytes);
    }
  }
  return new Promise((resolve, reject) => {
    gunzip(message, { maxOutputLength: Math.max(1, maxBytes), finishFlush: constants.Z_FINISH }, (error, result) => {
      if (error === null) resolve(plain(result));
      else reject(decompressionError(error, maxBytes));
    });
  });
}

/** Messages hand out views of it as `bytes` fields; those are to be Uint8Arrays, not Buffers, whose `slice` differs. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}

function isTooLarge(error: unknown): boolean {
  return (error as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE";
}

function decompressionError(error: unknown, maxBytes: number): RpcError {
  if (isTooLarge(error)) {
    return new RpcError(
      `message is larger than the receive limit of ${maxBytes} bytes once decompressed`,
      Code.ResourceExhausted,
    );
  }
  return new RpcError(`message is not valid gzip: ${(error as Error).message}`, Code.Internal, {
    source: "peer",
    cause: error,
  });
}
