/**
 * `grpc-message` (grpc/grpc doc/PROTOCOL-HTTP2.md, "Responses"): UTF-8, where every byte outside %x20-%x7E, and `%`
 * itself, is written as `%XX`. Outer spaces are written so too: a field value has none (RFC 9113 §8.2.1).
 */

const plain = /^(?:[!-$&-~](?:[ -$&-~]*[!-$&-~])?)?$/;
const hex = "0123456789ABCDEF";

export function encodeGrpcMessage(text: string): string {
  if (plain.test(text)) return text;
  const bytes = Buffer.from(text, "utf8");
  let out = "";
  for (const [index, byte] of bytes.entries()) {
    const outer = index === 0 || index === bytes.length - 1;
    if (byte >= (outer ? 0x21 : 0x20) && byte <= 0x7e && byte !== 0x25) out += String.fromCharCode(byte);
    else out += `%${hex[byte >> 4]}${hex[byte & 15]}`;
  }
  return out;
}

/**
 * Never fails: the message explains an error and must not become another. A `%` without two hex digits stays as it is
 * and bytes that are not UTF-8 become U+FFFD.
 */
export function decodeGrpcMessage(value: string): string {
  if (!value.includes("%")) return value;
  const bytes: number[] = [];
  const raw = Buffer.from(value, "utf8");
  for (let i = 0; i < raw.length; i++) {
    const byte = raw[i] as number;
    if (byte === 0x25 && i + 2 < raw.length) {
      const high = hexDigit(raw[i + 1] as number);
      const low = hexDigit(raw[i + 2] as number);
      if (high >= 0 && low >= 0) {
        bytes.push(high * 16 + low);
        i += 2;
        continue;
      }
    }
    bytes.push(byte);
  }
  return Buffer.from(bytes).toString("utf8");
}

function hexDigit(char: number): number {
  if (char >= 0x30 && char <= 0x39) return char - 0x30;
  if (char >= 0x41 && char <= 0x46) return char - 0x37;
  if (char >= 0x61 && char <= 0x66) return char - 0x57;
  return -1;
}
