const COMPRESSION_ERROR = 0x9;
const ENHANCE_YOUR_CALM = 0xb;

/**
 * A header block that cannot be decoded. The two tables no longer agree, so it is always an error of the connection
 * (RFC 9113 §4.3); `code` is the HTTP/2 error code to close it with.
 */
export class HpackError extends Error {
  override readonly name: string = "HpackError";
  readonly code: number;

  constructor(message: string, code: number = COMPRESSION_ERROR) {
    super(message);
    this.code = code;
  }
}

/** A small block that expands to far more than the advertised limit. */
export function bombError(limit: number): HpackError {
  return new HpackError(`header list exceeds ${limit} bytes`, ENHANCE_YOUR_CALM);
}
