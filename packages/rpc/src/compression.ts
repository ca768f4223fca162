import { constants as bufferLimits } from "node:buffer";
import {
  brotliCompress,
  brotliCompressSync,
  brotliDecompress,
  brotliDecompressSync,
  constants,
  deflate,
  deflateSync,
  gunzip,
  gunzipSync,
  gzip,
  gzipSync,
  inflate,
  inflateSync,
} from "node:zlib";
import { Code } from "./code.js";
import { RpcError } from "./rpc-error.js";
import { type UnpackOwner, UnpackQueue } from "./unpack-queue.js";

/**
 * Compression of messages: gRPC's, by the message (grpc/grpc doc/compression.md), and HTTP's, of a body that is one message
 * (RFC 9110 §8.4). `gzip` is what every gRPC and Dubbo implementation has; `deflate` is the zlib format, not bare deflate.
 * Small messages are done in place, larger ones on zlib's threads, so that no message holds up the event loop.
 */
export type Compression = "gzip" | "deflate" | "br";

export type Encoding = "identity" | Compression;

/** What we can read, best first; sent as `grpc-accept-encoding` and `accept-encoding`. */
const compressions: readonly Compression[] = ["gzip", "br", "deflate"];

export const acceptedEncodings = "gzip,br,deflate";

const inPlaceInput = 8 * 1024;
const inPlaceOutput = 64 * 1024;
/** What comes out is gathered in pieces of this size; zlib's own 16 KiB mean a callback for each. */
const unpackChunk = 512 * 1024;
/** zlib takes no less. */
const minChunk = 64;

/** zlib's threads are the process's, and so is the queue for them. */
const queue = new UnpackQueue();

/** Brotli's own default is 11, made for files that are packed once: ten times the time of gzip for the last few percent. */
const brotliQuality = 4;

type Done = (error: Error | null, result: Buffer) => void;

interface Limits {
  readonly maxOutputLength: number;
  readonly chunkSize?: number;
}

interface Coding {
  pack(message: Uint8Array, done: Done): void;
  packInPlace(message: Uint8Array): Buffer;
  unpack(message: Uint8Array, limits: Limits, done: Done): void;
  unpackInPlace(message: Uint8Array, limits: Limits): Buffer;
}

const brotliOptions = (size: number) => ({
  params: { [constants.BROTLI_PARAM_QUALITY]: brotliQuality, [constants.BROTLI_PARAM_SIZE_HINT]: size },
});

const codings: Readonly<Record<Compression, Coding>> = {
  gzip: { pack: gzip, packInPlace: gzipSync, unpack: gunzip, unpackInPlace: gunzipSync },
  deflate: { pack: deflate, packInPlace: deflateSync, unpack: inflate, unpackInPlace: inflateSync },
  br: {
    pack: (message, done) => brotliCompress(message, brotliOptions(message.length), done),
    packInPlace: (message) => brotliCompressSync(message, brotliOptions(message.length)),
    unpack: brotliDecompress,
    unpackInPlace: brotliDecompressSync,
  },
};

/** Throws a TypeError for an option that names none of ours. */
export function checkCompression(name: string | undefined): void {
  if (name !== undefined && !compressions.some((one) => one === name))
    throw new TypeError(`compression is "gzip", "deflate" or "br", not ${JSON.stringify(name)}`);
}

/** Undefined when we cannot read it. Names are not case-sensitive (RFC 9110 §8.4.1). */
export function parseEncoding(value: string | undefined): Encoding | undefined {
  if (value === undefined || value === "identity") return "identity";
  const name = value.trim().toLowerCase();
  if (name === "identity" || name === "") return "identity";
  return name === "x-gzip" ? "gzip" : compressions.find((one) => one === name);
}

/**
 * Those of ours that a peer's `grpc-accept-encoding` or `accept-encoding` allows, in our order. A weight of 0 forbids
 * (RFC 9110 §12.5.3), other weights say no more than that.
 */
export function parseAcceptEncoding(value: string | undefined): readonly Compression[] {
  if (value === undefined || value === "") return none;
  if (value === "gzip") return gzipOnly;
  const weights = new Map<string, boolean>();
  for (const element of value.split(",")) {
    const [name = "", ...parameters] = element.split(";");
    const forbidden = parameters.some((one) => /^\s*q\s*=\s*0(\.0*)?\s*$/i.test(one));
    weights.set(name.trim().toLowerCase(), !forbidden);
  }
  const others = weights.get("*") === true;
  return compressions.filter((one) => weights.get(one) ?? others);
}

const none: readonly Compression[] = [];
const gzipOnly: readonly Compression[] = ["gzip"];

/** How to answer a peer that accepts these: as configured, else in our order, else as it is. */
export function chooseEncoding(configured: Compression | undefined, accepted: readonly Compression[]): Encoding {
  if (configured === undefined || accepted.length === 0) return "identity";
  return accepted.includes(configured) ? configured : (accepted[0] as Compression);
}

export function compress(encoding: Compression, message: Uint8Array): Uint8Array | Promise<Uint8Array> {
  const coding = codings[encoding];
  if (message.length <= inPlaceInput) return coding.packInPlace(message);
  return new Promise((resolve, reject) => {
    coding.pack(message, (error, result) =>
      error === null ? resolve(result) : reject(RpcError.from(error, Code.Internal)),
    );
  });
}

/**
 * Rejects or throws an RpcError: RESOURCE_EXHAUSTED when more than `maxBytes` would come out (it stops there, so a bomb
 * costs no more than the limit), INTERNAL when it is not what `encoding` says, CANCELED when its owner is over by the time
 * that it is its turn. `message` must not change until the promise settles.
 */
export function decompress(
  encoding: Compression,
  message: Uint8Array,
  maxBytes: number,
  owner: UnpackOwner,
): Uint8Array | Promise<Uint8Array> {
  const coding = codings[encoding];
  // Brotli makes room for a window of megabytes before the first byte comes out: never in place.
  if (message.length <= inPlaceInput && encoding !== "br") {
    try {
      const maxOutputLength = Math.max(1, Math.min(maxBytes, inPlaceOutput));
      return plain(coding.unpackInPlace(message, { maxOutputLength }));
    } catch (error) {
      if (!isTooLarge(error) || maxBytes <= inPlaceOutput) throw decompressionError(encoding, error, maxBytes);
    }
  }
  return new Promise((resolve, reject) => {
    queue.add({
      owner,
      start(done) {
        const maxOutputLength = Math.max(1, Math.min(maxBytes, bufferLimits.MAX_LENGTH));
        const chunkSize = Math.max(minChunk, Math.min(maxBytes, unpackChunk));
        coding.unpack(message, { maxOutputLength, chunkSize }, (error, result) => {
          // What a message keeps of it must not pin much more.
          if (error === null) resolve(result.length < chunkSize / 2 ? new Uint8Array(result) : plain(result));
          else reject(decompressionError(encoding, error, maxBytes));
          done();
        });
      },
      drop() {
        reject(new RpcError("the call was over before its message was unpacked", Code.Canceled));
      },
    });
  });
}

/** For what is small by its nature. Throws as `decompress` does. */
export function decompressInPlace(encoding: Compression, message: Uint8Array, maxBytes: number): Uint8Array {
  try {
    return plain(codings[encoding].unpackInPlace(message, { maxOutputLength: Math.max(1, maxBytes) }));
  } catch (error) {
    throw decompressionError(encoding, error, maxBytes);
  }
}

/** Messages hand out views of it as `bytes` fields; those are to be Uint8Arrays, not Buffers, whose `slice` differs. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}

function isTooLarge(error: unknown): boolean {
  return (error as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE";
}

function decompressionError(encoding: Compression, error: unknown, maxBytes: number): RpcError {
  if (isTooLarge(error)) {
    return new RpcError(
      `message is larger than the receive limit of ${maxBytes} bytes once decompressed`,
      Code.ResourceExhausted,
    );
  }
  return new RpcError(`message is not valid ${encoding}: ${(error as Error).message}`, Code.Internal, {
    source: "peer",
    cause: error,
  });
}
