/** HPACK (RFC 7541): header blocks of one connection to octets and back. */
export { DecodedBlock } from "./decoded-block.js";
export { DEFAULT_TABLE_SIZE, HpackDecoder, type HpackDecoderOptions } from "./decoder.js";
export { HpackEncoder } from "./encoder.js";
export { HpackError } from "./errors.js";
