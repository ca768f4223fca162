import { huffmanEncode, huffmanLength } from "./huffman.js";

/** First octet of each representation (RFC 7541 §6). */
export const INDEXED = 0x80;
export const LITERAL_INDEXED = 0x40;
export const SIZE_UPDATE = 0x20;
export const LITERAL_NEVER_INDEXED = 0x10;
export const LITERAL = 0x00;

/** Below this many octets Huffman saves one or two and costs both sides a walk of the code tree. */
const MIN_HUFFMAN_LENGTH = 10;

/** RFC 7541 §5.1. `first` holds the bits above the prefix. Returns the offset after it, as all of these do. */
export function writeInteger(
  value: number,
  prefixBits: number,
  first: number,
  out: Uint8Array,
  offset: number,
): number {
  const mask = (1 << prefixBits) - 1;
  if (value < mask) {
    out[offset] = first | value;
    return offset + 1;
  }
  out[offset++] = first | mask;
  let rest = value - mask;
  while (rest > 0x7f) {
    out[offset++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  out[offset++] = rest;
  return offset;
}

/** RFC 7541 §5.2. Every character must be an octet. */
export function writeString(text: string, out: Uint8Array, offset: number): number {
  const length = text.length;
  if (length >= MIN_HUFFMAN_LENGTH) {
    const coded = huffmanLength(text);
    if (coded < length) return huffmanEncode(text, out, writeInteger(coded, 7, 0x80, out, offset));
  }
  const at = writeInteger(length, 7, 0, out, offset);
  for (let i = 0; i < length; i++) out[at + i] = text.charCodeAt(i);
  return at + length;
}

/** RFC 7541 §6.2: one of the LITERAL forms; `index` is that of the name, or 0 to spell it out. */
export function writeLiteral(
  form: number,
  index: number,
  name: string,
  value: string,
  out: Uint8Array,
  offset: number,
): number {
  const at = writeInteger(index, form === LITERAL_INDEXED ? 6 : 4, form, out, offset);
  return writeString(value, out, index === 0 ? writeString(name, out, at) : at);
}

/** A loop: runs of ten to fifty octets do not repay the call of `set`. */
export function copyTo(bytes: Uint8Array, out: Uint8Array, offset: number): number {
  for (let i = 0; i < bytes.length; i++) out[offset + i] = bytes[i]!;
  return offset + bytes.length;
}
