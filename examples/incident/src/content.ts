/**
 * What the messages of an exchange carry. Both sides can compute every payload from (exchange, sequence), and each reply
 * has the digest of all that the provider received, so a lost, doubled, reordered or mixed-up message is seen at once.
 */

const fnvOffset = 0x811c9dc5;
const fnvPrime = 0x01000193;

/** FNV-1a, continued from `digest`. */
export function addToDigest(digest: number, bytes: Uint8Array): number {
  let h = digest;
  for (let i = 0; i < bytes.length; i++) h = Math.imul(h ^ (bytes[i] as number), fnvPrime);
  return h >>> 0;
}

export const emptyDigest: number = fnvOffset;

export function payloadOf(exchange: bigint, sequence: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  // xorshift32, seeded by both so that no two messages look alike.
  let x = (Number(exchange & 0xffffffffn) ^ Math.imul(sequence + 1, 0x9e3779b9)) | 1;
  for (let i = 0; i < length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes[i] = x;
  }
  return bytes;
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
